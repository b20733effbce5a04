import type { SimMachine } from '../machine.js';
import type { Memory, Owner } from '../memory/memory.js';
import type { PageAllocator } from '../memory/page-allocator.js';

const STEP_TICKS = 5;
/** A kernel takes most while it boots and unpacks its initramfs; shares are of the memory that was free at first. */
const BOOT_TICKS = 500;
const BOOT_SHARE = 0.3;
const LATER_TICKS = 2000;
const LATER_SHARE = 0.2;

/** A kernel that lives takes more and more memory for itself. */
export class Growth {
  readonly #memory: Memory;
  readonly #allocator: PageAllocator;
  readonly #from: Owner;
  #free: number | undefined;
  #age = 0;
  #owed = 0;

  constructor(memory: Memory, allocator: PageAllocator, from: Owner) {
    this.#memory = memory;
    this.#allocator = allocator;
    this.#from = from;
  }

  /** Lets time pass in steps, and says after each how long it was. */
  live(machine: SimMachine, ticks: number, stepped: (ticks: number) => void): void {
    this.#free ??= this.#memory.count(this.#from);
    for (let left = ticks; left > 0; left -= STEP_TICKS) {
      const step = Math.min(STEP_TICKS, left);
      machine.run(step);
      const rate = this.#age < BOOT_TICKS ? BOOT_SHARE / BOOT_TICKS : LATER_SHARE / LATER_TICKS;
      this.#age += step;
      this.#owed += this.#free * rate * step;
      const pages = this.#allocator.takeMany(Math.floor(this.#owed), 'next-kernel');
      this.#owed -= Math.floor(this.#owed);
      for (const page of pages) this.#memory.fill(page, page + machine.now);
      stepped(step);
    }
  }
}
