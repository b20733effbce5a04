import * as regs from '../../pci/regs.js';
import type { Slot } from '../../pci/slot.js';
import type { SimEvent, Writer } from '../events.js';

/** A write to a Command register that changed it. */
export interface CommandWrite {
  readonly tick: number;
  readonly by: Writer;
  readonly before: number;
  readonly after: number;
}

/** Who changed Command registers, and when the IOMMU stopped whose requests, as seen from outside. */
export class JumpLog {
  readonly #writes = new Map<Slot, CommandWrite[]>();
  readonly #stopped = new Map<Slot, number>();

  readonly observer = (event: SimEvent): void => {
    if ((event.kind === 'dma' || event.kind === 'read-refused') && event.faulted)
      this.#stopped.set(event.slot, event.kind === 'dma' ? event.sent : event.tick);
    if (event.kind !== 'config-write' || event.offset !== regs.PCI_COMMAND) return;
    const { slot, tick, by } = event;
    const [before, after] = [event.before & 0xffff, event.after & 0xffff];
    if (before === after) return;
    const list = this.#writes.get(slot);
    if (list) list.push({ tick, by, before, after });
    else this.#writes.set(slot, [{ tick, by, before, after }]);
  };

  /** When it sent the last request that the IOMMU stopped; `null` if there was none. */
  lastStopped(slot: Slot): number | null {
    return this.#stopped.get(slot) ?? null;
  }

  of(slot: Slot): readonly CommandWrite[] {
    return this.#writes.get(slot) ?? [];
  }

  /** Somebody else gave the function back what a shootdown took: BME, or the right to INTx. In ticks, or `null`. */
  releasedAfter(slot: Slot, tick: number): number | null {
    const given = this.of(slot).find(
      (write) => write.tick >= tick && !isOurs(write.by) && (sets(write) || freesIntx(write)),
    );
    return given?.tick ?? null;
  }

  /** Who cleared its BME first, if anybody did. */
  firstGate(slot: Slot): 'ours' | 'others' | null {
    const first = this.of(slot).find(clears);
    if (!first) return null;
    return isOurs(first.by) ? 'ours' : 'others';
  }

  /** Ours wrote its Command register last, and INTx-disable is not set: there is no such bit. */
  lacksIntxDisable(slot: Slot): boolean {
    const last = this.of(slot)
      .filter(({ by }) => isOurs(by))
      .at(-1);
    return last !== undefined && (last.after & regs.PCI_COMMAND_INTX_DISABLE) === 0;
  }

  /** It was a shootdown that cleared BME last, up to `tick`. */
  gatedByUs(slot: Slot, tick: number): boolean {
    const last = this.of(slot)
      .filter((write) => write.tick <= tick && ((write.before ^ write.after) & regs.PCI_COMMAND_MASTER) !== 0)
      .at(-1);
    return last !== undefined && isOurs(last.by) && (last.after & regs.PCI_COMMAND_MASTER) === 0;
  }
}

const isOurs = (by: Writer) => by === 'host' || by === 'stub';
const sets = ({ before, after }: CommandWrite) => (after & ~before & regs.PCI_COMMAND_MASTER) !== 0;
const clears = ({ before, after }: CommandWrite) => (before & ~after & regs.PCI_COMMAND_MASTER) !== 0;
const freesIntx = ({ before, after }: CommandWrite) =>
  (before & ~after & regs.PCI_COMMAND_INTX_DISABLE) !== 0;
