import { encodeFunction, formatDump } from '../test/support/encode.js';

export interface BenchFunction {
  readonly slot: string;
  readonly parent?: string;
  readonly config: Uint8Array;
  readonly live: boolean;
}

export interface BenchOptions {
  /** One endpoint in so many has BME set. */
  readonly liveOneIn: number;
  /** MSI-X enabled in those that are live. */
  readonly msix: boolean;
}

const FUNCTIONS = 4096;
const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0');

/**
 * 4,096 functions on 256 buses: root ports on bus 0, endpoints behind each, all with MSI-X and PCI Express
 * capabilities and 4,096 bytes of configuration space.
 */
export function benchMachine({ liveOneIn, msix }: BenchOptions): BenchFunction[] {
  const functions: BenchFunction[] = [];
  const port = (bus: number) => `0000:00:${hex(bus >> 3, 2)}.${bus & 7}`;
  for (let bus = 0; bus < 256; bus++) {
    const config =
      bus === 0
        ? encodeFunction({ classCode: 0x060000, size: 4096 })
        : encodeFunction({
            classCode: 0x060400,
            multiFunction: true,
            command: 0x0407,
            bridge: { secondary: bus },
            capabilities: [{ kind: 'express', type: 4 }, { kind: 'msix' }],
            size: 4096,
          });
    functions.push({ slot: port(bus), config, live: false });
  }
  for (let i = 0; functions.length < FUNCTIONS; i++) {
    const bus = 1 + (i % 255);
    const index = Math.floor(i / 255);
    const live = i % liveOneIn === 0;
    const config = encodeFunction({
      vendor: 0x15b3,
      device: 0x1017,
      classCode: 0x020000,
      multiFunction: true,
      command: live ? 0x0006 : 0x0402,
      interruptPin: 1,
      capabilities: [
        { kind: 'express', flr: true },
        { kind: 'msix', enable: live && msix, tableSize: 64 },
      ],
      size: 4096,
    });
    functions.push({
      slot: `0000:${hex(bus, 2)}:${hex(index >> 3, 2)}.${index & 7}`,
      parent: port(bus),
      config,
      live,
    });
  }
  return functions.sort((a, b) => (a.slot < b.slot ? -1 : 1));
}

export function benchDump(functions: readonly BenchFunction[]): string {
  return formatDump(functions.map(({ slot, config }) => ({ slot, bytes: config })));
}
