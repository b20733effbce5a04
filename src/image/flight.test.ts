import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeFlight, type RecordSpec, withChecksum } from '../../test/support/flight-record.js';
import { CRASH, SUMMARY, TEMPLATE } from '../../test/support/flight-samples.js';
import { ShootdownError } from '../pci/error.js';
import { defaultPolicy } from '../quiesce/default-policy.js';
import { parseFlight, startsFlight } from './flight.js';
import { flightFinds, flightResults } from './flight-results.js';
import { COMPACT, END, ENTRY, MESSAGES, OUTCOME, PENDING, PHASE, RECORD, RULE_LADDER } from './layout.js';

const parse = (spec: RecordSpec) => parseFlight(encodeFlight(spec));
const DONE = { rid: 0x0010, flags: ['planned'], after: 0x0503, outcome: 'done' } as const;

describe('a whole record', () => {
  it('has what the stub put there', () => {
    const record = parse(CRASH);
    expect(record).toMatchObject({
      summary: false,
      jump: 'crash',
      observe: false,
      truncated: false,
      end: 'complete',
      vector: null,
      phase: 'done',
      nmis: 1,
      last: '0000:02:02.0',
      counts: { functions: 14, buses: 3, reads: 131, writes: 8, gated: 3, failed: 3, entries: 10 },
      time: { tscKhz: 3_000_000, start: 0x1234_5678_9abcn, ticks: 5_400_000n, ioTicks: 5_100_000n },
      template: TEMPLATE,
      program: '00c0ffee',
      tailBytes: 0x4000,
    });
    expect(record.entries[2]).toEqual({
      slot: '0000:00:02.0',
      id: { vendor: 0x8086, device: 0x100e },
      bridge: false,
      vf: false,
      quiet: false,
      preserve: false,
      planned: true,
      command: { before: 0x0507, after: 0x0503 },
      status: 0x0010,
      msi: { offset: null, before: null, became: 'none' },
      msix: { offset: 0x98, before: 0x8004, became: 'disabled' },
      pending: { outcome: 'clear', register: 'PCI_EXP_DEVSTA', offset: 0xaa },
      outcome: 'done',
      rule: { id: 'otherwise', index: null },
    });
    expect(record.entries[7]?.pending).toEqual({
      outcome: 'timeout',
      register: 'PCI_AF_STATUS',
      offset: 0x45,
    });
  });

  it('knows every word of the layout', () => {
    for (const end of Object.keys(END) as (keyof typeof END)[])
      expect(parse({ end, vector: 13 })).toMatchObject({ end, vector: end === 'exception' ? 13 : null });
    for (const phase of Object.keys(PHASE) as (keyof typeof PHASE)[])
      expect(parse({ phase }).phase).toBe(phase);
    for (const flags of [[], ['summary']] as const) {
      const entry = (more: object) => parse({ flags, entries: [{ ...DONE, ...more }] }).entries[0];
      for (const outcome of Object.keys(OUTCOME)) expect(entry({ outcome })).toMatchObject({ outcome });
      for (const became of Object.keys(PENDING))
        expect(entry({ pending: { at: 8, kind: 1, became } })).toMatchObject({
          pending: { outcome: became },
        });
      for (const became of Object.keys(MESSAGES)) {
        const capability = { at: 8, before: 1, became };
        expect(entry({ msi: capability })).toMatchObject({ msi: { became }, msix: { became: 'none' } });
        expect(entry({ msix: capability })).toMatchObject({ msi: { became: 'none' }, msix: { became } });
      }
    }
  });

  it('names rules as far as it can', () => {
    const ruleOf = (rule: number, template: object | null, flags: readonly 'summary'[] = []) =>
      parse({ template, flags, entries: [{ ...DONE, rule }] }).entries[0]?.rule;
    expect(ruleOf(1, TEMPLATE)).toEqual({ id: TEMPLATE.rules[1], index: 1 });
    expect(ruleOf(1, null)).toEqual({ id: null, index: 1 });
    expect(ruleOf(999, TEMPLATE)).toEqual({ id: null, index: 999 });
    expect(ruleOf(RULE_LADDER, null)).toEqual({ id: 'ladder', index: null });
    expect(ruleOf(RULE_LADDER, null, ['summary'])).toEqual({ id: 'ladder', index: null });
    expect(ruleOf(0xffff, null, ['summary'])).toEqual({ id: 'otherwise', index: null });
    expect(ruleOf(0x0105, null, ['summary'])).toEqual({ id: null, index: 5 });
  });

  it('may be a summary, be cut to its room, and have bytes behind it', () => {
    expect(parse(SUMMARY)).toMatchObject({
      summary: true,
      jump: 'normal',
      template: null,
      end: 'time',
      last: '0000:00:02.0',
      entries: [
        { slot: '0000:00:02.0', id: null, command: { before: 0x0107, after: null }, status: null },
        { slot: '0000:01:00.0', outcome: 'none' },
      ],
    });
    const cut = { ...CRASH, counts: { entriesTotal: 200 } };
    expect(parse(cut)).toMatchObject({ truncated: true, counts: { entries: 200 } });
    const bytes = new Uint8Array(4096).fill(0xee, 0);
    bytes.set(encodeFlight(CRASH));
    expect(parseFlight(bytes)).toEqual(parse(CRASH));
    // Bytes that begin in the middle of a buffer.
    const shifted = new Uint8Array([1, 2, 3, ...encodeFlight(CRASH)]).subarray(3);
    expect(parseFlight(shifted)).toEqual(parse(CRASH));
  });

  it('has no last access where there was none', () => {
    expect(parse({ counts: { reads: 0 } }).last).toBeNull();
  });
});

describe('the documentation', () => {
  const text = readFileSync(new URL('../../docs/flight-record.md', import.meta.url), 'utf8');
  const sectionOf = (title: string) => text.split(`### ${title}`)[1]?.split('\n### ')[0] ?? '';
  const NOT_FIELDS = ['bytes', 'setupDataType', 'magic', 'version', 'headerBytes'];

  it.each([
    ['Header', RECORD],
    ['Entry of a full record', ENTRY],
    ['Entry of a summary', COMPACT],
  ])('has the layout: %s', (title, layout) => {
    const rows = [...sectionOf(title).matchAll(/^\| (\d+) +\|[^|]*\| `(\w+)`/gm)];
    const fields = Object.entries(layout).filter(([name]) => !NOT_FIELDS.includes(name));
    expect(rows.map(([, at, name]) => [name, Number(at)])).toEqual(fields);
  });

  it('has the outcomes', () => {
    const rows = [...sectionOf('Outcomes').matchAll(/^\| (\d+) +\| `(\w+)`/gm)];
    expect(rows.map(([, value, name]) => [name, Number(value)])).toEqual(Object.entries(OUTCOME));
  });
});

describe('what is no record', () => {
  const changed = (change: (view: DataView) => void, spec: RecordSpec = CRASH) => {
    const bytes = encodeFlight(spec);
    change(new DataView(bytes.buffer));
    return withChecksum(bytes);
  };
  const u32 = (at: number, value: number) => (view: DataView) => view.setUint32(at, value, true);
  const u8 = (at: number, value: number) => (view: DataView) => view.setUint8(at, value);
  const size = encodeFlight(CRASH).length;

  it.each([
    ['nothing', new Uint8Array(0), /does not begin with SHOT/],
    ['zeros', new Uint8Array(4096), /does not begin with SHOT/],
    ['a header cut off', encodeFlight(CRASH).subarray(0, 100), /cut short: 100 bytes/],
    ['an end cut off', encodeFlight(CRASH).subarray(0, size - 4), /cut short: \d+ bytes of the \d+/],
    [
      'a newer version',
      changed((v) => v.setUint16(RECORD.versionAt, 2, true)),
      /version 2.*wrapped the kernel/,
    ],
    ['another header', changed((v) => v.setUint16(RECORD.headerAt, 136, true)), /a header of 136 bytes/],
    ['a size that is none', changed(u32(RECORD.totalBytes, 126)), /126 bytes, which cannot be/],
    ['a size that is odd', changed(u32(RECORD.totalBytes, 130)), /130 bytes, which cannot be/],
    ['a huge size', changed(u32(RECORD.totalBytes, 0xffff_fffc)), /which cannot be/],
    ['more entries than room', changed(u32(RECORD.entries, 0x0800_0000)), /more entries than/],
    ['entries outside', changed(u32(RECORD.entriesAt, size - 32)), /list of functions would lie outside/],
    ['entries in the header', changed(u32(RECORD.entriesAt, 0)), /list of functions would lie outside/],
    ['a template outside', changed(u32(RECORD.template, 0xffff_fff0)), /template would lie outside/],
    ['parts that overlap', changed(u32(RECORD.templateBytes, size - 128)), /overlap/],
    ['a template that is no JSON', changed(u8(RECORD.headerBytes, 0x78)), /not JSON/],
    [
      'entries of another size',
      changed((v) => v.setUint16(RECORD.entryBytes, 8, true)),
      /entries of 8 bytes/,
    ],
    ['an end that is none', changed(u8(RECORD.end, 8)), /end 8 is not known/],
    ['a phase that is none', changed(u8(RECORD.phase, 9)), /phase 9 is not known/],
    ['an outcome that is none', changed(u8(size - 9, 77)), /0000:02:02.0: outcome 77 is not known/],
    ['a wait that is none', changed(u8(size - 10, 3)), /kind of wait 3 is not known/],
  ])('%s', (_, bytes, message) => {
    expect(() => parseFlight(bytes, 'x')).toThrow(message);
    expect(() => parseFlight(bytes, 'x')).toThrow(/^x: [^\n]+$/);
  });

  it('damage anywhere is told by the checksum', () => {
    for (const spec of [CRASH, SUMMARY]) {
      const bytes = encodeFlight(spec);
      for (let at = 16; at < bytes.length; at++) {
        const damaged = Uint8Array.from(bytes);
        damaged[at] = (damaged[at] ?? 0) ^ 0x10;
        expect(() => parseFlight(damaged)).toThrow(/damaged/);
      }
    }
  });

  it('bytes of any kind give a record or bad-input', () => {
    const bases = [CRASH, SUMMARY, { ...CRASH, template: null }].map(encodeFlight);
    const bytes = fc
      .tuple(
        fc.constantFrom(...bases),
        fc.array(fc.tuple(fc.nat(1023), fc.nat(255)), { maxLength: 8 }),
        fc.option(fc.nat(1100)),
        fc.boolean(),
      )
      .map(([base, changes, length, sound]) => {
        const all = Uint8Array.from(base);
        for (const [at, value] of changes) if (at < all.length) all[at] = value;
        // Most damage would end at the checksum: what lies behind it is what a forger reaches.
        if (sound) withChecksum(all);
        return all.subarray(0, length ?? all.length);
      });
    const check = (input: Uint8Array) => {
      try {
        const record = parseFlight(input);
        flightFinds(record);
        expect(startsFlight(input)).toBe(true);
      } catch (error) {
        if (!(error instanceof ShootdownError) || error.code !== 'bad-input') throw error;
        expect(error.message).not.toContain('\n');
      }
    };
    fc.assert(fc.property(bytes, check), { numRuns: 20_000 });
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), check), { numRuns: 2_000 });
  });
});

describe('results', () => {
  const result = (more: object) => {
    const [first] = flightResults(parse({ entries: [{ ...DONE, after: undefined, ...more }] as never }));
    return `${first?.verdict} ${first?.outcome}`;
  };
  const pending = (became: string) => ({ after: 0x503, pending: { at: 8, kind: 1, became } });
  const msix = (became: string) => ({ after: 0x503, msix: { at: 8, before: 0x8000, became } });

  it.each([
    [{ after: 0x0503 }, 'gated done'],
    [pending('clear'), 'gated done'],
    [pending('timeout'), 'gated timeout'],
    [pending('vanished'), 'gated vanished'],
    [msix('disabled'), 'gated done'],
    [msix('skipped'), 'gated done'],
    [msix('ignored'), 'gated ignored'],
    [msix('vanished'), 'gated vanished'],
    [{ outcome: 'partial' }, 'gated partial'],
    [{ outcome: 'interrupting' }, 'live interrupting'],
    [{ outcome: 'ignored' }, 'live ignored'],
    [{ outcome: 'vanished', after: 0xffff }, 'unknown vanished'],
    [{ outcome: 'none' }, 'live skipped'],
    [{ outcome: 'none', flags: ['preserve', 'planned'] }, 'live exempt'],
    [{ outcome: 'none', flags: ['quiet', 'bridge'], before: 0x103 }, 'quiet exempt'],
    [{ outcome: 'exempt' }, 'live exempt'],
    [{ outcome: 'exempt', before: 0x0103 }, 'quiet exempt'],
    [{ outcome: 'exempt', before: 0x0103, status: 0x18 }, 'live exempt'],
    [{ outcome: 'exempt', before: 0x0503, status: 0x18 }, 'quiet exempt'],
    [{ outcome: 'exempt', flags: ['bridge'] }, 'unknown exempt'],
    [{ outcome: 'exempt', flags: ['bridge'], msi: { at: 8, before: 1, became: 'none' } }, 'live exempt'],
    [{ outcome: 'preserve' }, 'live exempt'],
    [{ outcome: 'asleep' }, 'live exempt'],
    [{ outcome: 'liveBelow', flags: ['bridge'] }, 'unknown exempt'],
    [{ outcome: 'quiet', flags: ['bridge', 'quiet'] }, 'quiet exempt'],
    [{ outcome: 'wouldGate' }, 'live skipped'],
  ])('%j is %s', (more, expected) => {
    expect(result(more)).toBe(expected);
  });

  it('take their reasons from the policy that the kernel was wrapped with, and from no other', () => {
    const exempt = parse({
      template: TEMPLATE,
      entries: [{ ...DONE, rule: 0, outcome: 'exempt' }],
    });
    const policy = defaultPolicy();
    expect(flightResults(exempt, policy)[0]?.reason).toBe(policy.rules[0]?.reason);
    expect(flightResults(exempt)[0]?.reason).toBe('the policy leaves it alone');
    expect(flightResults(exempt, { ...policy, name: 'other' })[0]?.reason).toBe('the policy leaves it alone');
  });

  it('are in the order of slots', () => {
    const entries = [0x0200, 0x0010, 0x0100].map((rid) => ({ ...DONE, rid }));
    expect(flightResults(parse({ entries })).map(({ slot }) => slot)).toEqual([
      '0000:00:02.0',
      '0000:01:00.0',
      '0000:02:00.0',
    ]);
  });

  it('are findings where something was to be stopped and was not', () => {
    const finds = (spec: RecordSpec) => flightFinds(parse(spec));
    expect(finds({ entries: [DONE] })).toBe(false);
    expect(finds({ entries: [DONE, { ...DONE, rid: 0, outcome: 'exempt' }] })).toBe(false);
    expect(finds({ entries: [{ ...DONE, outcome: 'partial' }] })).toBe(false);
    expect(finds({ entries: [DONE], nmis: 3 })).toBe(false);
    expect(finds({ entries: [DONE], end: 'accesses' })).toBe(true);
    expect(finds({ entries: [DONE], counts: { failed: 1 } })).toBe(true);
    expect(finds({ entries: [{ ...DONE, outcome: 'vanished' }] })).toBe(true);
    expect(finds({ flags: ['observe'], entries: [{ ...DONE, outcome: 'wouldGate' }] })).toBe(true);
    expect(finds(SUMMARY)).toBe(true);
  });
});
