import { hex, type Slot } from '../../pci/slot.js';
import { errorEventWords } from '../bus/error-words.js';
import type { BindProblem, SimEvent } from '../events.js';
import type { SimFunction } from '../functions/function.js';
import { addressOf, type Owner, pageOf } from '../memory/memory.js';
import { Hits } from './hits.js';
import { InterruptStory } from './interrupt-story.js';
import type {
  CorruptedPage,
  FaultCount,
  IrqStorm,
  RefusedWrites,
  Region,
  StrayWrite,
  TimelineEntry,
} from './result.js';
import { Timeline } from './timeline.js';
import { breaks, configWriteWords, gate } from './words.js';

/** Who sends less than this part of what the loudest sends has no part in a flood. */
const FLOOD_SHARE = 0.1;

/** What the watch asks of those whom it watches. */
export interface Watched {
  readonly functions: ReadonlyMap<Slot, SimFunction>;
  /** Which part of the next kernel was loaded into a page. */
  readonly regionOf: (page: number) => Region | null;
  /** Where the content of a page lay before. */
  readonly originOf: (page: number) => number;
  /** Which function the next kernel gave a page to. */
  readonly holderOf: (page: number) => Slot | null;
}

/** Writes down what happens around a jump. */
export class JumpWatch {
  readonly writes: StrayWrite[] = [];
  readonly storms: IrqStorm[] = [];
  /** Why a driver of the next kernel could not be bound, or `null` if it was. */
  readonly bound = new Map<Slot, BindProblem | null>();
  /** Functions that the next kernel served. */
  readonly served = new Set<Slot>();
  /** Of functions whose DMA is wanted, when they sent the last write that landed. */
  readonly wantedLanded = new Map<Slot, number>();
  /** Buffers of the next kernel that others have written to: from what they hold nobody could tell. */
  readonly spoiledBuffers = new Set<number>();
  /** A dump is being saved: what is written now, it may show or not. */
  saving = false;
  readonly #watched: Watched;
  readonly #refused = new Map<string, { slot: Slot; by: Slot; count: number }>();
  readonly #wantedRefused = new Map<string, { slot: Slot; by: Slot; count: number }>();
  readonly #faults = new Map<Slot, number>();
  readonly #hits = new Hits();
  readonly #timeline = new Timeline();
  readonly #interrupts = new InterruptStory(this.#timeline);
  /** Of functions that interrupt the next kernel by message, when that began, and how many came. */
  readonly #messages = new Map<Slot, { readonly tick: number; count: number }>();
  #jumped = false;
  #booted = false;

  constructor(watched: Watched) {
    this.#watched = watched;
  }

  /** From now on nobody is there who wanted what the devices write. */
  jumped(): void {
    this.#jumped = true;
  }

  /** From now on the next kernel runs. */
  booted(): void {
    this.#booted = true;
  }

  get timeline(): readonly TimelineEntry[] {
    return this.#timeline.entries;
  }

  get refused(): readonly RefusedWrites[] {
    return [...this.#refused.values()];
  }

  get wantedRefused(): readonly RefusedWrites[] {
    return [...this.#wantedRefused.values()];
  }

  get faults(): readonly FaultCount[] {
    return [...this.#faults].map(([slot, count]) => ({ slot, count }));
  }

  /** A page that does not hold what it should, with those who wrote there. */
  blame(page: number, region: Region): CorruptedPage {
    const pages = new Set([page, this.#watched.originOf(page)]);
    return { address: addressOf(page), region, ...this.#hits.of(pages, region) };
  }

  readonly observer = (event: SimEvent): void => {
    switch (event.kind) {
      case 'dma':
        this.#dma(event);
        return;
      case 'read-refused':
        this.#readRefused(event);
        return;
      case 'message':
        this.#message(event);
        return;
      case 'config-write':
        this.#configWrite(event);
        return;
      case 'error':
        this.#timeline.sayOnce(`${event.what} ${event.cause} ${event.reaction}`, event, () =>
          errorEventWords(event),
        );
        return;
      case 'line-disabled':
        this.#lineDisabled(event);
        return;
      case 'platform-write':
        this.#platformWrite(event);
        return;
      case 'bound':
        this.#bound(event);
        return;
      case 'served':
        if (this.#booted) this.served.add(event.slot);
        return;
      case 'hung':
        if (event.cause === 'storm') this.#flood(event);
        this.#timeline.say(event.tick, null, `stuck on ${event.on}`);
        this.#timeline.end();
        return;
      case 'dump':
        this.#timeline.say(event.tick, event.target, event.text);
        return;
      case 'stage':
        this.#timeline.say(event.tick, null, event.text);
        return;
      case 'read':
        return;
      default:
        this.#interrupts.see(event);
    }
  };

  #dma(event: Extract<SimEvent, { kind: 'dma' }>): void {
    const { tick, slot, address, length, owner, refusedBy, faulted } = event;
    const wanted = this.#watched.functions.get(slot)?.description.wanted ?? false;
    if (refusedBy !== null || faulted) {
      if (faulted) this.#fault(event, () => `a write to ${hex(address, 8)}`);
      if (wanted) count(this.#wantedRefused, slot, refusedBy ?? slot);
      if (refusedBy !== null && (wanted || this.#tellsRefusal(slot, refusedBy))) {
        if (this.#jumped) count(this.#refused, slot, refusedBy);
        this.#timeline.sayOnce(
          `write ${refusedBy}`,
          event,
          () => `a write is refused: ${gate(slot, refusedBy)}`,
        );
      }
      return;
    }
    if (wanted && owner === 'preserved') {
      this.wantedLanded.set(slot, event.sent);
      if (this.#jumped)
        this.#timeline.sayOnce(
          'wanted',
          event,
          () => `its DMA is wanted, and goes on: ${length} bytes at ${hex(address, 8)} (${owner})`,
        );
      return;
    }
    const page = pageOf(address);
    if (owner === 'next-dma-buffer' && this.#watched.holderOf(page) === slot) return;
    const broke = this.#brokenBy(owner, page);
    if (!this.#jumped && broke === null) return;
    this.writes.push({ tick, slot, address, length, owner, broke });
    if (broke !== null) this.#hits.add(page, { by: slot, tick, region: broke, owner });
    if (owner === 'next-dma-buffer') this.spoiledBuffers.add(page);
    this.#timeline.sayOnce(broke ?? 'stray', event, () => {
      const where = `${length} bytes at ${hex(address, 8)} (${owner ?? 'no memory'})`;
      return `goes on writing: ${where}${breaks(broke)}`;
    });
  }

  #message(event: Extract<SimEvent, { kind: 'message' }>): void {
    const { slot, refusedBy, tick } = event;
    if (refusedBy === null) {
      const came = this.#messages.get(slot);
      if (came) came.count += event.count;
      else if (this.#booted) this.#messages.set(slot, { tick, count: event.count });
      return;
    }
    if (!this.#tellsRefusal(slot, refusedBy)) return;
    this.#timeline.sayOnce(
      'message',
      event,
      () => `an interrupt message is refused: ${gate(slot, refusedBy)}`,
    );
  }

  /** Before the jump only what a bridge answers as an error, which is told as well. */
  #tellsRefusal(slot: Slot, by: Slot): boolean {
    return this.#jumped || by !== slot;
  }

  /** Interrupts left the processor no time: who sent them, and since when. */
  #flood({ slots }: Extract<SimEvent, { kind: 'hung' }>): void {
    if (![...this.#messages.keys()].some((slot) => slots.includes(slot))) return;
    const unclaimed = [...this.#messages].filter(([slot]) => this.bound.get(slot) !== null);
    const most = unclaimed.reduce((max, [, { count }]) => Math.max(max, count), 0);
    for (const [slot, { tick, count }] of unclaimed) {
      if (count < most * FLOOD_SHARE) continue;
      const kind = this.#watched.functions.get(slot)?.messages === 'msix' ? 'MSI-X' : 'MSI';
      this.#timeline.sayLate(tick, slot, `floods the processor with ${kind} interrupts that nobody claims`);
    }
  }

  #readRefused(event: Extract<SimEvent, { kind: 'read-refused' }>): void {
    const { slot, refusedBy, faulted } = event;
    const wanted = this.#watched.functions.get(slot)?.description.wanted ?? false;
    if (faulted) this.#fault(event, () => 'a read');
    if (wanted) count(this.#wantedRefused, slot, refusedBy ?? slot);
    if (refusedBy === null || !(wanted || this.#tellsRefusal(slot, refusedBy))) return;
    this.#timeline.sayOnce(`read ${refusedBy}`, event, () => `a read is refused: ${gate(slot, refusedBy)}`);
  }

  #fault(event: SimEvent & { slot: Slot }, what: () => string): void {
    if (!this.#booted) return;
    this.#faults.set(event.slot, (this.#faults.get(event.slot) ?? 0) + 1);
    this.#timeline.sayOnce('fault', event, () => `the IOMMU stops ${what()}`);
  }

  #platformWrite(event: Extract<SimEvent, { kind: 'platform-write' }>): void {
    const { tick, address, owner } = event;
    const region = this.#brokenBy(owner, pageOf(address));
    if (region === null) return;
    this.#hits.add(pageOf(address), { by: 'platform', tick, region, owner });
    this.#timeline.sayOnce(region, { tick, slot: null }, () => {
      const what = 'the interrupt controller notes a pending message';
      return `${what} at ${hex(address, 8)} (${owner})${breaks(region)}`;
    });
  }

  /** `null` if nobody uses the memory now. */
  #brokenBy(owner: Owner | null, page: number): Region | null {
    switch (owner) {
      case 'next-kernel-image':
        return 'image';
      case 'next-kernel-initramfs':
        return 'initramfs';
      case 'staged':
        return this.#watched.regionOf(page);
      case 'next-kernel':
      case 'next-dma-buffer':
        return 'kernel-memory';
      case 'old-kernel':
      case 'dma-buffer':
        return this.saving ? 'dump' : null;
      case 'free':
      case 'firmware':
      case 'preserved':
      case 'capture':
      case null:
        return null;
    }
  }

  #configWrite(event: Extract<SimEvent, { kind: 'config-write' }>): void {
    const fn = this.#watched.functions.get(event.slot);
    const words = fn ? configWriteWords(fn, event) : null;
    if (words !== null) this.#timeline.say(event.tick, event.slot, words);
  }

  #lineDisabled({ tick, line, slots }: Extract<SimEvent, { kind: 'line-disabled' }>): void {
    if (this.#booted) this.storms.push({ line, slots, tick });
    const whose =
      slots.length === 0 ? '' : `, which ${slots.join(', ')} still assert${slots.length > 1 ? '' : 's'}`;
    this.#timeline.say(tick, null, `nobody cared: interrupt line ${line} is given up${whose}`);
  }

  #bound(event: Extract<SimEvent, { kind: 'bound' }>): void {
    const { tick, slot, driver, problem } = event;
    if (!this.#booted) return;
    this.bound.set(slot, problem);
    this.#timeline.say(
      tick,
      slot,
      problem === null ? `${driver} is bound` : `${driver} cannot be bound: ${problem.why}`,
    );
  }
}

function count(into: Map<string, { slot: Slot; by: Slot; count: number }>, slot: Slot, by: Slot): void {
  const key = `${slot} ${by}`;
  const entry = into.get(key);
  if (entry) entry.count++;
  else into.set(key, { slot, by, count: 1 });
}
