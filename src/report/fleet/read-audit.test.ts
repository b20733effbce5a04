import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { machines } from '../../../test/support/arbitrary.js';
import { auditOf } from '../../../test/support/fleet.js';
import { memoryHost } from '../../../test/support/memory-host.js';
import { policies } from '../../../test/support/policies.js';
import { scan } from '../../host/scan.js';
import { slotKey, slotParts } from '../../pci/slot.js';
import { audit } from '../../quiesce/audit.js';
import { parseAudit } from '../../quiesce/audit-data.js';
import { auditData } from '../audit-json.js';
import { arrange } from './arrange.js';
import { contradiction } from './contradictions.js';
import { Fleet } from './fleet.js';
import { type FleetAudit, readAudit } from './read-audit.js';
import { slotKeyOf } from './slot-key.js';

const textOf = (one: object) => JSON.stringify(one);
const keysOf = (one: FleetAudit) => new Map(one.functions.map(({ key }, i) => [key, i]));
const wrong = (one: object) => {
  const read = readAudit(textOf(one), 'x');
  return contradiction(read, keysOf(read));
};

describe('the reader of audits', () => {
  it('takes what parseAudit takes, and finds no contradiction in what we print', async () => {
    await fc.assert(
      fc.asyncProperty(
        machines,
        policies,
        fc.constantFrom('crash' as const, 'normal' as const),
        async (functions, policy, path) => {
          const printed = auditData(audit(await scan(memoryHost(functions)), policy, path));
          const read = readAudit(textOf(printed), 'x');
          expect(contradiction(read, keysOf(read))).toBeNull();
          expect(read.functions.map(({ slot }) => slot)).toEqual(printed.functions.map(({ slot }) => slot));
          expect(arrange(read.functions, keysOf(read), new Int32Array(read.functions.length))).not.toBeNull();
        },
      ),
      { numRuns: 100 },
    );
  });

  it('takes simulated machines with virtual functions', async () => {
    for (const seed of [1, 2, 3, 4]) expect(wrong(await auditOf({ seed, functions: 60 }))).toBeNull();
    for (const name of ['server', 'laptop', 'hpe-like', 'ia64'])
      expect(wrong(await auditOf(name))).toBeNull();
  });

  it('takes whatever parseAudit takes of audits that were changed', async () => {
    const whole = textOf(await auditOf({ seed: 5, functions: 6 }));
    const values = [
      null,
      0,
      1,
      255,
      4096,
      '',
      'ffff',
      '010802',
      '0000:00:00.0',
      'D0',
      true,
      false,
      [],
      {},
      'none',
    ];
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(...values, undefined), (at, value) => {
        const changed = JSON.parse(whole);
        change(changed, at, value);
        const text = textOf(changed);
        const refused = attempt(() => parseAudit(text, 'x'));
        const said = attempt(() => readAudit(text, 'x'));
        // Whatever it is, it is a row.
        expect(new Fleet({ path: 'crash', failOn: 'error' }).add(text, 'x', 'x')).toBeDefined();
        if (refused === null) expect(said).toBeNull();
        else if (said !== null && !said.includes('its schema is')) expect(said).toBe(refused);
      }),
      { numRuns: 600 },
    );
  });

  it('reads slots as the others do', () => {
    for (const slot of ['0000:00:00.0', '0001:ff:1f.7', '10000:e1:00.0', 'ffffffff:ff:1f.7']) {
      expect(slotKeyOf(slot)).toBe(slotKey(slotParts(slot as never)));
    }
    for (const text of [
      '00:00.0',
      '00000:00:00.0',
      '0000:00:20.0',
      '0000:00:00.8',
      '0000:0G:00.0',
      '0000:0A:00.0',
      7,
      null,
    ]) {
      expect(slotKeyOf(text)).toBe(-1);
    }
  });

  it('says in one line what is wrong with the rest', () => {
    const problem = (text: string) => attempt(() => readAudit(text, 'web01.json:1'));
    expect(problem('{"schema":"shootdown.aud')).toMatch(/^web01\.json:1: not JSON: line 1, column 25/);
    expect(problem('[]')).toMatch(/a list: one audit a line/);
    expect(problem('{"schema":"shootdown.plan/1"}')).toMatch(
      /its schema is shootdown\.plan\/1, not shootdown\.audit\/1/,
    );
    expect(problem('{}')).toMatch(/not a valid audit: schema: is missing/);
    expect(problem('7')).toMatch(/not a valid audit/);
    expect(problem(`{"a":"${'x'.repeat(5 << 20)}`)).toMatch(/not JSON, or cut off$/);
  });

  it('takes audits of versions to come, which say more', async () => {
    const one = await auditOf('server');
    expect(attempt(() => readAudit(textOf({ ...one, later: 1 }), 'x'))).toBeNull();
  });
});

describe('contradictions', () => {
  it('are found', async () => {
    const lie = async (change: (one: Awaited<ReturnType<typeof auditOf>>) => void) => {
      const one = await auditOf('server');
      change(one);
      return wrong(one);
    };
    const fn = (one: Awaited<ReturnType<typeof auditOf>>, verdict: string, bridge = false) => {
      const found = one.functions.find((f) => f.verdict === verdict && (f.bridge !== null) === bridge);
      if (!found) throw new Error(`no ${verdict} function`);
      return found;
    };
    expect(await lie(() => {})).toBeNull();
    expect(
      await lie((one) => {
        fn(one, 'live').verdict = 'quiet';
      }),
    ).toMatch(/its verdict is quiet, its registers make it live/);
    expect(
      await lie((one) => {
        fn(one, 'open', true).verdict = 'quiet';
      }),
    ).toMatch(/make it open/);
    expect(
      await lie((one) => {
        fn(one, 'live').busMaster = false;
      }),
    ).toMatch(/busMaster is false, its registers say true/);
    expect(
      await lie((one) => {
        fn(one, 'live').command = null;
      }),
    ).toMatch(/was read, and its registers are not there/);
    expect(
      await lie((one) => {
        fn(one, 'live').presence = 'd3cold';
      }),
    ).toMatch(/d3cold, and yet it was read/);
    expect(
      await lie((one) => {
        one.functions.push(structuredClone(fn(one, 'live')));
      }),
    ).toMatch(/stands twice/);
    expect(
      await lie((one) => {
        one.functions = one.functions.filter((f) => f !== fn(one, 'open', true));
      }),
    ).toMatch(/is missing|is not in it/);
    expect(
      await lie((one) => {
        one.findings = one.findings.filter((f) => f.slot === null);
      }),
    ).toMatch(/is live, and no finding says so/);
    expect(
      await lie((one) => {
        for (const f of one.findings) if (f.slot) f.slot = '0000:ff:1f.7' as never;
      }),
    ).toMatch(/about a function that is not in it/);
    expect(
      await lie((one) => {
        const f = one.functions.find((g) => g.msi);
        if (f?.msi) f.msi.vectors = 3;
      }),
    ).toMatch(/3 MSI vectors/);
    expect(
      await lie((one) => {
        one.machine.captureKernelLoaded = false;
        one.machine.captureKernelProtected = true;
      }),
    ).toMatch(/protected and not loaded/);
  });

  it('are found where functions are above each other in a ring', async () => {
    const one = await auditOf('server');
    const [a, b] = one.functions.filter(({ bridge }) => bridge !== null);
    if (!a || !b) throw new Error('two bridges');
    [a.parent, b.parent] = [b.slot, a.slot];
    const read = readAudit(textOf(one), 'x');
    expect(arrange(read.functions, keysOf(read), new Int32Array(read.functions.length))).toBeNull();
    a.parent = a.slot;
    expect(wrong(one)).toMatch(/above itself/);
  });
});

/** The message, or `null` if nothing was thrown. */
function attempt(call: () => unknown): string | null {
  try {
    call();
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Puts a value, or nothing for `undefined`, in the place of one that is drawn. */
function change(root: object, at: number, value: unknown): void {
  const places: [Record<string, unknown>, string][] = [];
  const collect = (one: unknown) => {
    if (typeof one !== 'object' || one === null) return;
    for (const key of Object.keys(one)) {
      places.push([one as Record<string, unknown>, key]);
      collect((one as Record<string, unknown>)[key]);
    }
  };
  collect(root);
  const [parent, key] = places[at % places.length] as (typeof places)[number];
  if (value === undefined) delete parent[key];
  else parent[key] = value;
}
