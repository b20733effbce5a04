import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeFlight, type RecordSpec } from '../../test/support/flight-record.js';
import { CRASH, SUMMARY, TEMPLATE } from '../../test/support/flight-samples.js';
import { parseFlight } from '../image/flight.js';
import { defaultPolicy } from '../quiesce/default-policy.js';
import { flightJson } from './flight-json.js';
import { flightText } from './flight-text.js';

const plain = (text: string) => text;
const styleOf = (width: number) => ({
  width,
  bold: plain,
  dim: plain,
  red: plain,
  yellow: plain,
  green: plain,
});
const policy = defaultPolicy();
const text = (spec: RecordSpec, width = 100) =>
  flightText(parseFlight(encodeFlight(spec)), { style: styleOf(width), policy });

describe('the text', () => {
  it('of a crash jump', () => {
    expect(text(CRASH)).toBe(`Crash jump: 3 gated; 5 still live.
policy default, wrapped by shootdown 0.1.0
14 functions on 3 buses; 131 reads, 8 writes, 1.80 ms (if the TSC has 3000 MHz)
Non-maskable interrupts during the walk: 1.

slot          verdict  Command    outcome
0000:00:02.0  gated    0507→0503  done          nothing pending, MSI-X off
0000:00:03.0  gated    0107→0103  partial       INTx-disable did not stick: a PCI 2.2 function, or
                                                one without INTx; MSI left on
0000:01:00.0  live     0507→0507  ignored       BME reads set after it was cleared: it is not
                                                controllable
0000:01:01.0  live     0107→0103  interrupting  INTx is asserted, and INTx-disable did not stick
0000:02:00.0  gated    0507→0503  timeout       transactions still pending when the bound ran out
0000:02:01.0  unknown  0507→ffff  vanished      it reads all ones: it is gone or its link is down

Still live
slot          why
0000:00:00.0  host bridge: its BME is often hardwired, and means little (rule host-bridge); only
              another policy stops it
0000:00:01.0  display on a root bus: integrated graphics need BME at all times (rule
              integrated-display); only another policy stops it
0000:01:00.0  BME reads set after it was cleared: it is not controllable; switch it off in the
              firmware setup, or exempt it if it does no harm
0000:01:01.0  INTx is asserted, and INTx-disable did not stick; load its driver early, or boot with
              irqpoll
0000:02:02.0  not in D0: it can make no requests, and is not written; nothing to do unless something
              wakes it

1 more left alone: quiet, asleep, or bridges kept open.
`);
  });

  it('of a normal jump whose walk ran out of time', () => {
    expect(text(SUMMARY)).toBe(`Normal jump: 1 gated; 1 still live.
policy and tool are not in the record
9 functions on 2 buses; 60 reads, 1 write, 1.80 ms (if the TSC has 3000 MHz)
The walk ended early, while gating, at 0000:00:02.0: its time was up. Wrapped for this machine (wrap
--for this), it needs less; a policy can give it more. What it had not come to was left as it was.
A summary: only what was to be stopped, and not what its registers read afterwards.

slot          verdict  Command  outcome
0000:00:02.0  gated    0107     done     MSI-X off
0000:01:00.0  live     0103     skipped  the walk ended before its turn

Still live
slot          why
0000:01:00.0  the walk ended before its turn; it was left as it was
`);
  });

  it('of a walk whose time ran out before all was found', () => {
    expect(text({ ...SUMMARY, phase: 'discover' })).toMatch(
      /while looking for functions, at 0000:00:02\.0: its time was up\..*What\s+it\s+had\s+found\s+by\s+then\s+was\s+gated;/s,
    );
  });

  it('of one that only observed', () => {
    const entries = [{ rid: 0x0010, flags: ['planned'], outcome: 'wouldGate' }] as const;
    expect(
      text({ flags: ['crash', 'observe'], template: TEMPLATE, entries }),
    ).toBe(`Crash jump: 1 would be gated; 1 still live.
policy default, wrapped by shootdown 0.1.0
1 function on 1 bus; 9 reads, 0 writes, 1.80 ms (if the TSC has 3000 MHz)
Observed only: nothing was written. To have it done, take shootdown=observe off the command line.

slot          verdict  Command    outcome
0000:00:02.0  live     0507→0507  skipped  observed only: it would have been gated
`);
  });

  it('says how it ended, and what is cut', () => {
    expect(text({ ...CRASH, end: 'exception', vector: 14, phase: 'discover', rid: 0x0100 })).toContain(
      'The walk ended early, while looking for functions, at 0000:01:00.0: exception 14.',
    );
    expect(text({ end: 'nothing', phase: 'start', counts: { reads: 0 } })).toContain(
      'while starting: ports CF8 and CFC answer nothing here',
    );
    expect(text({ ...CRASH, counts: { entriesTotal: 300, gated: 280 } })).toMatch(
      /^Crash jump: 280 gated; (.|\n)*Only 10 of 300 functions are listed/,
    );
  });

  it('says where its times are from', () => {
    const spec = (tsc: string | undefined, tscKhz = 2_000_000) =>
      text({ template: tsc === undefined ? null : { ...TEMPLATE, tsc }, tscKhz });
    expect(spec(undefined)).toContain('2.70 ms (if the TSC has 2000 MHz)');
    expect(spec('assumed')).toContain('(at 2000 MHz, which is assumed)');
    expect(spec('measured')).toContain('(at 2000 MHz, measured when it was wrapped)');
    expect(spec(undefined, 0)).toContain('5400000 ticks of the TSC\n');
  });

  it('fits the terminal', () => {
    for (const width of [60, 80, 100]) {
      for (const spec of [CRASH, SUMMARY]) {
        for (const line of text(spec, width).split('\n')) expect(line.length).toBeLessThanOrEqual(width);
      }
    }
  });

  it('lets nothing through to the terminal, whatever the template holds', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (hostile) => {
        const evil = `${hostile}\u001b]0;x\u0007\u009b\u202e`;
        const template = { tool: evil, policy: { name: evil, sha256: evil }, rules: [evil] };
        const entries = [{ rid: 1, rule: 0, outcome: 'exempt' }] as const;
        const printed = text({ template, entries }).replaceAll('\n', '');
        expect(printed).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/);
      }),
      { numRuns: 200 },
    );
  });
});

describe('the JSON', () => {
  const json = (spec: RecordSpec) =>
    JSON.parse(JSON.stringify(flightJson(parseFlight(encodeFlight(spec)), null, policy))) as {
      functions: object[];
      entries: { slot: string }[];
    };

  it("has the journal's keys and words, and what only a record has", () => {
    const { functions, entries, ...rest } = json(CRASH);
    expect(rest).toEqual({
      schema: 'shootdown.flight/1',
      tool: '0.1.0',
      at: 'between',
      jump: 'crash',
      policy: 'default',
      policySha256: TEMPLATE.policy.sha256,
      program: '00c0ffee',
      file: null,
      summary: false,
      observe: false,
      truncated: false,
      end: 'complete',
      phase: 'done',
      vector: null,
      nmis: 1,
      lastAccess: '0000:02:02.0',
      counts: { functions: 14, buses: 3, reads: 131, writes: 8, gated: 3, failed: 3, entries: 10 },
      time: {
        ms: 1.8,
        accessMs: 1.7,
        tscKhz: 3_000_000,
        frequency: null,
        start: '0000123456789abc',
        ticks: '00000000005265c0',
        accessTicks: '00000000004dd1e0',
      },
      tailBytes: 0x4000,
      stillLive: ['0000:00:00.0', '0000:00:01.0', '0000:01:00.0', '0000:01:01.0', '0000:02:02.0'],
    });
    expect(functions[3]).toEqual({
      slot: '0000:00:03.0',
      verdict: 'gated',
      outcome: 'partial',
      reason: 'INTx-disable did not stick: a PCI 2.2 function, or one without INTx',
      rule: 'otherwise',
      ruleIndex: null,
      recorded: 'partial',
      vendor: '8086',
      device: '100e',
      bridge: false,
      virtual: false,
      command: { before: '0107', after: '0103' },
      status: '0010',
      msi: { before: '0081', outcome: 'skipped' },
      msix: { before: null, outcome: 'none' },
      pending: 'none',
    });
    const common = { slot: '0000:00:02.0', rule: 'otherwise', outcome: 'done' };
    const nothing = { before: null, wrote: null, after: null };
    expect(entries.filter(({ slot }) => slot === '0000:00:02.0')).toEqual([
      {
        ...common,
        kind: 'write',
        register: 'PCI_COMMAND',
        offset: 4,
        before: '0507',
        wrote: '0503',
        after: '0503',
      },
      { ...common, ...nothing, kind: 'wait', register: 'PCI_EXP_DEVSTA', offset: 0xaa },
      {
        ...common,
        ...nothing,
        kind: 'write',
        register: 'PCI_MSIX_FLAGS',
        offset: 0x9a,
        before: '8004',
        wrote: '4004',
      },
    ]);
  });

  it('of a summary holds null for what it has not', () => {
    const { functions, ...rest } = json(SUMMARY);
    expect(rest).toMatchObject({ tool: null, policy: null, summary: true, end: 'time' });
    expect(functions[1]).toMatchObject({
      slot: '0000:01:00.0',
      verdict: 'live',
      outcome: 'skipped',
      rule: null,
      ruleIndex: 12,
      vendor: null,
      bridge: null,
      command: { before: '0103', after: null },
    });
  });

  it('lists a write that made the function vanish', () => {
    const msi = { at: 0x50, before: 0x0081, became: 'vanished' } as const;
    const { entries } = json({
      entries: [{ rid: 0, flags: ['planned'], after: 0x503, msi, outcome: 'done' }],
    });
    expect(entries[1]).toMatchObject({ register: 'PCI_MSI_FLAGS', wrote: '0080', outcome: 'vanished' });
  });

  it('lists no write that was not made', () => {
    const entries = [
      { rid: 0, flags: ['planned'], outcome: 'wouldGate', msi: { at: 8, before: 1, became: 'left' } },
      { rid: 8, outcome: 'exempt' },
      { rid: 16, flags: ['planned'], outcome: 'none' },
    ] as const;
    expect(json({ flags: ['observe'], entries }).entries).toEqual([]);
  });
});
