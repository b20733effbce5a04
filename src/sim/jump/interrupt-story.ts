import type { Slot } from '../../pci/slot.js';
import type { InterruptEvent } from '../events.js';
import { interruptWords } from '../interrupts/words.js';
import type { Timeline } from './timeline.js';

/** What of the interrupt controller a timeline tells: interrupts that are lost, and not those that are served. */
export class InterruptStory {
  readonly #timeline: Timeline;
  /** What came to nobody: it is told only once it turns out that nobody ends it. */
  #unended: InterruptEvent[] = [];

  constructor(timeline: Timeline) {
    this.#timeline = timeline;
  }

  see(event: InterruptEvent): void {
    switch (event.kind) {
      case 'irqs-off':
        this.#unended.push(event);
        return;
      case 'irq-sent':
        if (event.heard) return;
        if (event.again) this.#say(event);
        else this.#unended.push(event);
        return;
      case 'irq-held':
        this.#timeline.sayCounted(`held ${event.line}`, event.tick, interruptWords(event));
        return;
      case 'pin':
        if (event.remoteIrr && !event.masked) this.#say(event);
        return;
      case 'pins-masked':
        if (!event.ended && event.remoteIrr.length > 0) {
          this.#tellUnended();
          this.#say(event);
        } else this.#unended = [];
        return;
      case 'irq-disabled':
        this.#tellUnended();
        this.#say(event, event.slot);
        return;
      case 'end-called':
        if (event.ended !== null || event.remoteIrr) this.#say(event, event.slot);
        return;
      case 'intx':
      case 'irq-taken':
      case 'irq-ended':
      case 'line-disabled':
    }
  }

  #tellUnended(): void {
    for (const event of this.#unended) this.#timeline.sayLate(event.tick, null, interruptWords(event));
    this.#unended = [];
  }

  #say(event: InterruptEvent, slot: Slot | null = null): void {
    this.#timeline.say(event.tick, slot, interruptWords(event));
  }
}
