import { describe, expect, it } from 'vitest';
import { createMachine, runScenario, type SimEvent, shippedScenario } from '../index.js';
import { interruptWords } from '../interrupts/words.js';
import type { PolicyName } from '../policies/names.js';

async function play(name: string, policy: PolicyName) {
  const scenario = shippedScenario(name);
  if (!scenario) throw new Error(`no scenario ${name}`);
  const events: SimEvent[] = [];
  const { result } = await runScenario(scenario, policy, { observer: (event) => events.push(event) });
  const jump = events.filter(({ tick }) => tick >= result.startTick && tick <= result.endTick);
  const said = result.timeline.map(({ slot, text }) => (slot === null ? text : `${slot} ${text}`));
  return { result, said, events: jump };
}

/** Each is among what was said, in this order. */
function inOrder(said: readonly string[], parts: readonly string[]): void {
  let from = 0;
  for (const part of parts) {
    const at = said.findIndex((text, i) => i >= from && text.includes(part));
    expect([part, at >= from]).toEqual([part, true]);
    from = at + 1;
  }
}

describe('what a timeline tells of interrupts', () => {
  it('an end that ends another line, which is sent again and never ended', async () => {
    const { said } = await play('routine-2006-end', 'ia64-2006');
    inOrder(said, [
      'interrupts are off, with line 25 in service',
      '0000:00:03.0 disable_irq_nosync of line 24 for it',
      '0000:00:03.0 end for line 24: the write to the EOI register ends line 25',
      'line 25 is sent again, for 0000:00:04.0: Remote IRR is set',
      '0000:00:04.0 disable_irq_nosync of line 25',
      '0000:00:04.0 end for line 25: there is nothing in service',
      'the old kernel masks all lines; Remote IRR of line 25 stays set',
      'the next kernel masks all lines; Remote IRR of line 25 stays set',
      'unmasks line 25 for 0000:00:04.0; Remote IRR is still set',
      '0000:00:04.0 asserts line 25, and nothing is sent',
      'no dump',
    ]);
  });

  it('whose line is turned off for whom', async () => {
    const { said } = await play('routine-2006-timer', 'ia64-2006');
    inOrder(said, [
      '0000:00:00.0 disable_irq_nosync of line 0 for it, which is also that of the timer',
      'stuck on the wait for the other processors, by a timer whose line 0 is disabled',
    ]);
  });

  it('an interrupt that was sent to nobody, and what becomes of its pin', async () => {
    const { said, result } = await play('remote-irr-stuck', 'none');
    inOrder(said, [
      'line 24 is sent, for 0000:02:04.0: Remote IRR is set; no kernel takes it',
      'the old kernel masks all lines; Remote IRR of line 24 stays set',
      'the next kernel unmasks line 24 for 0000:02:04.0; Remote IRR is still set',
      '0000:02:04.0 asserts line 24, and nothing is sent',
    ]);
    const ticks = result.timeline.map(({ tick }) => tick);
    expect(ticks).toEqual([...ticks].sort((a, b) => a - b));
  });

  it('nothing of those that are served or ended', async () => {
    const { said } = await play('shared-intx-line', 'ours');
    expect(said.filter((text) => /Remote IRR|is sent|masks/.test(text))).toEqual([]);
  });

  it('each error once for each thing that comes of it, and nothing once the processor has stopped', async () => {
    const child = await play('bridge-before-child', 'none');
    inOrder(child.said, ['nobody is told', 'firmware makes an NMI of it', 'stuck on an NMI']);
    const bridge = await play('routine-2006-bridge-first', 'ia64-2006');
    for (const { said } of [child, bridge]) expect(said.at(-1)).toContain('stuck on');
  });
});

describe('a trace', () => {
  it('has every interrupt: pulled, sent, taken, ended and let go', async () => {
    const { events } = await play('shared-intx-line', 'none');
    const kinds = new Set(events.map(({ kind }) => kind));
    for (const kind of ['intx', 'irq-sent', 'irq-taken', 'irq-ended', 'pin', 'pins-masked', 'line-disabled'])
      expect(kinds).toContain(kind);
    const pins = events.flatMap((event) => (event.kind === 'pin' ? [interruptWords(event)] : []));
    expect(pins).toContain('the next kernel unmasks line 31 for 0000:00:1f.2');
    const ends = events.flatMap((event) => (event.kind === 'irq-ended' ? [event] : []));
    expect(ends.some(({ count, handled }) => count > 1 && !handled)).toBe(true);
  });

  it('is what costs: without one nothing is told of interrupts that are served', async () => {
    const scenario = shippedScenario('shared-intx-line');
    if (!scenario) throw new Error('missing');
    const machine = createMachine(scenario.machine);
    const seen: string[] = [];
    const stop = machine.observe(({ kind }) => seen.push(kind));
    machine.run(500);
    expect(seen.filter((kind) => /^(intx|irq)/.test(kind))).toEqual([]);
    const untrace = machine.observe(() => {}, { routine: true });
    machine.run(500);
    expect(seen).toContain('irq-taken');
    untrace();
    expect(machine.traced).toBe(false);
    stop();
  });
});
