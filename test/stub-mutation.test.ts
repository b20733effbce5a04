import { beforeAll, describe, expect, it } from 'vitest';
import { assembleProgram } from '../src/image/stub/program.js';
import { STUB } from '../src/image/stub.generated.js';
import { killer, type PreparedCase, prepareCase } from './support/stub-kill.js';
import { KILL_CASES } from './support/stub-kill-cases.js';
import { generatedMutants, type Mutant } from './support/stub-mutants.js';
import { EQUIVALENT } from './support/stub-mutants-equivalent.js';
import { ruleMutants } from './support/stub-rule-mutants.js';

// The stub is broken in one place after the other, and each time a case must notice. By default each of its rules and
// every eighth of the mutants that are made from the program; SHOOTDOWN_MUTANTS=all tries them all, in minutes.

const ALL = process.env['SHOOTDOWN_MUTANTS'] === 'all';
const SAMPLE = ALL ? 1 : 8;
const cases: PreparedCase[] = [];
const isEquivalent = new Map(EQUIVALENT.flatMap(({ why, mutants }) => mutants.map((name) => [name, why])));

beforeAll(async () => {
  for (const one of KILL_CASES) cases.push(await prepareCase(one));
}, 300_000);

const survivors = (mutants: readonly Mutant[]) =>
  mutants.filter(({ patches }) => killer(cases, patches) === null).map(({ name }) => name);

describe('the stub', () => {
  it('is what its sources say', () => {
    expect(Buffer.from(STUB.program).equals(assembleProgram().bytes)).toBe(true);
  });

  it('does everything right as it is', { timeout: 300_000 }, () => {
    expect(cases.flatMap(({ name, run }) => run().map((problem) => `${name}: ${problem}`))).toEqual([]);
  });

  it('with any of its rules broken is caught', { timeout: 600_000 }, () => {
    const mutants = ruleMutants();
    expect(mutants.length).toBeGreaterThan(80);
    expect(survivors(mutants)).toEqual([]);
  });

  it(`broken anywhere is caught (one mutant in ${SAMPLE})`, { timeout: 3_600_000 }, () => {
    const all = generatedMutants();
    const names = new Set(all.map(({ name }) => name));
    expect(names.size).toBe(all.length);
    expect([...isEquivalent.keys()].filter((name) => !names.has(name))).toEqual([]);
    // An equivalent one is tried by every case: only the whole run can afford that.
    const tried = all.filter(({ name }, index) =>
      ALL ? true : index % SAMPLE === 0 && !isEquivalent.has(name),
    );
    const alive = survivors(tried);
    if (ALL) {
      const caught = tried.length - alive.length;
      console.info(
        `${tried.length} mutants: ${caught} caught, ${alive.length} alive, ${isEquivalent.size} equivalent`,
      );
    }
    expect(alive.filter((name) => !isEquivalent.has(name))).toEqual([]);
    // One that is caught after all is not equivalent.
    if (ALL) expect([...isEquivalent.keys()].filter((name) => !alive.includes(name))).toEqual([]);
  });
});
