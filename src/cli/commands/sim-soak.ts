import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { systemClock } from '../../host/clock.js';
import { ShootdownError } from '../../pci/error.js';
import { smallestText, soakText, violationText } from '../../report/soak-text.js';
import { drawCase, type SoakSettings } from '../../sim/soak/case.js';
import { playCase } from '../../sim/soak/play.js';
import { newSoak, parseSoak, type SoakState, type SoakViolation, soak } from '../../sim/soak/soak.js';
import { EXIT, type ExitStatus } from '../exit.js';
import type { Io, Run } from '../io.js';
import { choice, jsonText, readText } from '../options.js';
import { writeOutput } from '../output-file.js';
import { seedOption, turn, wholeNumber } from '../sim-options.js';
import { interpretedStub } from '../sim-stub.js';
import { smallestOf } from '../soak-smallest.js';

interface SoakOptions extends SoakSettings {
  readonly jumps: number;
  readonly minutes?: number;
  readonly state?: string;
  readonly replay?: number;
  readonly json?: boolean;
}

const FUNCTIONS_MAX = 4096;
const SAVE_EVERY_MS = 5000;
const SAY_EVERY_MS = 500;
const MODE = 0o644;

export function simSoakCommand(sim: Command, run: Run): void {
  sim
    .command('soak')
    .description('jump on random machines with faults, again and again, and hold ours to what it says')
    .option('--jumps <count>', 'how many, in all', wholeNumber(1, 1e9), 10_000)
    .addOption(seedOption())
    .option('--minutes <count>', 'stop after so long, whatever is left', wholeNumber(1, 100_000))
    .option('--functions <count>', 'of a machine, about', wholeNumber(1, FUNCTIONS_MAX), 64)
    .addOption(choice('--policy <policy>', 'ours in all its places, or nothing', ['ours', 'none'], 'ours'))
    .option('--state <file>', 'where it writes down how far it is, and goes on from if it is there')
    .option(
      '--replay <number>',
      'one case again, by its number, and the smallest machine that still shows what is wrong',
      wholeNumber(0, 1e9),
    )
    .option('--json', 'print one JSON object')
    .action((options: SoakOptions) => run((io) => runSoak(options, io)));
}

async function runSoak(options: SoakOptions, io: Io): Promise<ExitStatus> {
  if (options.replay !== undefined) return replay(options.replay, options, io);
  let state = openState(options);
  const start = systemClock.now();
  const until = options.minutes === undefined ? Number.POSITIVE_INFINITY : start + options.minutes * 60_000;
  let [saved, said] = [start, start];
  const done = () => state.jumps.all >= options.jumps || systemClock.now() >= until || io.signal.aborted;
  if (!done()) {
    for await (const next of soak(state, interpretedStub())) {
      state = next.state;
      if (next.violation) io.err(`${violationText(next.violation, commandOf(options, next.violation))}\n`);
      const now = systemClock.now();
      if (now - said >= SAY_EVERY_MS) {
        said = now;
        io.status(`${state.jumps.all}/${options.jumps} jumps, ${state.violations.count} violations`);
      }
      if (options.state !== undefined && now - saved >= SAVE_EVERY_MS) {
        saved = now;
        saveState(options.state, state);
      }
      await turn();
      if (done()) break;
    }
  }
  if (options.state !== undefined) saveState(options.state, state);
  const seconds = (systemClock.now() - start) / 1000;
  const [first] = state.violations.first;
  const again = first ? commandOf(options, first) : null;
  const smallest =
    first && again && !io.signal.aborted
      ? await smallestOf(first.number, options, { stub: interpretedStub() }, io, again)
      : null;
  if (options.json) io.out(jsonText({ ...state, seconds: Math.round(seconds), smallest }));
  else io.out(soakText(state, { seconds, smallest, again }, io.style));
  if (io.signal.aborted) {
    const how = options.state === undefined ? 'with --state FILE it could go on' : 'the same command goes on';
    io.err(`shootdown: stopped after ${state.jumps.all} of ${options.jumps} jumps; ${how}\n`);
    return EXIT.failed;
  }
  return hasFindings(state) ? EXIT.findings : EXIT.clean;
}

/** Under none, harm is what it is there to find. */
function hasFindings({ policy, violations, firstHarm }: SoakState): boolean {
  return violations.count > 0 || (policy === 'none' && firstHarm !== null);
}

function openState(options: SoakOptions): SoakState {
  const { state: file, seed, functions, policy } = options;
  if (file === undefined || !existsSync(file)) return newSoak(options);
  const state = parseSoak(readText(file), file);
  if (state.seed === seed && state.functions === functions && state.policy === policy) return state;
  const message = `${file}: of another soak (--seed ${state.seed} --functions ${state.functions} --policy ${state.policy}): give it the same, or name another file`;
  throw new ShootdownError('usage', message);
}

function saveState(path: string, state: SoakState): void {
  writeOutput(path, Buffer.from(jsonText(state)), MODE);
}

/** The command that plays a case again. */
function commandOf(
  { seed, functions, policy }: SoakSettings,
  { number }: Pick<SoakViolation, 'number'>,
): string {
  return `shootdown sim soak --seed ${seed} --functions ${functions} --policy ${policy} --replay ${number}`;
}

async function replay(number: number, options: SoakOptions, io: Io): Promise<ExitStatus> {
  const drawn = drawCase(options, number);
  const { jumps } = await playCase(drawn, { stub: interpretedStub() });
  const jump = jumps.findIndex(({ violations }) => violations.length > 0);
  const violation = jump < 0 ? null : { number, jump, what: [...(jumps[jump]?.violations ?? [])] };
  const again = commandOf(options, { number });
  const smallest =
    violation === null ? null : await smallestOf(number, options, { stub: interpretedStub() }, io, again);
  if (options.json) {
    io.out(jsonText({ schema: 'shootdown.sim-replay/1', number, case: drawn, jumps, violation, smallest }));
  } else {
    const verdicts = jumps.map(({ path, verdict }) => `${path}: ${verdict}`).join(', ');
    io.out(`Case ${number}, ${drawn.machine.functions.length} functions: ${verdicts}\n`);
    if (violation) io.out(`${violationText(violation, again)}\n`);
    if (smallest) io.out(`${smallestText(smallest, io.style)}\n`);
  }
  return violation === null ? EXIT.clean : EXIT.findings;
}
