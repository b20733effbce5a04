import { describe, expect, it } from 'vitest';
import type { SimEvent } from '../../sim/events.js';
import type { PolicyName } from '../../sim/policies/names.js';
import { runScenario, type ScenarioRun } from '../../sim/scenario/run.js';
import { shippedScenario, shippedScenarioNames } from '../../sim/scenario/scenario.js';
import { eventJson, jumpJson } from '../jump-json.js';
import { kindOf } from './entries.js';
import { nowOf } from './now.js';
import { playedStory } from './played.js';
import { readStories } from './read.js';
import { alignRows, rowTotals } from './rows.js';
import {
  ENTRIES_MAX,
  type JumpStory,
  LANES_MAX,
  MARKS_MAX,
  type MarkKind,
  type StoryMark,
  stageAt,
} from './story.js';

interface Played {
  readonly run: ScenarioRun;
  readonly events: readonly SimEvent[];
  readonly story: JumpStory;
}

async function play(name: string, policy: PolicyName, traced = true): Promise<Played> {
  const scenario = shippedScenario(name);
  if (!scenario) throw new Error(`no scenario ${name}`);
  const events: SimEvent[] = [];
  const run = await runScenario(scenario, policy, { observer: (event) => events.push(event) });
  const { title, story: about } = scenario;
  return { run, events, story: playedStory(run, traced ? events : null, { name, title, about }) };
}

/** What `sim run --json` prints of it. */
function printed({ run, events }: Played, traced: boolean): string {
  const { scenario, policy, seed, result } = run;
  const trace = events.filter(({ tick }) => tick >= result.startTick && tick <= result.endTick);
  const told = {
    ...{ scenario: scenario.name, title: scenario.title, policy, seed, ...jumpJson(run), recordGaps: [] },
    ...(traced ? { trace: trace.map((event) => eventJson(event, result)) } : {}),
  };
  return JSON.stringify({ schema: 'shootdown.sim-run/1', runs: [told] });
}

const of = (story: JumpStory, kind: MarkKind, lane?: string): StoryMark[] =>
  story.marks.filter(
    (mark) => mark.kind === kind && (lane === undefined || story.lanes[mark.lane]?.id === lane),
  );
const sum = (marks: readonly StoryMark[]) => marks.reduce((total, { count }) => total + count, 0);

describe('the story of a jump', () => {
  it('has a hit under none, and under ours a gate before the jump and no hit', async () => {
    const { story: none } = await play('live-rings', 'none');
    expect(none.verdicts[0]?.verdict).toBe('corrupted');
    expect(none.hits).toMatchObject([{ region: 'kernel-memory', writers: ['0000:01:00.0'] }]);
    expect(sum(of(none, 'hit', 'memory:kernel-memory'))).toBe(sum(of(none, 'hit', '0000:01:00.0')));
    const { story: ours } = await play('live-rings', 'ours');
    expect(ours.verdicts).toMatchObject([{ verdict: 'clean' }]);
    expect(of(ours, 'hit')).toEqual([]);
    expect(of(ours, 'gate', '0000:01:00.0')[0]?.startMs).toBeLessThan(0);
    expect(sum(of(ours, 'refused'))).toBeGreaterThan(10);
    expect(of(ours, 'stray')).toEqual([]);
  });

  it('ends where the processor stops, with what was hit in the dump', async () => {
    const { story } = await play('bridge-before-child', 'none');
    expect(story.end).toMatchObject({ stuck: true });
    expect(of(story, 'hang', 'cpu')).toMatchObject([{ startMs: story.endMs }]);
    expect(of(story, 'hit', 'memory:dump').length).toBeGreaterThan(0);
    expect(of(story, 'gate', '0000:00:02.0')).toHaveLength(1);
    // The function below the bridge was refused by it, and is under it in the picture.
    expect(story.lanes.map(({ id, depth }) => `${depth} ${id}`)).toEqual([
      ...['0 cpu', '0 0000:00:01.0', '1 0000:01:00.0', '0 0000:00:02.0', '1 0000:02:00.0', '0 memory:dump'],
    ]);
  });

  it('counts the stray writes that the simulator counts', async () => {
    for (const name of ['live-rings', 'crash-busy-nic', 'driverless-nic', 'camera-left-running']) {
      const { run, story } = await play(name, 'none');
      const functions = story.marks.filter(({ lane }) => story.lanes[lane]?.kind === 'function');
      const landed = functions.filter(({ kind }) => kind === 'stray' || kind === 'hit');
      expect([name, sum(landed)]).toEqual([name, run.result.writes.length]);
    }
  });

  it('says of a moment who writes, who is gated and what was hit', async () => {
    const { story: none } = await play('bridge-before-child', 'none');
    expect(nowOf(none, 60)).toMatchObject({ writing: ['02:00.0'], gated: [], hits: [] });
    expect(nowOf(none, 112).hits).toMatchObject([{ region: 'the dump' }]);
    expect(nowOf(none, none.endMs)).toMatchObject({ over: true, writing: [], stage: none.end.text });
    const { story: ours } = await play('bridge-before-child', 'ours');
    expect(nowOf(ours, 10)).toMatchObject({ writing: ['02:00.0'], gated: [], stray: 8 });
    expect(nowOf(ours, 40)).toMatchObject({ writing: [], gated: ['01:00.0', '02:00.0'] });
    expect(nowOf(ours, 100).gated).toEqual(['02:00.0']);
  });

  it('is the same from what was printed, but for names and bridges', async () => {
    for (const [name, policy] of [
      ['bridge-before-child', 'none'],
      ['crash-busy-nic', 'ours'],
      ['shared-intx-line', 'none'],
    ] as const) {
      const played = await play(name, policy);
      const [read] = readStories(printed(played, true), 'x.json');
      const plain = ({ lanes, marks, about: _, ...story }: JumpStory) => ({
        ...story,
        lanes: lanes.map(({ id, gated }) => ({ id, gated })).sort((a, b) => (a.id < b.id ? -1 : 1)),
        marks: marks.map(({ lane, ...mark }) => JSON.stringify({ ...mark, lane: lanes[lane]?.id })).sort(),
      });
      expect(read && plain(read)).toEqual(plain(played.story));
    }
  });

  it('without a trace still tells who was gated, what was hit and how it ended', async () => {
    const played = await play('bridge-before-child', 'none');
    const [story] = readStories(printed(played, false), 'x.json');
    expect(story?.entries).toEqual(played.story.entries);
    expect(story?.stages).toEqual(played.story.stages);
    expect(story && of(story, 'hang', 'cpu')).toHaveLength(1);
    expect(story && of(story, 'hit', 'memory:dump')).toHaveLength(1);
    expect(story && of(story, 'gate', '0000:00:02.0')).toHaveLength(1);
    expect(story?.notes.join()).toContain('without --trace');
  });
});

describe('every scenario', () => {
  it('has its stages, bounded marks within its time, and no line that nobody knows', async () => {
    const unknown = new Set<string>();
    for (const name of shippedScenarioNames) {
      for (const policy of ['none', 'ia64-2006', 'ours'] as const) {
        const { run, story } = await play(name, policy);
        const at = `${name} ${policy}`;
        const { startMs, endMs, marks, entries, lanes, stages } = story;
        expect([at, marks.length <= MARKS_MAX, entries.length <= ENTRIES_MAX]).toEqual([at, true, true]);
        expect([at, lanes.length <= LANES_MAX + 6, stages.length >= 1]).toEqual([at, true, true]);
        const outside = marks.filter(
          (mark) => mark.startMs < startMs || mark.endMs > endMs || mark.endMs < mark.startMs,
        );
        expect([at, outside]).toEqual([at, []]);
        expect([at, stageAt(story, startMs), stageAt(story, endMs)]).not.toContain(undefined);
        expect([at, story.end.stuck]).toEqual([at, run.result.stuckOn !== null]);
        expect([at, of(story, 'hang').length > 0]).toEqual([at, story.end.stuck]);
        const corrupted = run.result.verdicts.includes('corrupted');
        expect([at, of(story, 'hit').length > 0 || !corrupted]).toEqual([at, true]);
        for (const told of run.result.timeline)
          if (kindOf({ ...told, ms: 0 }) === 'note') unknown.add(told.text.replace(/[\d:.]+/g, ''));
      }
    }
    expect([...unknown].sort()).toEqual(['firmware resets the machine', 'the next kernel is loaded']);
  });
});

describe('stories side by side', () => {
  it('have the same rows, and what was said of each stays with it', async () => {
    const stories = [await play('crash-busy-nic', 'none'), await play('crash-busy-nic', 'ours')].map(
      ({ story }) => story,
    );
    const [none, ours] = alignRows(stories);
    expect(none?.lanes.map(({ id }) => id)).toEqual(ours?.lanes.map(({ id }) => id));
    for (const [at, story] of [none, ours].entries()) {
      const before = stories[at];
      const told = (one: JumpStory | undefined) =>
        one?.marks.map((mark) => `${one.lanes[mark.lane]?.id} ${mark.kind} ${mark.startMs} ${mark.count}`);
      expect(told(story)).toEqual(told(before));
      expect(rowTotals(story ?? { marks: [] }).length).toBeGreaterThan(0);
    }
  });
});
