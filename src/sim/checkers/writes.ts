import { ConfigImage } from '../../pci/config-image.js';
import { decodeFunction } from '../../pci/decode.js';
import { seen } from '../../pci/function.js';
import * as regs from '../../pci/regs.js';
import { hex, type Slot } from '../../pci/slot.js';
import type { SimEvent } from '../events.js';
import type { SimFunction } from '../functions/function.js';
import type { SimMachine } from '../machine.js';

type ConfigWrite = Extract<SimEvent, { kind: 'config-write' }>;

/** What a shootdown may change in one function: a mask for each byte, by its offset. */
interface Allowed {
  readonly masks: ReadonlyMap<number, number>;
  readonly isBridge: boolean;
}

/**
 * Watches what a shootdown changes in configuration space: nothing but the bits that gate a function or keep it from
 * interrupting, and never the bus mastering of a bridge above a function that still has its own. What a kernel
 * writes, be it because somebody asked for an unbind or a reset, is the kernel's.
 */
export class WriteChecker {
  readonly violations: string[] = [];
  /** Writes of a shootdown that changed something. */
  changed = 0;
  /** Of these, the ones that closed a bridge. */
  closed = 0;
  readonly stop: () => void;
  readonly #machine: SimMachine;
  /** By the bytes of configuration space, in which a power cycle puts everything where it was. */
  readonly #allowed: ReadonlyMap<Slot, Allowed>;

  constructor(machine: SimMachine) {
    this.#machine = machine;
    this.#allowed = new Map([...machine.snapshot()].map(([slot, bytes]) => [slot, allowedIn(slot, bytes)]));
    this.stop = machine.observe((event) => {
      if (event.kind === 'config-write' && (event.by === 'host' || event.by === 'stub')) this.#look(event);
    });
  }

  #look(event: ConfigWrite): void {
    const { slot, offset, width, before, after } = event;
    if (before === after) return;
    this.changed++;
    const allowed = this.#allowed.get(slot);
    const changed = before ^ after;
    for (let i = 0; i < width; i++) {
      const mask = allowed?.masks.get(offset + i) ?? 0;
      if (((changed >>> (8 * i)) & 0xff & ~mask) === 0) continue;
      this.#say(event, 'which is not its to change');
      break;
    }
    if (!allowed?.isBridge || !clearsBusMaster(event)) return;
    this.closed++;
    const live = liveBelow(this.#machine.functions.get(slot));
    if (live) this.#say(event, `with ${live.slot} live below it`);
  }

  #say({ tick, by, slot, offset, width, before, after }: ConfigWrite, what: string): void {
    const digits = 2 * width;
    const change = `${hex(before, digits)} → ${hex(after, digits)}`;
    this.violations.push(`${tick}: the ${by} changes ${slot} register ${hex(offset, 2)}: ${change}, ${what}`);
  }
}

function allowedIn(slot: Slot, bytes: Uint8Array): Allowed {
  const fn = decodeFunction(slot, ConfigImage.of(bytes));
  const [msi, msix] = [seen(fn.msi), seen(fn.msix)];
  const masks = new Map<number, number>();
  const allow = (offset: number, mask: number) => {
    masks.set(offset, mask & 0xff);
    masks.set(offset + 1, mask >>> 8);
  };
  allow(regs.PCI_COMMAND, regs.PCI_COMMAND_MASTER | regs.PCI_COMMAND_INTX_DISABLE);
  if (msi) allow(msi.offset + regs.PCI_MSI_FLAGS, regs.PCI_MSI_FLAGS_ENABLE);
  if (msix)
    allow(msix.offset + regs.PCI_MSIX_FLAGS, regs.PCI_MSIX_FLAGS_ENABLE | regs.PCI_MSIX_FLAGS_MASKALL);
  return { masks, isBridge: fn.headerType === regs.PCI_HEADER_TYPE_BRIDGE };
}

function clearsBusMaster({ offset, width, before, after }: ConfigWrite): boolean {
  const at = regs.PCI_COMMAND - offset;
  if (at < 0 || at >= width) return false;
  return (((before & ~after) >>> (8 * at)) & regs.PCI_COMMAND_MASTER) !== 0;
}

/** By how the machine is wired, and not by what anybody reads of its buses. */
function liveBelow(bridge: SimFunction | undefined): SimFunction | undefined {
  for (const fn of bridge?.children ?? []) {
    const live = fn.alive && fn.inD0 && fn.busMaster ? fn : liveBelow(fn);
    if (live) return live;
  }
  return undefined;
}
