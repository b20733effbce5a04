import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { interpretedStub } from '../src/cli/sim-stub.js';
import { EXPRESS_TYPES } from '../src/pci/function.js';
import { HAZARDS } from '../src/quiesce/hazards.generated.js';
import { ERAS, WORKLOADS } from '../src/sim/description.js';
import type { JumpVerdict } from '../src/sim/jump/result.js';
import { PLATFORMS } from '../src/sim/platform.js';
import type { PolicyName } from '../src/sim/policies/names.js';
import { runScenario } from '../src/sim/scenario/run.js';
import {
  parseScenario,
  type Scenario,
  shippedScenarioNames,
  shippedScenarioText,
  withoutFact,
} from '../src/sim/scenario/scenario.js';

const project = join(import.meta.dirname, '..');
const folder = join(project, 'scenarios');
const SEEDS = [1, 2, 3];

interface Shipped {
  readonly name: string;
  readonly text: string;
  readonly scenario: Scenario;
}
const shipped: readonly Shipped[] = readdirSync(folder)
  .filter((file) => file.endsWith('.json') && file !== 'scenario.schema.json')
  .sort()
  .map((file) => {
    const text = readFileSync(join(folder, file), 'utf8');
    return { name: file.slice(0, -'.json'.length), text, scenario: parseScenario(text, file) };
  });

it('has every word that a key may hold in the README', () => {
  const readme = readFileSync(join(folder, 'README.md'), 'utf8');
  const wordsOf = (key: string) =>
    [
      ...(new RegExp(`^\\| \`${key}\` +\\| (.*)\\|$`, 'm').exec(readme)?.[1] ?? '').matchAll(/`([^`]+)`/g),
    ].map(([, word]) => word);
  const express = EXPRESS_TYPES.filter((type) => type !== 'reserved');
  expect(wordsOf('is').sort()).toEqual([...WORKLOADS].sort());
  expect(wordsOf('express').sort()).toEqual([...express].sort());
  expect(wordsOf('platform').sort()).toEqual(Object.keys(PLATFORMS).sort());
  expect(wordsOf('era').sort()).toEqual([...ERAS].sort());
  expect(readme).toContain('`"without": "remove"`');
});

describe('the scenarios that ship', () => {
  it('are those of the folder', () => {
    expect(shipped.length).toBeGreaterThanOrEqual(20);
    expect(shippedScenarioNames).toEqual(shipped.map(({ name }) => name));
    for (const { name, text, scenario } of shipped) {
      expect(scenario.name).toBe(name);
      expect(JSON.parse(shippedScenarioText(name) ?? '')).toEqual(JSON.parse(text));
    }
    expect(shippedScenarioText('constructor')).toBeUndefined();
  });

  it('show the mechanisms of the hazards under none', () => {
    const seen = shipped.filter(({ scenario: { expect: expected } }) => isSymptom(expected.none));
    expect(new Set(seen.map(({ scenario }) => scenario.mechanism)).size).toBeGreaterThanOrEqual(14);
    const played = new Set(shipped.flatMap(({ scenario }) => scenario.hazards));
    const entries = readdirSync(join(project, 'hazards')).filter((file) => file.endsWith('.json'));
    const left = entries
      .map((file) => JSON.parse(readFileSync(join(project, 'hazards', file), 'utf8')))
      .filter(({ notSimulated }) => notSimulated === undefined)
      .map(({ id }) => id);
    expect([...played].sort()).toEqual(left.sort());
    expect(Object.keys(HAZARDS).length).toBe(entries.length);
  });

  it('are unknown to the simulator', () => {
    const sources = readdirSync(join(project, 'src/sim'), { recursive: true, encoding: 'utf8' })
      .filter((path) => /\.ts$/.test(path) && !/\.(test|generated)\.ts$/.test(path))
      .map((path) => readFileSync(join(project, 'src/sim', path), 'utf8'));
    expect(sources.length).toBeGreaterThan(20);
    const known = shipped.filter(({ name }) =>
      sources.some((text) => new RegExp(`['"\`]${name}['"\`]`).test(text)),
    );
    expect(known.map(({ name }) => name)).toEqual([]);
  });
});

describe.each(shipped)('$name', ({ text, name, scenario }) => {
  const { expect: expected, fact } = scenario;
  it.each(Object.keys(expected) as PolicyName[])('shows under %s what it says', async (policy) => {
    const verdicts: JumpVerdict[] = [];
    for (const seed of SEEDS) {
      const { unmet, result } = await runScenario(scenario, policy, { seed });
      expect(unmet, `seed ${seed}`).toEqual([]);
      verdicts.push(result.verdict);
    }
    // What chance may make of it instead must not be all that is ever seen.
    expect(verdicts).toContain(expected[policy]?.verdict);
  });

  it('shows the same under ours when the stub’s own bytes run', async () => {
    const { unmet, untrue } = await runScenario(scenario, 'ours', { stub: interpretedStub() });
    expect({ unmet, untrue }).toEqual({ unmet: [], untrue: [] });
  });

  it('says where it comes from, and how sure that is', () => {
    expect(scenario.sources).not.toEqual([]);
    expect(scenario.mechanism).not.toBeNull();
    expect(scenario.confidence).not.toBeNull();
  });

  it('shows no symptom without its fact', async () => {
    if (fact === null) throw new Error('names no fact');
    const symptom = expected[fact.under] ?? expected.none;
    const changed = withoutFact(text, name);
    for (const seed of SEEDS) {
      const { result } = await runScenario(changed, fact.under, { seed });
      expect(result.verdict, `seed ${seed}, stuck on ${result.stuckOn?.on}`).toBe(fact.leaves);
      if (symptom.verdict !== 'clean') expect(result.verdicts).not.toContain(symptom.verdict);
      else expect((result.endTick - result.startTick) / 10).toBeLessThan(symptom.atLeastMs ?? 0);
    }
  });
});

function isSymptom({ verdict, atLeastMs }: Scenario['expect']['none']): boolean {
  return verdict !== 'clean' || atLeastMs !== undefined;
}
