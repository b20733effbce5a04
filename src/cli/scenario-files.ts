import { statSync } from 'node:fs';
import { ShootdownError } from '../pci/error.js';
import {
  parseScenario,
  SCENARIO_BYTES_MAX,
  SCENARIO_LIMITS,
  type Scenario,
  shippedScenario,
  shippedScenarioNames,
} from '../sim/scenario/scenario.js';
import { readTextOrPipe } from './pipe-input.js';
import { readError } from './read-error.js';

/** The scenario of that name, or the one in that file or pipe, the wait for which `signal` ends. Rejects with `usage` for neither, `bad-input` for a bad file. */
export async function openScenario(what: string, signal?: AbortSignal): Promise<Scenario> {
  const shipped = shippedScenario(what);
  if (shipped) return shipped;
  if (!/[./]/.test(what)) {
    const message = `no scenario is called ${what}: shootdown sim list names them, and a file has a dot or a slash in its name`;
    throw new ShootdownError('usage', message);
  }
  return parseScenario(await readSmall(what, signal), what);
}

/** Several at once. Rejects with `usage` for two of one name, which nothing could tell apart in what is said of them. */
export async function openScenarios(
  whats: readonly string[],
  signal?: AbortSignal,
): Promise<readonly Scenario[]> {
  const givenAs = new Map<string, string>();
  const scenarios: Scenario[] = [];
  for (const what of whats) {
    const scenario = await openScenario(what, signal);
    const other = givenAs.get(scenario.name);
    if (other === what) throw new ShootdownError('usage', `${what} was given twice`);
    if (other !== undefined) {
      const message = `${other} and ${what} are both called ${scenario.name}: change the name in one of them`;
      throw new ShootdownError('usage', message);
    }
    givenAs.set(scenario.name, what);
    scenarios.push(scenario);
  }
  return scenarios;
}

export function shippedScenarios(): readonly Scenario[] {
  return shippedScenarioNames.flatMap((name) => shippedScenario(name) ?? []);
}

/** Looks at the size first: what is larger is none, and need not be read. */
async function readSmall(path: string, signal: AbortSignal | undefined): Promise<string> {
  let bytes: number;
  try {
    bytes = statSync(path).size;
  } catch (cause) {
    throw readError(path, cause);
  }
  if (bytes > SCENARIO_BYTES_MAX) {
    const message = `${path}: ${bytes} bytes are too many: ${SCENARIO_LIMITS}`;
    throw new ShootdownError('bad-input', message);
  }
  return readTextOrPipe(path, 'save the scenario in one', signal);
}
