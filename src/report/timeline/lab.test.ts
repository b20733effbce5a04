import { describe, expect, it } from 'vitest';
import { readStories } from './read.js';
import type { JumpStory } from './story.js';

/** As a run of the lab leaves it, shortened. */
function verdict(policy: 'none' | 'ours', changes: object = {}): string {
  const gated = policy === 'ours';
  const state = (command: string) => ({ command, verdict: 'live', driver: 'e1000e' });
  return JSON.stringify({
    schema: 'shootdown.lab-run/1',
    scenario: 'crash-e1000e',
    title: 'crash jump while frames come in',
    jump: 'crash',
    policy,
    kernel: { series: '6.12', release: '6.12.117+deb12-amd64', version: '6.12.117-1~deb12u1' },
    outcome: gated ? 'clean' : 'stray',
    stray: {
      of: 'frames',
      sent: 100,
      landed: gated ? 0 : 100,
      first: gated ? null : '0x1f99584e',
      during: { sent: 11, landed: gated ? 6 : 11 },
      later: { sent: 10, landed: gated ? 0 : 10 },
      aliveBefore: true,
    },
    next: { up: true, release: '6.12.117', ended: null, toFirstLineS: 2, toReadyS: 5 },
    uses: { network: true, vmcore: true },
    console: [],
    functions: [{ slot: '0000:00:03.0', before: state('0507'), after: state(gated ? '0503' : '0507') }],
    apply: null,
    flight: gated
      ? {
          end: 'complete',
          summary: false,
          functions: 5,
          gated: 2,
          failed: 0,
          accesses: 9,
          milliseconds: 15.8,
        }
      : null,
    ...changes,
  });
}

const story = (policy: 'none' | 'ours', changes?: object): JumpStory => {
  const [read] = readStories(verdict(policy, changes), 'verdict.json');
  if (!read) throw new Error('no story');
  return read;
};
const marks = ({ marks, lanes }: JumpStory, kind: string) =>
  marks
    .filter((mark) => mark.kind === kind)
    .map(({ lane, startMs, endMs, count }) => [lanes[lane]?.id, startMs, endMs, count]);

describe('the story of a run of the lab', () => {
  it('has the writes that landed between the moments that were seen', () => {
    const none = story('none');
    expect(none.stages.map(({ name, startMs }) => [name, startMs])).toEqual([
      ['old kernel', -500],
      ['the jump', 0],
      ['next kernel boots', 2000],
      ['running', 5000],
    ]);
    expect(marks(none, 'stray')).toEqual([
      ['master', 0, 2000, 11],
      ['master', 2000, 5000, 100],
      ['master', 5000, none.endMs, 10],
    ]);
    expect(none.summary).toBe(
      '110 of 110 writes that were asked for after the next kernel’s first line landed in memory.',
    );
  });

  it('has the gate where the next kernel found bus mastering off, and what no longer landed', () => {
    const ours = story('ours');
    expect(marks(ours, 'gate')).toEqual([['0000:00:03.0', 2000, 2000, 1]]);
    expect(marks(ours, 'stray')).toEqual([['master', 0, 2000, 6]]);
    expect(marks(ours, 'refused')).toEqual([
      ['master', 0, 2000, 5],
      ['master', 2000, 5000, 100],
      ['master', 5000, ours.endMs, 10],
    ]);
    expect(ours.entries.map(({ text }) => text).join('\n')).toContain('5 functions seen, 2 gated in 15.8 ms');
  });

  it('says so where the next kernel complains, or does not come up', () => {
    const line = '[    1.500000] irq 23: nobody cared (try booting with the "irqpoll" option)';
    const storm = story('none', { console: [{ problem: 'nobody-cared', line }] });
    expect(marks(storm, 'storm')).toEqual([['cpu', 3500, 3500, 1]]);
    const next = { up: false, release: null, ended: 'guest-reset', toFirstLineS: null, toReadyS: null };
    const stuck = story('none', { outcome: 'stuck', next });
    expect(stuck.end.stuck).toBe(true);
    expect(marks(stuck, 'hang')).toEqual([['cpu', stuck.endMs, stuck.endMs, 1]]);
  });

  it('does not say why a write did not land where nobody gated', () => {
    const stray = { of: 'edu', sent: 1, landed: 0, first: null, aliveBefore: true };
    const none = { sent: 0, landed: 0 };
    const quiet = story('none', { stray: { ...stray, during: none, later: none } });
    expect(marks(quiet, 'refused')).toEqual([]);
    expect(quiet.entries.map(({ text }) => text)).toContain('1 of 1 write that was asked for did not land');
  });
});
