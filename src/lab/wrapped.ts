import { readFile } from 'node:fs/promises';
import type { Machine } from '../host/scan.js';
import { STUB } from '../image/stub.generated.js';
import { compileTable, type TableOptions } from '../image/table.js';
import { wrapImage } from '../image/wrap.js';
import { defaultPolicy } from '../quiesce/default-policy.js';
import type { Policy } from '../quiesce/policy.js';
import { keepImage } from './images.js';
import type { LabKernel } from './kernel.js';
import type { Store } from './store.js';

export interface WrappedOptions extends Partial<Omit<TableOptions, 'machine'>> {
  readonly policy?: Policy;
  /** What the kernel is wrapped for; without it nothing is known of the machine, and all buses are looked at. */
  readonly machine?: Machine;
}

const TAIL_BYTES = 64 * 1024;
/** An access takes tens of microseconds under TCG, and the machine is shared. */
const WALK_TIMEOUT_MS = 10_000;

/** A guest's kernel, wrapped as `shootdown wrap` does it, with a bound that suits an emulator. Gives its path. */
export async function wrappedKernel(
  store: Store,
  kernel: LabKernel,
  { policy = labPolicy(), ...options }: WrappedOptions = {},
): Promise<string> {
  const { bytes: table } = compileTable(policy, {
    tool: 'lab',
    scanAll: options.machine === undefined,
    ...options,
  });
  const image = await readFile(kernel.image);
  const wrapped = wrapImage(image, { stub: STUB, table, tailBytes: TAIL_BYTES });
  return keepImage(store, `vmlinuz-${kernel.series}-wrapped`, wrapped);
}

/** The policy that ships, with the lab's bound. */
function labPolicy(): Policy {
  const policy = defaultPolicy();
  return { ...policy, between: { ...policy.between, walkTimeoutMs: WALK_TIMEOUT_MS } };
}
