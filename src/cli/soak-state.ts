import { existsSync, statSync } from 'node:fs';
import { writeOutput } from '../host/output-file.js';
import { ShootdownError } from '../pci/error.js';
import type { SoakSettings } from '../sim/soak/case.js';
import { newSoak, parseSoak, type SoakState } from '../sim/soak/soak.js';
import { jsonText, readText } from './options.js';

const MODE = 0o644;
/** More than a soak of years would come to. */
const JUMPS_MAX = 1e12;
/** So that all that is counted stays a whole number. */
const COUNT_MAX = Number.MAX_SAFE_INTEGER / 2;

/** The state in the file, if there is one, else a new one. Throws `bad-input` for what no soak wrote, `usage` for another's. */
export function openState(file: string | undefined, settings: SoakSettings): SoakState {
  if (file === undefined || !existsSync(file)) return newSoak(settings);
  if (!statSync(file).isFile())
    throw new ShootdownError('bad-input', `${file}: not a regular file, and --state needs one`);
  const state = parseSoak(readText(file), file);
  const problem = stateProblem(state);
  if (problem !== null)
    throw new ShootdownError('bad-input', `${file}: no soak can have left this: ${problem}`);
  const { seed, functions, policy } = settings;
  if (state.seed === seed && state.functions === functions && state.policy === policy) return state;
  const message = `${file}: of another soak (--seed ${state.seed} --functions ${state.functions} --policy ${state.policy}): give it the same, or name another file`;
  throw new ShootdownError('usage', message);
}

export function saveState(path: string, state: SoakState): void {
  writeOutput(path, Buffer.from(jsonText(state)), MODE);
}

/** What cannot be in the counts of a state, or `null`. */
function stateProblem(state: SoakState): string | null {
  const { jumps, verdicts, cases, excuses, examples, firstHarm, firstCorruption } = state;
  const { events, ticks, violations } = state;
  const sum = (counts: Readonly<Record<string, number>>) =>
    Object.values(counts).reduce((total, count) => total + count, 0);
  if (jumps.all > JUMPS_MAX) return `jumps.all is ${jumps.all}, and at most ${JUMPS_MAX} can be`;
  if (jumps.normal + jumps.crash !== jumps.all)
    return `${jumps.normal} normal and ${jumps.crash} crash jumps are not ${jumps.all}`;
  if (sum(verdicts) !== jumps.all) return `${sum(verdicts)} verdicts of ${jumps.all} jumps`;
  if (cases + jumps.chained !== jumps.all)
    return `${jumps.all} jumps on ${cases} machines, and ${jumps.chained} of them not the first`;
  for (const [what, count] of Object.entries(excuses))
    if (count > jumps.all) return `excuses.${what} is ${count}, of ${jumps.all} jumps`;
  for (const [what, jump] of Object.entries({ firstHarm, firstCorruption }))
    if (jump !== null && (jump < 1 || jump > jumps.all)) return `${what} is jump ${jump} of ${jumps.all}`;
  for (const [kind, seen] of [
    ['verdicts', verdicts],
    ['excuses', excuses],
  ] as const) {
    for (const [what, number] of Object.entries(examples[kind])) {
      const name = `examples.${kind}.${what}`;
      if (number >= cases) return `${name} is case ${number}, and only ${cases} were played`;
      if (what === 'clean' || !Object.entries(seen).some(([key, count]) => key === what && count > 0))
        return `${name} is case ${number}, and no jump showed it`;
    }
  }
  for (const [what, count] of Object.entries({ events, ticks }))
    if (count > COUNT_MAX) return `${what} is ${count}, and at most ${COUNT_MAX} can be`;
  if (violations.count > cases || violations.first.length > violations.count)
    return `${violations.count} violations, ${violations.first.length} of them told, in ${cases} cases`;
  const late = violations.first.find(({ number }) => number >= cases);
  return late ? `a violation in case ${late.number}, and only ${cases} were played` : null;
}
