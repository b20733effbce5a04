interface Entry {
  readonly tick: number;
  readonly sequence: number;
  readonly action: () => void;
}

/** Ticks for which there is a slot; what is further away waits in the heap. A power of two. */
const SLOTS = 1024;

/**
 * What will happen, in order of time, and at one time in the order in which it was asked for. Time goes from one
 * event to the next, so that a quiet machine costs nothing.
 */
export class Schedule {
  #now = 0;
  /** Actions of the next `SLOTS` ticks, by tick modulo `SLOTS`. */
  readonly #slots: ((() => void)[] | undefined)[] = new Array(SLOTS);
  /** How many there are in the slots, and how many of the present slot have happened. */
  #near = 0;
  #done = 0;
  /** A binary heap of what comes later than that. */
  readonly #far: Entry[] = [];
  #sequence = 0;
  /** Events that have happened. */
  happened = 0;
  #stopped = false;

  /** In ticks. */
  get now(): number {
    return this.#now;
  }

  /** Has `action` happen at `tick`; what lies in the past happens with the next step. */
  at(tick: number, action: () => void): void {
    checkWhole(tick);
    const due = Math.max(tick, this.#now);
    if (due < this.#now + SLOTS) this.#put(due, action);
    else push(this.#far, { tick: due, sequence: this.#sequence++, action });
  }

  /** Lets everything happen that is due up to and at `tick`, which is the time then, unless something stops it. */
  runTo(tick: number): void {
    checkWhole(tick);
    this.#stopped = false;
    for (;;) {
      this.#happen();
      if (this.#stopped || this.#now >= tick) return;
      this.#advance(this.#near > 0 ? this.#now + 1 : Math.min(tick, this.#far[0]?.tick ?? tick));
    }
  }

  /** Has `runTo` return after the event that happens now. */
  stop(): void {
    this.#stopped = true;
  }

  /** Forgets all that was to happen. */
  clear(): void {
    this.#slots.fill(undefined);
    this.#near = 0;
    this.#done = 0;
    this.#far.length = 0;
  }

  /** All that is due now, and what that asks for now. */
  #happen(): void {
    const slot = this.#slots[this.#now % SLOTS];
    if (!slot) return;
    while (this.#done < slot.length) {
      const action = slot[this.#done++];
      this.#near--;
      this.happened++;
      action?.();
      if (this.#stopped) return;
    }
    slot.length = 0;
    this.#done = 0;
  }

  /** What was far away comes near before anything asks for the same tick: it was asked for earlier. */
  #advance(tick: number): void {
    this.#now = tick;
    for (let next = this.#far[0]; next && next.tick < tick + SLOTS; next = this.#far[0]) {
      pop(this.#far);
      this.#put(next.tick, next.action);
    }
  }

  #put(tick: number, action: () => void): void {
    const slot = this.#slots[tick % SLOTS];
    if (slot) slot.push(action);
    else this.#slots[tick % SLOTS] = [action];
    this.#near++;
  }
}

function push(heap: Entry[], entry: Entry): void {
  heap.push(entry);
  let at = heap.length - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    const above = heap[parent];
    if (!above || before(above, entry)) break;
    heap[at] = above;
    at = parent;
  }
  heap[at] = entry;
}

function pop(heap: Entry[]): void {
  const last = heap.pop();
  if (!last || heap.length === 0) return;
  let at = 0;
  for (;;) {
    let child = 2 * at + 1;
    const [left, right] = [heap[child], heap[child + 1]];
    if (!left) break;
    if (right && before(right, left)) child++;
    const smaller = heap[child];
    if (!smaller || before(last, smaller)) break;
    heap[at] = smaller;
    at = child;
  }
  heap[at] = last;
}

function before(a: Entry, b: Entry): boolean {
  return a.tick < b.tick || (a.tick === b.tick && a.sequence < b.sequence);
}

/** Between two ticks nothing would ever happen again. */
function checkWhole(tick: number): void {
  if (!Number.isSafeInteger(tick)) throw new RangeError(`${tick} is not a whole number of ticks`);
}
