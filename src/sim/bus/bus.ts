import type { SimFunction } from '../functions/function.js';
import type { SimMachine } from '../machine.js';
import { pageOf } from '../memory/memory.js';

/** How long a posted write is on its way. */
const POSTED_TICKS_MIN = 1;
export const POSTED_TICKS_MAX = 3;
const READ_TICKS_MIN = 2;
const READ_TICKS_MAX = 6;
const OUTSTANDING_MAX = 32;
/** PCIe 2.8: the end of the default range, 50 µs to 50 ms. */
export const COMPLETION_TIMEOUT_TICKS = 500;

/** A posted request on its way to memory, or as a message interrupt to the processor. */
export interface Posted {
  readonly due: number;
  readonly sent: number;
  readonly address: number;
  readonly length: number;
  /** Messages; 0 for a write to memory. */
  readonly messages: number;
}

/**
 * Routes requests from functions to memory. A memory request, a message interrupt among them, passes only if the
 * function and every bridge above it may master the bus; completions and error messages always pass.
 */
export class Bus {
  /** Posted requests that left their function, and what became of them. */
  posted = 0;
  landed = 0;
  /** By a bridge or the IOMMU. */
  refused = 0;
  /** Functions whose posted requests are on their way. */
  readonly waiting = new Set<SimFunction>();
  readonly #machine: SimMachine;

  constructor(machine: SimMachine) {
    this.#machine = machine;
  }

  get inFlight(): number {
    return this.posted - this.landed - this.refused;
  }

  /** Whoever stops a request of this function on its way; `null` if nobody does. */
  refuses(fn: SimFunction): SimFunction | null {
    return mayRequest(fn) ? gatedAbove(fn) : fn;
  }

  /**
   * A posted write, which lands some ticks later; false if the function itself does not send it. What becomes of it
   * further up it does not learn.
   */
  write(fn: SimFunction, address: number, length: number): boolean {
    return this.#post(fn, address, length, 0);
  }

  /** Message interrupts, which are posted writes and stay behind those that the function sent before. */
  message(fn: SimFunction, count: number): boolean {
    return this.#post(fn, 0, 0, count);
  }

  /** A read, answered some ticks later if at all; false if its function hears at once that it was refused. */
  read(fn: SimFunction, address: number): boolean {
    if (fn.outstanding >= OUTSTANDING_MAX) return false;
    const { now, errors, iommu, schedule } = this.#machine;
    const refusedBy = this.refuses(fn);
    const faulted = refusedBy === null && iommu !== null && !iommu.allows(fn, pageOf(address));
    if (refusedBy !== null || faulted) {
      const by = refusedBy?.slot ?? null;
      this.#machine.emit({ kind: 'read-refused', tick: now, slot: fn.slot, refusedBy: by, faulted });
      if (faulted && this.#machine.rules.iommu?.aborts === 'poisoned') {
        errors.report(fn, fn, 'poisoned');
      }
      if (refusedBy && refusedBy !== fn) this.#refuse(refusedBy, fn, true);
      if (!faulted || this.#machine.rules.iommu?.aborts !== 'completion-timeout') return false;
      this.#neverAnswered(fn, address);
      return true;
    }
    this.#machine.emit({ kind: 'read', tick: now, slot: fn.slot });
    const late = fn.faults.lateCompletionTicks ?? 0;
    const due = now + draw(fn, READ_TICKS_MIN, READ_TICKS_MAX) + late;
    fn.asked(due);
    fn.answer ??= () => this.#answer(fn);
    schedule.at(due, fn.answer);
    return true;
  }

  /** Its function reports that, and asks again, as PCIe 2.8 allows, until it is answered, refused or reset. */
  #neverAnswered(fn: SimFunction, address: number): void {
    const { now, errors, schedule } = this.#machine;
    const giveUp = fn.askedInVain();
    schedule.at(now + COMPLETION_TIMEOUT_TICKS, () => {
      if (!giveUp() || !fn.alive) return;
      errors.report(fn, fn, 'completion-timeout');
      if (!this.read(fn, address)) fn.engine?.wake();
    });
  }

  /** Lands all that the function has posted: an answer of its own pushes it before it. */
  flush(fn: SimFunction): void {
    while (fn.posted.length > 0) this.#land(fn);
  }

  #post(fn: SimFunction, address: number, length: number, messages: number): boolean {
    const { now, schedule } = this.#machine;
    const own = !mayRequest(fn);
    const by = own ? fn : gatedAbove(fn);
    if (!own) this.posted++;
    if (by) {
      this.#arrive(fn, { due: now, sent: now, address, length, messages }, by);
      if (own) return false;
      this.#refuse(by, fn);
      return true;
    }
    if (fn.posted.length === 0) this.waiting.add(fn);
    const last = fn.posted.at(-1)?.due ?? 0;
    const due = Math.max(last, now + draw(fn, POSTED_TICKS_MIN, POSTED_TICKS_MAX));
    fn.posted.push({ due, sent: now, address, length, messages });
    // What is due at one tick lands at one event.
    if (due === last) return true;
    fn.land ??= () => this.#landDue(fn);
    schedule.at(due, fn.land);
    return true;
  }

  #landDue(fn: SimFunction): void {
    const { now } = this.#machine;
    for (let next = fn.posted[0]; next && next.due <= now; next = fn.posted[0]) this.#land(fn);
  }

  #land(fn: SimFunction): void {
    const posted = fn.posted.shift();
    if (!posted) return;
    if (fn.posted.length === 0) this.waiting.delete(fn);
    this.#arrive(fn, posted, null);
  }

  /** A request is where it ends: at whoever refuses it, at the IOMMU or at its goal, where it does its work. */
  #arrive(fn: SimFunction, { sent, address, length, messages }: Posted, by: SimFunction | null): void {
    const { now: tick, memory, iommu, interrupts } = this.#machine;
    const { slot } = fn;
    const refusedBy = by?.slot ?? null;
    const page = pageOf(address);
    const faulted = !by && messages === 0 && iommu !== null && !iommu.allows(fn, page);
    if (!by && !faulted) this.landed++;
    else if (by !== fn) this.refused++;
    if (messages > 0) {
      this.#machine.emit({ kind: 'message', tick, slot, count: messages, sent, refusedBy });
      if (!by) interrupts.arrived(fn, messages);
      return;
    }
    const owner = memory.owner(page);
    if (!by && !faulted && owner !== null) memory.write(address, length, fn.draw());
    this.#machine.emit({ kind: 'dma', tick, slot, address, length, sent, owner, refusedBy, faulted });
  }

  /** P2P 3.2.5.3, PCIe 7.5.1.1.3: a port with bus mastering off answers requests from below as unsupported. */
  #refuse(bridge: SimFunction, cause: SimFunction, advisory = false): void {
    this.#machine.errors.report(bridge, cause, 'unsupported-request', advisory);
  }

  #answer(fn: SimFunction): void {
    const { now, errors } = this.#machine;
    const { wanted, unexpected } = fn.answered(now);
    for (let i = 0; i < unexpected; i++) errors.report(fn, fn, 'unexpected-completion', true);
    if (wanted > 0) fn.engine?.wake();
  }
}

/** By its own registers and its power. */
function mayRequest(fn: SimFunction): boolean {
  return fn.alive && fn.inD0 && (fn.busMaster || fn.faults.ignoreBme === true);
}

function gatedAbove(fn: SimFunction): SimFunction | null {
  for (let bridge = fn.parent; bridge; bridge = bridge.parent) if (!bridge.busMaster) return bridge;
  return null;
}

/** From the function's own stream: what others do does not change it. */
function draw(fn: SimFunction, low: number, high: number): number {
  return low + (fn.draw() % (high - low + 1));
}
