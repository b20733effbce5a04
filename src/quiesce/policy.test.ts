import { describe, expect, it } from 'vitest';
import { type MemoryFunction, memoryHost, slotOf } from '../../test/support/memory-host.js';
import { scan } from '../host/scan.js';
import { decider } from './decide.js';
import { defaultPolicy } from './default-policy.js';
import { type Place, parsePolicy } from './policy.js';

const base = {
  schema: 'shootdown.policy/1',
  name: 'test',
  rules: [] as object[],
  otherwise: { action: 'gate', reason: 'everything' },
};
const rule = { id: 'r', match: { class: '02' }, action: 'exempt', reason: 'because' };
const parse = (policy: unknown) => parsePolicy(JSON.stringify(policy), 'p.json');

describe('parsePolicy', () => {
  it.each([
    ['not JSON', () => parsePolicy('{', 'p.json'), /^p\.json: not JSON/],
    [
      'an unknown action',
      () => parse({ ...base, rules: [{ ...rule, action: 'shoot' }] }),
      /rules\.0\.action: is "shoot", must be .*"gate"/,
    ],
    ['an unknown key', () => parse({ ...base, rulez: [] }), /rulez: is not a key that is known here/],
    [
      'an unknown match key',
      () => parse({ ...base, rules: [{ ...rule, match: { clazz: '02' } }] }),
      /rules\.0\.match\.clazz: is not a key/,
    ],
    [
      'a missing reason',
      () => parse({ ...base, rules: [{ ...rule, reason: undefined }] }),
      /rules\.0\.reason: is missing/,
    ],
    [
      'a class that is not hexadecimal',
      () => parse({ ...base, rules: [{ ...rule, match: { class: 'net' } }] }),
      /rules\.0\.match\.class: must be 2, 4 or 6/,
    ],
    [
      'a bad selector',
      () => parse({ ...base, rules: [{ ...rule, match: { slot: 'zz:00.0' } }] }),
      /rules\.0\.match\.slot: "zz:00\.0" is not a selector/,
    ],
    ['a repeated id', () => parse({ ...base, rules: [rule, rule] }), /rules\.1: repeats a rule id/],
    [
      'an unknown hazard',
      () => parse({ ...base, rules: [{ ...rule, hazard: 'H99' }] }),
      /rules\.0\.hazard: is not the id/,
    ],
    [
      'another schema',
      () => parse({ ...base, schema: 'shootdown.policy/2' }),
      /its schema is shootdown\.policy\/2: read it with a newer shootdown/,
    ],
    [
      'a wait without a bound',
      () => parse({ ...base, bounds: { pendingTimeoutMs: 1e9 } }),
      /bounds\.pendingTimeoutMs/,
    ],
    ['control characters', () => parse({ ...base, schema: '\u001b[2J' }), /^[^\u001b]*$/],
  ])('says what is wrong with %s', (_, action, message) => {
    expect(action).toThrow(message);
    expect(action).toThrow(expect.objectContaining({ code: 'bad-input' }));
  });

  it('fills in bounds', () => {
    expect(parse(base).bounds).toEqual({ pendingTimeoutMs: 250, stepTimeoutMs: 10_000 });
    expect(parse(base).onFailure).toBe('continue');
  });

  it('fills in what is for a wrapped kernel', () => {
    expect(parse(base).between).toEqual({ walkTimeoutMs: 250, scan: 'known', progress: false });
    const between = parse({ ...base, between: { scan: 'all' } }).between;
    expect(between).toEqual({ walkTimeoutMs: 250, scan: 'all', progress: false });
    expect(() => parse({ ...base, between: { scan: 'some' } })).toThrow(/between\.scan: is "some"/);
    expect(() => parse({ ...base, between: { walkTimeoutMs: 0 } })).toThrow(/between\.walkTimeoutMs/);
  });

  it('gives every rule of the default policy a reason and a source', () => {
    for (const { id, reason, source } of defaultPolicy().rules) {
      expect(reason, id).not.toBe('');
      expect(source, id).toBeDefined();
    }
  });
});

async function decisions(functions: Record<string, MemoryFunction>, at: Place = 'between') {
  const machine = await scan(memoryHost(functions));
  const decide = decider(defaultPolicy(), machine, at);
  return (slot: string) => decide(slotOf(slot)).action;
}

describe('the default policy', () => {
  it('leaves host, ISA and other bridges, memory controllers and IOMMUs alone', async () => {
    const classes = [0x060000, 0x060100, 0x068000, 0x050000, 0x058000, 0x080600];
    const functions = Object.fromEntries(
      classes.map((classCode, i) => [`00:0${i}.0`, { classCode, command: 6 }]),
    );
    const action = await decisions(functions);
    for (const slot of Object.keys(functions)) expect(action(slot), slot).toBe('exempt');
  });

  it('leaves a display on a root bus and the boot display alone, and gates other GPUs', async () => {
    const vga = { classCode: 0x030000, command: 0x0007 };
    const action = await decisions({
      '00:02.0': vga,
      '00:1c.0': { classCode: 0x060400, command: 7, bridge: { secondary: 1, control: 0x08 } },
      '00:1d.0': { classCode: 0x060400, command: 7, bridge: { secondary: 2, control: 0 } },
      '01:00.0': vga,
      '02:00.0': vga,
      '02:00.1': { classCode: 0x030200, command: 6 },
    });
    expect(action('00:02.0')).toBe('exempt');
    expect(action('01:00.0')).toBe('exempt');
    expect(action('02:00.0')).toBe('gate');
    expect(action('02:00.1')).toBe('gate');
  });

  it('leaves USB alone that no driver has taken over, and gates it once one has', async () => {
    const xhci = { classCode: 0x0c0330, command: 6 };
    const action = await decisions({
      '00:14.0': xhci,
      '00:15.0': { ...xhci, facts: { driver: 'xhci_hcd' } },
    });
    expect(action('00:14.0')).toBe('exempt');
    expect(action('00:15.0')).toBe('gate');
  });

  it('leaves what holds the root file system alone before the jump only', async () => {
    const functions = {
      '00:17.0': { classCode: 0x010802, command: 6, facts: { driver: null, holds: ['root' as const] } },
    };
    expect((await decisions(functions, 'before'))('00:17.0')).toBe('exempt');
    expect((await decisions(functions, 'between'))('00:17.0')).toBe('gate');
  });

  it('keeps bridges open and gates everything else', async () => {
    const action = await decisions({
      '00:1c.0': { classCode: 0x060400, command: 7, bridge: { secondary: 1 } },
      '01:00.0': { classCode: 0x020000, command: 6 },
      '01:00.1': { classCode: 0x010700, command: 6 },
    });
    expect(action('00:1c.0')).toBe('exempt');
    expect(action('01:00.0')).toBe('gate');
    expect(action('01:00.1')).toBe('gate');
  });
});
