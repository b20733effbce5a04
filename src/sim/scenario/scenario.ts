import { ShootdownError } from '../../pci/error.js';
import { brief, printable } from '../../pci/printable.js';
import { parseSlot, type Slot } from '../../pci/slot.js';
import { defaultPolicy } from '../../quiesce/default-policy.js';
import type { JumpPath } from '../../quiesce/findings.js';
import type { HazardId } from '../../quiesce/hazards.generated.js';
import { jsonMistake } from '../../quiesce/json-mistake.js';
import { parseJson } from '../../quiesce/parse-json.js';
import type { Policy, PolicyRule } from '../../quiesce/policy.js';
import type { Faults, MachineDescription } from '../description.js';
import type { JumpOptions } from '../jump/options.js';
import type { JumpVerdict } from '../jump/result.js';
import type { PolicyName } from '../policies/names.js';
import { scenarioProblems } from './check.js';
import type { Expectation } from './expect.js';
import { changed, lookUp, pointerSteps } from './json-pointer.js';
import { faultsOf, machineOf } from './machine.js';
import { FUNCTIONS_MAX } from './machine-schema.js';
import { type ScenarioData, scenarioSchema } from './schema.js';
import { SCENARIO_TEXTS } from './shipped.generated.js';

/** One hazard as a machine, a jump, and what must be seen. Its file's form is `scenarios/scenario.schema.json`. */
export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly hazards: readonly HazardId[];
  /** That what the machine does is what the sources say; `null` where nobody says. Those that ship have it. */
  readonly confidence: 'established' | 'weak' | 'inference' | null;
  /** What is not in the sources. */
  readonly inference: string | null;
  readonly sources: readonly string[];
  /** The rule of a device, platform or kernel that does it; `null` where none is named. Those that ship have it. */
  readonly mechanism: string | null;
  readonly story: string;
  readonly path: JumpPath;
  readonly machine: MachineDescription;
  readonly jump: Pick<JumpOptions, 'load' | 'crashCpu' | 'drivers' | 'cpus' | 'ticks' | 'reboot'>;
  /** For `MachineOptions.faults`. */
  readonly faults: Readonly<Record<Slot, Faults>>;
  /** Rules of ours that come before those of the default policy. */
  readonly rules: readonly PolicyRule[];
  readonly expect: Readonly<Partial<Record<PolicyName, Expectation>>> & {
    readonly none: Expectation;
    readonly ours: Expectation;
  };
  /** `null` for none; those that ship have it. */
  readonly fact: ScenarioFact | null;
  /** What a real Linux was seen to do in the lab; `null` where that was not measured. */
  readonly lab: ScenarioLab | null;
}

export interface ScenarioLab {
  /** As `lab list` has it. */
  readonly scenario: string;
  /** Without and with ours. */
  readonly none: string;
  readonly ours: string;
  /** From what is seen here, and why. */
  readonly differs?: string | undefined;
}

/** One property of the machine without which the symptom vanishes. */
export interface ScenarioFact {
  /** JSON pointer into the scenario's file. */
  readonly pointer: string;
  /** `remove`, or the value that stands there instead. */
  readonly without: unknown;
  readonly why: string;
  /** The policy under which the symptom is seen. */
  readonly under: PolicyName;
  /** The verdict without it: another hazard of the same machine may stay. */
  readonly leaves: JumpVerdict;
}

export const SCENARIO_BYTES_MAX = 8 * 2 ** 20;
/** The limits of a scenario's size, in words. */
export const SCENARIO_LIMITS = `a scenario has at most ${SCENARIO_BYTES_MAX} bytes (8 MiB) and ${FUNCTIONS_MAX} functions`;
const DEPTH_MAX = 16;
/** Keys under which a list may stand: to a schema a list is an object with no keys. @internal */
export const LISTS: ReadonlySet<string> = new Set(
  'also at captureDrivers drivers functions hazards holds or policy ram slots sources'.split(' '),
);
/** Where a fact may lie: not in what is expected, nor in what is said. */
const FACT_ROOTS = ['machine', 'jump', 'path'];

/** Reads a scenario from JSON text. `name` is what messages call it: the file's path. Throws `bad-input`. */
export function parseScenario(text: string, name: string): Scenario {
  const { data, json } = read(text, name);
  if (data.fact === undefined) return scenarioOf(data);
  const without = changedFact(data.fact, json, name);
  try {
    read(JSON.stringify(without), name);
  } catch (cause) {
    const { message } = cause as Error;
    throw bad(
      name,
      'fact',
      `${data.fact.pointer}: without it the scenario cannot be: ${afterName(message, name)}`,
    );
  }
  return scenarioOf(data);
}

/** The scenario without its fact, under which its symptom may not be seen (another may, `fact.leaves`). Throws `bad-input`, also for one without a fact. */
export function withoutFact(text: string, name: string): Scenario {
  const { data, json } = read(text, name);
  if (data.fact === undefined) throw bad(name, 'fact', 'is missing');
  return scenarioOf(read(JSON.stringify(changedFact(data.fact, json, name)), name).data);
}

/** The default policy, and what the scenario has to say before it. */
export function scenarioPolicy({ name, rules }: Scenario): Policy {
  const base = defaultPolicy();
  return rules.length === 0 ? base : { ...base, name: `default, ${name}`, rules: [...rules, ...base.rules] };
}

/** The scenarios that come with the program, in the order of their names. */
export const shippedScenarioNames: readonly string[] = Object.keys(SCENARIO_TEXTS);

export function shippedScenarioText(name: string): string | undefined {
  return Object.hasOwn(SCENARIO_TEXTS, name) ? SCENARIO_TEXTS[name] : undefined;
}

export function shippedScenario(name: string): Scenario | undefined {
  const text = shippedScenarioText(name);
  return text === undefined ? undefined : parseScenario(text, `scenarios/${name}.json`);
}

function read(given: string, name: string): { data: ScenarioData; json: unknown } {
  if (given.length > SCENARIO_BYTES_MAX) {
    const text = `${given.length} characters are too many: ${SCENARIO_LIMITS}`;
    throw bad(name, 'the file as a whole', text);
  }
  // Some editors write a byte order mark, which RFC 8259 allows to pass over.
  const text = given.replace(/^\ufeff/, '');
  const json = early(text, name);
  const beside = (at: string) => functionAt(json, at);
  const data = parseJson(scenarioSchema, text, name, 'scenario', beside);
  const problems = scenarioProblems(data);
  if (problems.length === 0) return { data, json };
  const lines = problems.slice(0, 5).map(({ at, text }) => `${at}: ${text}${beside(at)}`);
  if (problems.length > 5) lines.push(`and ${problems.length - 5} more`);
  throw new ShootdownError('bad-input', printable(`${name}: not a valid scenario: ${lines.join('; ')}`));
}

/** Which function a key path leads into, since nobody counts them from 0; empty if it leads elsewhere. */
function functionAt(json: unknown, at: string): string {
  const [, index, key] = /^machine\.functions\.(\d+)(?:\.(\w+))?/.exec(at) ?? [];
  if (index === undefined || key === 'slot') return '';
  const found = lookUp(json, ['machine', 'functions', index, 'slot']);
  const slot = 'value' in found && typeof found.value === 'string' ? found.value : '';
  return parseSlot(slot) ? ` (function ${slot})` : '';
}

/** What must be known before anything walks the whole file; `undefined` if it is not JSON, which others say better. */
function early(text: string, name: string): unknown {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  const functions = lookUp(json, ['machine', 'functions']);
  if ('value' in functions && Array.isArray(functions.value) && functions.value.length > FUNCTIONS_MAX)
    throw bad(
      name,
      'machine.functions',
      `${functions.value.length} are more than the ${FUNCTIONS_MAX} that may be`,
    );
  // JSON.parse takes the last and says nothing.
  const twice = jsonMistake(text);
  if (twice) throw bad(name, `line ${twice.line}, column ${twice.column}`, twice.text);
  if (Array.isArray(json)) throw bad(name, 'the file as a whole', 'is a list where none belongs');
  // A stack of our own: the depth of the file must not be that of ours.
  const rest: { at: string; value: unknown; depth: number }[] = [{ at: '', value: json, depth: 0 }];
  for (let next = rest.pop(); next; next = rest.pop()) {
    const { at, value, depth } = next;
    if (typeof value !== 'object' || value === null) continue;
    if (depth === DEPTH_MAX) throw bad(name, at, `is nested deeper than ${DEPTH_MAX}`);
    for (const [key, inner] of Object.entries(value)) {
      const inside = at === '' ? key : `${at}.${key}`;
      // A schema cannot see these, since every object has them.
      if (key in Object.prototype) throw bad(name, inside, 'is not a key that is known here');
      if (Array.isArray(inner) && !LISTS.has(key) && !inside.startsWith('fact.'))
        throw bad(name, inside, 'is a list where none belongs');
      if (typeof inner === 'object') rest.push({ at: inside, value: inner, depth: depth + 1 });
    }
  }
  return json;
}

function changedFact(
  { pointer, without }: NonNullable<ScenarioData['fact']>,
  json: unknown,
  name: string,
): unknown {
  const fail = (text: string) => bad(name, 'fact.pointer', `${JSON.stringify(pointer)} ${text}`);
  const steps = pointerSteps(pointer);
  if (!steps) throw fail('is not a JSON pointer, as in /machine/functions/2/driver');
  if (!FACT_ROOTS.includes(steps[0] ?? '')) throw fail(`must lie in ${FACT_ROOTS.join(', ')}`);
  const parents = lookUp(json, steps.slice(0, -1));
  const found = lookUp(json, steps);
  if ('missing' in parents) throw fail(`leads nowhere: there is no ${parents.missing}`);
  if ('missing' in found) throw fail(`leads nowhere: there is no ${found.missing}`);
  if (JSON.stringify(found.value) === JSON.stringify(without))
    throw bad(name, 'fact.without', `is what stands at ${pointer} already: nothing would change`);
  return changed(json, steps, without === 'remove' ? undefined : without);
}

function scenarioOf(data: ScenarioData): Scenario {
  const {
    name,
    title,
    hazards,
    confidence,
    inference,
    sources,
    mechanism,
    story,
    path,
    policy,
    expect,
    fact,
  } = data;
  const { faults: _, ...jump } = data.jump;
  return {
    name,
    title,
    hazards,
    confidence: confidence ?? null,
    inference: inference ?? null,
    sources,
    mechanism: mechanism ?? null,
    story,
    path,
    machine: machineOf(data),
    jump: Object.fromEntries(Object.entries(jump).filter(([, value]) => value !== undefined)),
    faults: faultsOf(data),
    rules: policy,
    expect: expect as Scenario['expect'],
    fact: fact ?? null,
    lab: data.lab ?? null,
  };
}

function bad(name: string, at: string, text: string): ShootdownError {
  return new ShootdownError('bad-input', printable(`${name}: not a valid scenario: ${brief(at)}: ${text}`));
}

/** A message about the file without the words that name it. */
function afterName(message: string, name: string): string {
  return message.replace(`${printable(name)}: not a valid scenario: `, '');
}
