import { type Command, InvalidArgumentError } from 'commander';
import { systemClock } from '../../host/clock.js';
import { ShootdownError } from '../../pci/error.js';
import type { Data } from '../../quiesce/schema-parts.js';
import type { simSoakSchema } from '../../report/schema/sim.js';
import { soakText, violationText } from '../../report/soak-text.js';
import type { SoakSettings } from '../../sim/soak/case.js';
import { type SoakState, soak } from '../../sim/soak/soak.js';
import { EXIT, type ExitStatus } from '../exit.js';
import type { Io, Run } from '../io.js';
import { choice, jsonText, wholeNumber } from '../options.js';
import { SEED_MAX, seedOption, turn } from '../sim-options.js';
import { interpretedStub } from '../sim-stub.js';
import { soakProgress } from '../soak-progress.js';
import { type CaseToReplay, replay, replayCommand } from '../soak-replay.js';
import { smallestOf } from '../soak-smallest.js';
import { openState, saveState } from '../soak-state.js';

interface SoakOptions extends SoakSettings {
  readonly jumps: number;
  readonly minutes?: number;
  readonly state?: string;
  readonly replay?: CaseToReplay;
  readonly json?: boolean;
}

const FUNCTIONS_MAX = 4096;
const CASES_MAX = 1e9;
const SAVE_EVERY_MS = 5000;

export function simSoakCommand(sim: Command, run: Run): void {
  const command = sim
    .command('soak')
    .description('jump on random machines with faults, again and again, and hold ours to what it says')
    .option('--jumps <count>', 'how many, in all', wholeNumber(1, 1e9), 10_000)
    .addOption(seedOption())
    .option('--minutes <count>', 'stop after so long, whatever is left', wholeNumber(1, 100_000))
    .option('--functions <count>', 'of a machine, about', wholeNumber(1, FUNCTIONS_MAX), 64)
    .addOption(choice('--policy <policy>', 'ours in all its places, or nothing', ['ours', 'none'], 'ours'))
    .option('--state <file>', 'where it writes down how far it is, and goes on from if it is there', fileName)
    .option(
      '--replay <case>',
      'one case again: who did harm in each jump, and the smallest machine that still shows a violation; its number (from 0) with --seed, or SEED:NUMBER',
      caseToReplay,
    )
    .option('--json', 'print one JSON object');
  command.addHelpText(
    'after',
    `
Exit status: 0 no violation, and with --policy none no harm either; 2 violations, or harm under none, which does nothing
against it; 1 failed or stopped; 64 usage.`,
  );
  command.action((options: SoakOptions) =>
    run((io) => {
      if (options.replay === undefined) return runSoak(options, io);
      return replay(options.replay, options, command.getOptionValueSource('seed') === 'cli', io);
    }),
  );
}

function fileName(text: string): string {
  if (text === '') throw new InvalidArgumentError('it must name a file.');
  return text;
}

function caseToReplay(text: string): CaseToReplay {
  const parts = text.split(':');
  if (parts.length > 2 || parts.includes(''))
    throw new InvalidArgumentError('it must be NUMBER or SEED:NUMBER, in whole numbers.');
  const [number = '', seed] = parts.reverse();
  return {
    seed: seed === undefined ? null : wholeNumber(0, SEED_MAX)(seed),
    number: wholeNumber(0, CASES_MAX)(number),
  };
}

async function runSoak(options: SoakOptions, io: Io): Promise<ExitStatus> {
  const { state: file } = options;
  let state = openState(file, options);
  const before = state.jumps.all;
  const again = (number: number) => replayCommand(options, number);
  const start = systemClock.now();
  const until = options.minutes === undefined ? Number.POSITIVE_INFINITY : start + options.minutes * 60_000;
  const say = soakProgress(io, systemClock);
  let saved = start;
  /** Why the state could not be written the last time. */
  let unsaved: ShootdownError | null = null;
  const save = () => {
    if (file === undefined) return;
    try {
      saveState(file, state);
      unsaved = null;
    } catch (error) {
      if (!(error instanceof ShootdownError)) throw error;
      if (unsaved === null) io.err(`shootdown: ${error.message}; it goes on\n`);
      unsaved = error;
    }
  };
  const done = () => state.jumps.all >= options.jumps || systemClock.now() >= until || io.signal.aborted;
  if (!done()) {
    // Before hours of work, not after.
    if (file !== undefined) saveState(file, state);
    for await (const next of soak(state, interpretedStub(), io.signal)) {
      state = next.state;
      if (next.violation) io.err(`${violationText(next.violation, again(next.violation.number))}\n`);
      say(`${state.jumps.all}/${options.jumps} jumps, ${state.violations.count} violations`);
      const now = systemClock.now();
      if (now - saved >= SAVE_EVERY_MS) {
        saved = now;
        save();
      }
      await turn();
      if (done()) break;
    }
    save();
  }
  const seconds = (systemClock.now() - start) / 1000;
  const [first] = state.violations.first;
  const smallest =
    first && !io.signal.aborted
      ? await smallestOf(first.number, options, { stub: interpretedStub() }, io, again(first.number))
      : null;
  const jumpsInThisRun = state.jumps.all - before;
  const told = { ...state, seconds: Math.round(seconds), jumpsInThisRun, smallest };
  if (options.json) io.out(jsonText(told satisfies Data<typeof simSoakSchema>));
  else io.out(soakText(state, { seconds, jumpsInThisRun, smallest, again }, io.style));
  if (unsaved !== null) throw unsaved;
  if (io.signal.aborted) {
    const how = file === undefined ? 'with --state FILE it could go on' : 'the same command goes on';
    io.err(`shootdown: stopped after ${state.jumps.all} of ${options.jumps} jumps; ${how}\n`);
    return EXIT.failed;
  }
  return hasFindings(state) ? EXIT.findings : EXIT.clean;
}

/** Under none, harm is what it is there to find. */
function hasFindings({ policy, violations, firstHarm }: SoakState): boolean {
  return violations.count > 0 || (policy === 'none' && firstHarm !== null);
}
