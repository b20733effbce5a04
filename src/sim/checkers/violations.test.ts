import { describe, expect, it } from 'vitest';
import type { Slot } from '../../pci/slot.js';
import type { FunctionResult } from '../../quiesce/journal.js';
import type { Writer } from '../events.js';
import { JumpLog } from '../jump/jump-log.js';
import type { JumpResult, LostDevice } from '../jump/result.js';
import type { PlayedJump } from '../policies/play.js';
import { judgeOurs } from './violations.js';

const CARD = '0000:01:00.0' as Slot;
const PORT = '0000:00:01.0' as Slot;
const FAR = '0001:00:00.0' as Slot;
const OVER = 100;

const RESULT: JumpResult = {
  path: 'crash',
  verdict: 'clean',
  verdicts: ['clean'],
  reached: 'running',
  stuckOn: null,
  writes: [],
  refused: [],
  corrupted: [],
  storms: [],
  lost: [],
  faults: [],
  wantedLost: [],
  interruptsUnclaimed: 0,
  dump: null,
  timeline: [],
  jumpTick: 50,
  runningTick: 200,
  startTick: 0,
  endTick: 300,
};

interface Told {
  readonly result?: Partial<JumpResult>;
  readonly claims?: readonly Pick<FunctionResult, 'slot' | 'verdict' | 'outcome'>[];
  /** Writes to Command: tick, by whom, from, to. */
  readonly commands?: readonly (readonly [Slot, number, Writer, number, number])[];
  readonly more?: Partial<PlayedJump>;
  readonly walked?: boolean;
}

function judged({ result = {}, claims = [], commands = [], more = {}, walked = true }: Told) {
  const log = new JumpLog();
  for (const [slot, tick, by, before, after] of commands)
    log.observer({ kind: 'config-write', slot, tick, by, offset: 4, width: 2, before, after });
  const functions = claims.map((claim) => ({ ...claim, reason: '' }));
  return judgeOurs({
    result: { ...RESULT, ...result },
    policy: 'between',
    records: walked ? [{ place: 'between', end: 'complete', functions, tick: OVER, ...IN_TIME }] : [],
    untrue: [],
    log,
    era: 'today',
    above: new Map([[CARD, [PORT]]]),
    bridges: new Set([PORT]),
    faults: new Map(),
    wedged: new Set(),
    ...more,
  });
}

const IN_TIME = { timeOver: false, reach: null };

const gated = { slot: CARD, verdict: 'gated', outcome: 'done' } as const;
const stopped = { ...gated, verdict: 'stopped' } as const;
const write = (tick: number, slot = CARD) => ({
  result: {
    verdict: 'corrupted' as const,
    verdicts: ['corrupted' as const],
    writes: [
      { tick, slot, address: 0x1000, length: 64, owner: 'next-kernel' as const, broke: 'image' as const },
    ],
  },
});
const GATE = [CARD, 90, 'stub', 0x0406, 0x0402] as const;
const GIVEN_BACK = [CARD, 150, 'next-kernel', 0x0402, 0x0406] as const;

describe('what is held against ours', () => {
  it('a function that it said was gated, or did not mention, writes after the walk', () => {
    expect(judged({ ...write(160), claims: [gated] }).violations[0]).toMatch(
      /^0000:01:00\.0 still writes, and hits image, and is said to be gated/,
    );
    expect(judged(write(160)).violations[0]).toMatch(/the record does not mention it/);
    expect(
      judged({ ...write(160), claims: [{ ...gated, verdict: 'quiet', outcome: 'exempt' }] }).violations,
    ).toHaveLength(1);
  });

  it('even if it hit nothing that somebody used', () => {
    const { writes } = write(160).result;
    const result = { writes: writes.map((one) => ({ ...one, broke: null })) };
    expect(judged({ result, claims: [gated] }).violations).toHaveLength(1);
  });

  it('not one that comes behind all that can be looked at in the time that was allowed', () => {
    const judgedAfter = (reach: string | null, timeOver: boolean) => {
      const record = { place: 'between', end: 'time', functions: [], tick: OVER } as const;
      const records = [{ ...record, timeOver, reach: reach as Slot | null }];
      return judged({ ...write(160), more: { records } });
    };
    expect(judgedAfter(CARD, true)).toMatchObject({
      violations: [],
      excuses: new Set(['time-over']),
    });
    expect(judgedAfter(CARD, false).violations).toEqual([
      'between: the record says that it ended early (time), and it had time',
      expect.stringMatching(/still writes/),
    ]);
    expect(judgedAfter('0000:02:00.0', true).violations).toHaveLength(1);
    expect(judgedAfter(null, true).violations).toHaveLength(1);
  });

  it('not what came before the walk was over', () => {
    expect(judged({ ...write(99), claims: [gated] })).toMatchObject({
      violations: [],
      excuses: new Set(['too-early']),
      excused: ['0000:01:00.0 wrote, and hit image: too-early'],
      harms: [{ verdict: 'corrupted' }],
    });
    const early = { ...write(160).result, reached: 'stub' } as const;
    expect(judged({ result: early, walked: false }).violations).toEqual([]);
    expect(judged({ ...write(160), walked: false }).violations).toEqual([
      'between: ours had its turn, and left no record',
    ]);
  });

  it('what either place says, whatever the other says', () => {
    const places = (before: FunctionResult, between: FunctionResult | null): Partial<PlayedJump> => ({
      policy: 'ours',
      records: [
        { place: 'before', end: 'complete', functions: [before], tick: OVER, ...IN_TIME },
        {
          place: 'between',
          end: 'complete',
          functions: between ? [between] : [],
          tick: OVER + 20,
          ...IN_TIME,
        },
      ],
    });
    const of = (claim: Omit<FunctionResult, 'reason'>): FunctionResult => ({ ...claim, reason: '' });
    const [was, is] = [of(gated), of({ ...gated, verdict: 'live', outcome: 'exempt' })];
    expect(judged({ ...write(110), more: places(was, is) }).violations).toEqual([
      '0000:01:00.0 still writes, and hits image, and is said to be gated (before: done)',
    ]);
    expect(judged({ ...write(160), more: places(was, is) }).violations).toHaveLength(1);
    expect(judged({ ...write(110), more: places(is, was) }).excuses).toEqual(new Set(['said-live']));
    expect(judged({ ...write(160), more: places(is, was) }).violations[0]).toMatch(/gated \(between: done\)/);
    expect(judged({ ...write(160), more: places(is, null) }).violations).toEqual([]);
    const commands = [GATE, [CARD, 105, 'old-kernel', 0x0402, 0x0406]] as const;
    expect(judged({ ...write(110), commands, more: places(was, is) }).violations).toEqual([]);
  });

  it('not what it said was live', () => {
    const claims = [{ ...gated, verdict: 'live', outcome: 'ignored' }] as const;
    expect(judged({ ...write(160), claims }).excuses).toEqual(new Set(['said-live']));
  });

  it('not a replay once somebody else gave BME back, unless it had said stopped', () => {
    const commands = [GATE, GIVEN_BACK];
    expect(judged({ ...write(160), claims: [gated], commands }).excuses).toEqual(new Set(['given-back']));
    expect(judged({ ...write(140), claims: [gated], commands }).violations).toHaveLength(1);
    expect(judged({ ...write(160), claims: [stopped], commands }).violations).toHaveLength(1);
    expect(judged({ ...write(160), commands }).excuses).toEqual(new Set(['given-back']));
  });

  it('not a function that goes on with its BME clear, nor one in a segment that the stub cannot reach', () => {
    const faults = new Map([[CARD, { ignoreBme: true }]]);
    expect(judged({ ...write(160), claims: [gated], more: { faults } }).excuses).toEqual(
      new Set(['ignores-bme']),
    );
    expect(judged(write(160, FAR)).excuses).toEqual(new Set(['unreachable']));
  });

  it('an interrupt line that a gated function took away, but for one without INTx-disable', () => {
    const result = {
      verdict: 'irq-storm',
      verdicts: ['irq-storm'],
      storms: [{ line: 9, slots: [CARD], tick: 160 }],
    } as const;
    expect(judged({ result, claims: [gated] }).violations).toHaveLength(1);
    const claims = [{ ...gated, outcome: 'partial' }] as const;
    const commands = [[CARD, 90, 'stub', 0x0006, 0x0002]] as const;
    expect(judged({ result, claims, commands }).excuses).toEqual(new Set(['no-intx-disable']));
    expect(judged({ result, claims, commands: [GATE] }).violations).toHaveLength(1);
    expect(
      judged({ result: { ...result, storms: [{ line: 9, slots: [], tick: 160 }] } }).violations,
    ).toHaveLength(1);
  });

  it('a hang by what it closed, not by what a kernel closed', () => {
    const result = {
      verdict: 'hung',
      verdicts: ['hung'],
      reached: 'reboot',
      stuckOn: { cause: 'error', on: 'an NMI', slots: [PORT, CARD] },
    } as const;
    const live = [{ ...gated, verdict: 'live', outcome: 'exempt' }] as const;
    const byKernel = [[PORT, 200, 'next-kernel', 6, 2]] as const;
    expect(judged({ result, claims: live, commands: byKernel }).violations).toEqual([]);
    expect(judged({ result, claims: [gated], commands: byKernel }).violations).toHaveLength(1);
    const port = { slot: PORT, verdict: 'gated', outcome: 'done' } as const;
    const byUs = [[PORT, 95, 'stub', 6, 2]] as const;
    expect(judged({ result, claims: [...live, port], commands: byUs }).violations).toHaveLength(1);
    const early = { ...result, reached: 'stub', endTick: 95 } as const;
    expect(judged({ result: early, walked: false, commands: byUs }).violations).toHaveLength(2);
    expect(judged({ result: early, walked: false }).violations).toEqual([]);
    expect(
      judged({
        result: early,
        walked: false,
        commands: byKernel.map(([slot]) => [slot, 60, 'old-kernel', 6, 2] as const),
      }).violations,
    ).toEqual([]);
    expect(
      judged({ result: { ...result, stuckOn: { cause: 'timer', on: 'the timer', slots: [] } } }).excuses,
    ).toEqual(new Set(['platform']));
  });

  it('a device lost by its gating, not by a kernel’s', () => {
    const result = (cause: LostDevice['cause']) =>
      ({
        verdict: 'device-lost',
        verdicts: ['device-lost'],
        lost: [{ slot: CARD, driver: 'ahci', cause, why: 'so' }],
      }) as const;
    const cut = result('wedged');
    expect(judged({ result: cut, claims: [gated], commands: [GATE] }).violations).toHaveLength(1);
    expect(judged({ result: cut, claims: [gated] }).excuses).toEqual(new Set(['kernel-did-it']));
    const first = [CARD, 40, 'old-kernel', 0x0406, 0x0402] as const;
    expect(judged({ result: cut, claims: [gated], commands: [first] }).violations).toEqual([]);
    const busy = result('busy');
    expect(judged({ result: busy, claims: [gated], commands: [GATE] }).excuses).toEqual(
      new Set(['driver-wants-idle']),
    );
    expect(judged({ result: busy, claims: [stopped], commands: [GATE] }).violations).toHaveLength(1);
  });

  it('not what the platform, or a kernel of another time, does', () => {
    const result = (cause: LostDevice['cause']) =>
      ({
        verdict: 'device-lost',
        verdicts: ['device-lost'],
        lost: [{ slot: CARD, driver: 'e1000', cause, why: 'so' }],
      }) as const;
    const claims = { claims: [gated], commands: [GATE] };
    const silent = result('never-served');
    expect(judged({ result: silent, ...claims }).violations).toHaveLength(1);
    expect(judged({ result: silent, ...claims, more: { era: '2006' } }).excuses).toEqual(
      new Set(['remote-irr']),
    );
    expect(judged({ result: result('no-vector'), ...claims }).excuses).toEqual(new Set(['platform']));
    const access = {
      verdict: 'hung',
      verdicts: ['hung'],
      stuckOn: {
        cause: 'access-refused',
        on: `an access to ${CARD}, which ${PORT} does not forward`,
        slots: [PORT, CARD],
      },
    } as const;
    const closed = (by: Writer) => [[PORT, 120, by, 6, 2]] as const;
    expect(judged({ result: access, commands: closed('next-kernel') }).excuses).toEqual(
      new Set(['kernel-did-it']),
    );
    const port = { slot: PORT, verdict: 'gated', outcome: 'done' } as const;
    expect(judged({ result: access, claims: [port], commands: closed('stub') }).violations).not.toEqual([]);
  });

  it('wanted DMA that it stopped', () => {
    const result = {
      verdict: 'wanted-dma-lost',
      verdicts: ['wanted-dma-lost'],
      wantedLost: [{ slot: CARD, by: PORT, count: 1 }],
    } as const;
    expect(judged({ result, commands: [[PORT, 90, 'stub', 6, 2]] }).violations).toHaveLength(1);
    expect(judged({ result, commands: [[PORT, 90, 'old-kernel', 6, 2]] }).excuses).toEqual(
      new Set(['kernel-did-it']),
    );
  });

  it('what it said and was not so', () => {
    expect(judged({ more: { untrue: ['it was not'] } }).violations).toEqual(['it was not']);
  });
});
