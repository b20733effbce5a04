import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Ajv } from 'ajv';
import { describe, expect, it } from 'vitest';
import { run, shootdown } from './support/cli.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string) => readFileSync(`${root}${path}`, 'utf8');

describe('the package', () => {
  it('validates policies by its JSON Schema as the parser does', () => {
    const validate = new Ajv({ strict: true, allowUnionTypes: true }).compile(
      JSON.parse(read('policies/policy.schema.json')),
    );
    const policy = JSON.parse(read('policies/default.json'));
    expect(validate(policy), JSON.stringify(validate.errors)).toBe(true);
    expect(validate({ ...policy, rules: [{ ...policy.rules[0], action: 'shoot' }] })).toBe(false);
    expect(validate({ ...policy, rulez: [] })).toBe(false);
    expect(validate({ ...policy, bounds: { pendingTimeoutMs: -1 } })).toBe(false);
  });

  it('has generated files that are up to date', () => {
    const { status, stdout } = run(process.execPath, [`${root}scripts/generate.mjs`, '--check']);
    expect(stdout).toBe('');
    expect(status).toBe(0);
  });

  it('can be imported as a library whose front door has the old name', async () => {
    const library = (await import(`${root}dist/index.mjs`)) as typeof import('../src/index.js');
    const machine = library.createMachine('server');
    const { journal, stillLive } = await library.deviceShootdown(machine.host, { clock: machine.clock });
    expect(journal.end).toBe('complete');
    expect(stillLive.length).toBeGreaterThan(0);
  });

  it('plays a jump, a scenario and a soak as a library', async () => {
    const library = (await import(`${root}dist/index.mjs`)) as typeof import('../src/index.js');
    const description = { ...library.profile('server'), captureDrivers: [] };
    const { verdict } = await library.createMachine(description).jump({ path: 'crash' });
    expect(library.JUMP_VERDICTS).toContain(verdict);
    const [name = ''] = library.shippedScenarioNames;
    const path = `scenarios/${name}.json`;
    const scenario = library.parseScenario(read(path), path);
    expect(scenario).toEqual(library.shippedScenario(name));
    const { unmet, expected } = await library.runScenario(scenario, 'none');
    expect(expected).not.toBeNull();
    expect(unmet).toEqual([]);
    const soak = library.soak(library.newSoak({ seed: 1, functions: 8, policy: 'ours' }));
    for await (const { state, violation } of soak) {
      expect(state.cases).toBe(1);
      expect(violation).toBeNull();
      break;
    }
  });

  it('starts without anything else and knows its version', () => {
    const { version } = JSON.parse(read('package.json'));
    expect(shootdown(['--version']).stdout).toBe(`${version}\n`);
    expect(read('dist/shootdown.mjs')).not.toMatch(/from ["'](?!node:)[a-z@][^"']*["']/);
  });
});
