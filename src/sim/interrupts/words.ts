import { type InterruptEvent, WRITER_WORDS } from '../events.js';

/** An event of the interrupt controller in words; of those that have a `slot`, as words after it. */
export function interruptWords(event: InterruptEvent): string {
  switch (event.kind) {
    case 'intx':
      return `${event.asserted ? 'asserts' : 'releases'} line ${event.line}`;
    case 'irq-sent': {
      const whose = event.slots.length > 0 ? `, for ${event.slots.join(', ')}` : '';
      const heard = event.heard ? '' : '; no kernel takes it';
      return `line ${event.line} is sent${event.again ? ' again' : ''}${whose}: Remote IRR is set${heard}`;
    }
    case 'irq-held':
      return `${event.slots.join(', ')} asserts line ${event.line}, and nothing is sent: Remote IRR is still set, of an interrupt that nobody ended`;
    case 'irq-taken':
      return `the processor takes line ${event.line}`;
    case 'irq-ended': {
      const many = event.count > 1 ? `, ${event.count} in a row` : '';
      return `line ${event.line} is ended${many}: Remote IRR is cleared${event.handled ? '' : '; nobody had handled it'}`;
    }
    case 'irqs-off': {
      const { inService, pending } = event;
      const parts = [
        inService.length > 0 ? `${linesOf(inService)} in service, and nobody is there to end it` : '',
        pending.length > 0 ? `${linesOf(pending)} waiting to be taken` : '',
      ].filter((part) => part !== '');
      return `interrupts are off, with ${parts.join(' and ')}`;
    }
    case 'pin': {
      const whose = event.for === 'timer' ? 'the timer' : event.for;
      const what = `${WRITER_WORDS[event.by]} ${event.masked ? 'masks' : 'unmasks'} line ${event.line} for ${whose}`;
      if (!event.remoteIrr) return what;
      return event.masked
        ? `${what}; Remote IRR stays set`
        : `${what}; Remote IRR is still set, and nothing is sent until it is ended`;
    }
    case 'pins-masked': {
      const { by, ended, remoteIrr } = event;
      const what = `${WRITER_WORDS[by]} masks${ended ? ' and ends' : ''} all lines`;
      return remoteIrr.length === 0
        ? what
        : `${what}; Remote IRR of ${linesOf(remoteIrr)} ${ended ? 'is cleared' : 'stays set'}`;
    }
    case 'irq-disabled': {
      const { irq, sharers } = event;
      if (typeof irq !== 'number') return 'disable_irq_nosync of its message interrupt';
      const whose = sharers.map((user) => (user === 'timer' ? 'the timer' : user)).join(', ');
      return `disable_irq_nosync of line ${irq} for it${whose === '' ? '' : `, which is also that of ${whose}`}`;
    }
    case 'end-called':
      return endWords(event);
    case 'line-disabled':
      return `line ${event.line} is given up: nobody cared (${event.slots.join(', ')})`;
  }
}

function endWords({ irq, ended, remoteIrr }: Extract<InterruptEvent, { kind: 'end-called' }>): string {
  const own = typeof irq === 'number' ? `line ${irq}` : 'its message interrupt';
  if (ended === irq) return `end for ${own}: Remote IRR is cleared`;
  const stays = remoteIrr ? `; Remote IRR of ${own} stays set` : '';
  return ended === null
    ? `end for ${own}: there is nothing in service that it could end${stays}`
    : `end for ${own}: the write to the EOI register ends line ${ended}, which is in service${stays}`;
}

function linesOf(lines: readonly number[]): string {
  return `line${lines.length > 1 ? 's' : ''} ${lines.join(', ')}`;
}
