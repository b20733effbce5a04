import { statSync } from 'node:fs';
import { ShootdownError } from '../pci/error.js';
import {
  parseScenario,
  SCENARIO_BYTES_MAX,
  type Scenario,
  shippedScenarioNames,
  shippedScenarioText,
} from '../sim/scenario/scenario.js';
import { readText } from './options.js';
import { readError } from './read-error.js';

/** The scenario of that name, or the one in that file. Throws `usage` for neither, `bad-input` for a bad file. */
export function openScenario(what: string): Scenario {
  const shipped = shippedScenarioText(what);
  if (shipped !== undefined) return parseScenario(shipped, `scenarios/${what}.json`);
  if (!/[./]/.test(what)) {
    const message = `no scenario is called ${what}: shootdown sim list names them, and a file has a dot or a slash in its name`;
    throw new ShootdownError('usage', message);
  }
  return parseScenario(readSmall(what), what);
}

export function shippedScenarios(): readonly Scenario[] {
  return shippedScenarioNames.map(openScenario);
}

/** Looks at the size first: what is larger is none, and need not be read. */
function readSmall(path: string): string {
  let bytes: number;
  try {
    bytes = statSync(path).size;
  } catch (cause) {
    throw readError(path, cause);
  }
  if (bytes > SCENARIO_BYTES_MAX) {
    const message = `${path}: ${bytes} bytes, and a scenario has at most ${SCENARIO_BYTES_MAX}`;
    throw new ShootdownError('bad-input', message);
  }
  return readText(path);
}
