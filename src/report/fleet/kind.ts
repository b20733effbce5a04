import { hex } from '../../pci/slot.js';

/** What a function is, as hexadecimal text. */
export interface FunctionKind {
  readonly vendor: string;
  readonly device: string;
  readonly class: string;
}

export function kindOf(fn: {
  readonly vendor: number;
  readonly device: number;
  readonly classCode: number;
}): FunctionKind {
  return { vendor: hex(fn.vendor, 4), device: hex(fn.device, 4), class: hex(fn.classCode, 6) };
}
