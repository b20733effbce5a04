import * as regs from '../pci/regs.js';
import { hex, type Slot } from '../pci/slot.js';
import type { SimEvent } from './events.js';
import type {
  CorruptedPage,
  IrqStorm,
  RefusedWrites,
  Region,
  StrayWrite,
  TimelineEntry,
} from './jump-result.js';
import { addressOf, type Owner, pageOf } from './memory.js';

/** Writes down what happens around a jump. */
export class JumpWatch {
  readonly writes: StrayWrite[] = [];
  readonly storms: IrqStorm[] = [];
  readonly timeline: TimelineEntry[] = [];
  /** Whether the next kernel drives this function. */
  readonly #drives: (slot: Slot) => boolean;
  readonly #refused = new Map<string, { slot: Slot; by: Slot; count: number }>();
  readonly #said = new Set<string>();
  /** A dump is being saved: what is written now, it may show or not. */
  saving = false;
  #jumped = false;

  constructor(drives: (slot: Slot) => boolean) {
    this.#drives = drives;
  }

  /** From now on nobody is there who wanted these writes. */
  jumped(): void {
    this.#jumped = true;
  }

  get refused(): readonly RefusedWrites[] {
    return [...this.#refused.values()];
  }

  /** A page that does not hold what it should, with those who wrote there. */
  blame(page: number, region: Region): CorruptedPage {
    const hits = this.writes.filter((write) => write.broke === region && pageOf(write.address) === page);
    const writers = [...new Set(hits.map((write) => write.slot))];
    return { address: addressOf(page), region, writers, firstTick: hits[0]?.tick ?? null };
  }

  readonly observer = (event: SimEvent): void => {
    switch (event.kind) {
      case 'dma':
        if (this.#jumped) this.#dma(event);
        return;
      case 'config-write':
        this.#configWrite(event);
        return;
      case 'line-disabled': {
        const { line, slots, tick } = event;
        this.storms.push({ line, slots, tick });
        this.#say(tick, slots[0] ?? null, `nobody cared: interrupt line ${line} is given up`);
        return;
      }
      case 'stage':
        this.#say(event.tick, null, event.text);
        return;
      case 'message':
    }
  };

  #dma(event: Extract<SimEvent, { kind: 'dma' }>): void {
    const { tick, slot, address, length, owner, refusedBy } = event;
    if (refusedBy !== null) {
      const key = `${slot} ${refusedBy}`;
      const entry = this.#refused.get(key);
      if (entry) entry.count++;
      else this.#refused.set(key, { slot, by: refusedBy, count: 1 });
      const where =
        refusedBy === slot ? 'its own bus mastering is off' : `${refusedBy} above it does not forward`;
      this.#sayOnce(key, tick, slot, `a write is refused: ${where}`);
      return;
    }
    if (owner === 'next-dma-buffer' && this.#drives(slot)) return;
    const broke = owner === null ? null : this.#brokenBy(owner);
    this.writes.push({ tick, slot, address, length, owner, broke });
    const where = `${length} bytes at ${hex(address, 8)} (${owner ?? 'no memory'})`;
    const what =
      broke === null ? '' : `, which breaks ${broke === 'dump' ? 'the dump' : `the next kernel's ${broke}`}`;
    this.#sayOnce(`${slot} ${broke}`, tick, slot, `goes on writing: ${where}${what}`);
  }

  #brokenBy(owner: Owner): Region | null {
    switch (owner) {
      case 'next-kernel-image':
        return 'image';
      case 'next-kernel-initramfs':
        return 'initramfs';
      case 'next-kernel':
      case 'next-dma-buffer':
        return 'kernel-memory';
      case 'old-kernel':
      case 'dma-buffer':
        return this.saving ? 'dump' : null;
      case 'free':
      case 'firmware':
      case 'staged':
      case 'capture':
        return null;
    }
  }

  #configWrite(event: Extract<SimEvent, { kind: 'config-write' }>): void {
    const { tick, slot, offset, width, before, after } = event;
    if (offset !== regs.PCI_COMMAND || before === after) return;
    const digits = width * 2;
    this.#say(tick, slot, `Command ${hex(before, digits)} → ${hex(after, digits)}`);
  }

  #sayOnce(key: string, tick: number, slot: Slot, text: string): void {
    if (this.#said.has(key)) return;
    this.#said.add(key);
    this.#say(tick, slot, text);
  }

  #say(tick: number, slot: Slot | null, text: string): void {
    this.timeline.push({ tick, slot, text });
  }
}
