import { readFileSync } from 'node:fs';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { SETUP } from '../src/image/layout.js';
import type { GuestParts } from '../src/lab/initramfs.js';
import { wrappedKernel } from '../src/lab/wrapped.js';
import * as regs from '../src/pci/regs.js';
import { BootGuest, type BootSeen, type Firmware } from './support/boot-guest.js';
import { ALL_GUESTS, labParts, labWanted, onlyIfAll } from './support/lab.js';
import { hasOvmf } from './support/ovmf.js';

// A wrapped kernel that is not entered as kexec enters a kernel is the kernel that it was: the stub touches nothing.

interface Way {
  readonly firmware: Firmware;
  /** Boot loader ID that the kernel is given. */
  readonly loader: number;
  /** Then jumps into itself: words for `kexec -c -l`. */
  readonly kexec?: readonly string[];
}

const QEMU = 0xb0;
const EFI_STUB = 0x21;
const KEXEC = 0xd0;
const WAYS = {
  'from SeaBIOS, and by kexec at its 32-bit entry': {
    firmware: 'seabios',
    loader: QEMU,
    kexec: ['--entry-32bit'],
  },
  'from UEFI': { firmware: 'ovmf', loader: EFI_STUB },
  'from UEFI, which finds it on a disk': { firmware: 'ovmf-disk', loader: EFI_STUB },
} as const satisfies Readonly<Record<string, Way>>;
const ALWAYS: Readonly<Record<string, readonly string[]>> = {
  '6.1': ['from SeaBIOS, and by kexec at its 32-bit entry'],
  '6.12': ['from UEFI'],
};
const TIMEOUT_MS = 400_000;

type Which = 'plain' | 'wrapped';

const kernels = new Map<string, { parts: GuestParts; plain: string; wrapped: string }>();
const guests: BootGuest[] = [];

function kernelOf(series: string) {
  const found = kernels.get(series);
  if (!found) throw new Error(`not prepared: ${series}`);
  return found;
}

async function start(series: string, which: Which, next: Which, firmware: Firmware): Promise<BootGuest> {
  const { parts, [which]: kernel, [next]: nextKernel } = kernelOf(series);
  const guest = await BootGuest.start({ parts, kernel, firmware, next: nextKernel });
  guests.push(guest);
  return guest;
}

/** Boots a kernel in this way and looks at it, each time that it has come up. */
async function boot(series: string, which: Which, { firmware, kexec }: Way): Promise<readonly BootSeen[]> {
  const guest = await start(series, which, which, firmware);
  const first = await guest.seen();
  if (!kexec) return [first];
  await guest.kexec(...kexec);
  return [first, await guest.seen()];
}

function initSizeOf(image: string): number {
  return readFileSync(image).readUInt32LE(SETUP.initSize);
}

function anyMaster({ commands }: BootSeen): boolean {
  return Object.values(commands).some((command) => (command & regs.PCI_COMMAND_MASTER) !== 0);
}

const TAIL_KIB = 64;
const kib = (line = '') => Number(/^MemTotal: +(\d+) kB$/.exec(line)?.[1]);

describe.skipIf(!labWanted())('a wrapped kernel', () => {
  beforeAll(async () => {
    for (const series of Object.keys(ALWAYS)) {
      const parts = await labParts(series);
      const wrapped = await wrappedKernel(parts.store, parts.kernel, { progress: true });
      kernels.set(series, { parts, plain: parts.kernel.image, wrapped });
    }
  }, TIMEOUT_MS);
  afterEach(async () => {
    await Promise.all(guests.splice(0).map((guest) => guest.stop()));
  });

  for (const [series, always] of Object.entries(ALWAYS)) {
    for (const [name, way] of Object.entries(WAYS)) {
      const wanted = always.includes(name);
      const there = way.firmware === 'seabios' || (labWanted() && hasOvmf());
      it.skipIf(!there || !(wanted || ALL_GUESTS))(
        `${series} boots ${name}, and nothing is different${onlyIfAll(wanted)}`,
        async () => {
          const [plain, wrapped] = await Promise.all([
            boot(series, 'plain', way),
            boot(series, 'wrapped', way),
          ]);
          // There is something that the stub would stop, and it is as it was.
          expect(plain.every(anyMaster)).toBe(true);
          const own = (at: number) => ({ initSize: wrapped[at]?.initSize, memTotal: wrapped[at]?.memTotal });
          expect(wrapped).toEqual(plain.map((seen, at) => ({ ...seen, ...own(at) })));
          // Two boots of one kernel can differ by a page; the tail of a wrapped one would be missed as a whole.
          for (const [at, { memTotal }] of plain.entries())
            expect(Math.abs(kib(memTotal) - kib(wrapped[at]?.memTotal))).toBeLessThan(TAIL_KIB);
          const loaders = [way.loader, ...('kexec' in way ? [KEXEC] : [])];
          expect(wrapped).toMatchObject(loaders.map((loader) => ({ loader, flight: null, progress: false })));
          // The kernel's own EFI stub leaves the field empty.
          const room = initSizeOf(kernelOf(series).wrapped);
          for (const { loader, initSize } of wrapped) if (loader !== EFI_STUB) expect(initSize).toBe(room);
        },
        TIMEOUT_MS,
      );
    }

    const wanted = series === '6.1';
    it.skipIf(!(wanted || ALL_GUESTS))(
      `${series}, control: at its 64-bit entry all of that is seen${onlyIfAll(wanted)}`,
      async () => {
        const guest = await start(series, 'plain', 'wrapped', 'seabios');
        await guest.kexec();
        const { loader, flight, progress, writes, commands } = await guest.seen();
        expect({ loader, progress }).toEqual({ loader: KEXEC, progress: true });
        expect(flight).not.toBeNull();
        // The disk controller that firmware has left at work.
        const gated = commands['0000:00:1f.2'] ?? 0;
        expect(gated & (regs.PCI_COMMAND_MASTER | regs.PCI_COMMAND_INTX_DISABLE)).toBe(
          regs.PCI_COMMAND_INTX_DISABLE,
        );
        expect(writes).toContainEqual({ slot: '00:1f.2', offset: regs.PCI_COMMAND, value: gated });
      },
      TIMEOUT_MS,
    );
  }
});
