import type { Command } from 'commander';
import { ShootdownError } from '../../pci/error.js';
import { eventJson, eventText, jumpJson } from '../../report/jump-json.js';
import { milliseconds, timelineText, whatBroke } from '../../report/jump-text.js';
import { paragraph, type Style, table } from '../../report/table.js';
import { judgeOurs } from '../../sim/checkers/violations.js';
import type { SimEvent } from '../../sim/events.js';
import { jumpPolicy, OURS } from '../../sim/policies/index.js';
import type { PolicyName } from '../../sim/policies/names.js';
import { runScenario, type ScenarioRun } from '../../sim/scenario/run.js';
import type { Scenario } from '../../sim/scenario/scenario.js';
import { EXIT, type ExitStatus } from '../exit.js';
import type { Io, Run } from '../io.js';
import { choice, jsonText } from '../options.js';
import { openScenario, shippedScenarios } from '../scenario-files.js';
import { policyOption, seedOption, turn } from '../sim-options.js';
import { interpretedStub } from '../sim-stub.js';
import { type LikeCommandOptions, runLike, withLike } from './sim-like.js';

interface RunCommandOptions extends LikeCommandOptions {
  readonly policy?: PolicyName;
  readonly path?: Scenario['path'];
  readonly trace?: boolean;
}

export function simRunCommand(sim: Command, run: Run): void {
  const command = sim
    .command('run')
    .description('play a scenario and say what hit the next kernel, and why')
    .argument('[scenario]', 'one of: shootdown sim list; a file of one’s own; or all')
    .addOption(policyOption())
    .addOption(choice('--path <path>', 'over the scenario’s own', ['normal', 'crash']))
    .addOption(seedOption())
    .option('--trace', 'everything that happened, one line each')
    .option('--json', 'print one JSON object');
  withLike(command).action((scenario: string | undefined, options: RunCommandOptions) =>
    run((io) => runCommand(scenario, options, io)),
  );
}

async function runCommand(what: string | undefined, options: RunCommandOptions, io: Io): Promise<ExitStatus> {
  const { like } = options;
  if ((what === undefined) === (like === undefined)) {
    const message = 'say which scenario to play (shootdown sim list), or --like and a machine';
    throw new ShootdownError('usage', message);
  }
  if (like !== undefined) {
    if (options.path === 'normal' || options.trace || options.policy !== undefined) {
      const message =
        '--like plays a crash with and without ours: it takes no --policy, --path normal or --trace';
      throw new ShootdownError('usage', message);
    }
    return runLike(like, options, io);
  }
  const scenarios = what === 'all' ? shippedScenarios() : [openScenario(what ?? '')];
  const stub = interpretedStub();
  const runs: JudgedRun[] = [];
  const traces: (readonly SimEvent[])[] = [];
  for (const scenario of scenarios) {
    await turn();
    if (io.signal.aborted) {
      io.err(`shootdown: stopped after ${runs.length} of ${scenarios.length} scenarios\n`);
      return EXIT.failed;
    }
    const events: SimEvent[] = [];
    const run = await runScenario(scenario, options.policy ?? 'none', {
      ...{ seed: options.seed, stub },
      ...(options.path === undefined ? {} : { path: options.path }),
      ...(options.trace ? { observer: (event: SimEvent) => events.push(event) } : {}),
    });
    const played: JudgedRun = { ...run, heldAgainstOurs: heldAgainst(run) };
    runs.push(played);
    traces.push(events);
    if (!options.json)
      io.out(what === 'all' ? lineOf(played, io.style) : runText(played, events, what ?? '', options, io));
  }
  if (options.json) {
    const told = runs.map((played, at) => runJson(played, options.trace ? (traces[at] ?? []) : null));
    io.out(jsonText({ schema: 'shootdown.sim-run/1', runs: told }));
  }
  return runs.every(isGood) ? EXIT.clean : EXIT.findings;
}

interface JudgedRun extends ScenarioRun {
  readonly heldAgainstOurs: readonly string[];
}

/** As the scenario expects it, or, where it expects nothing, clean; and nothing that is held against ours. */
function isGood({ expected, unmet, result, heldAgainstOurs }: JudgedRun): boolean {
  const asExpected = expected === null ? result.verdict === 'clean' : unmet.length === 0;
  return heldAgainstOurs.length === 0 && asExpected;
}

/** What ours said and was not so, or did not prevent and had said it would. */
function heldAgainst(played: ScenarioRun): readonly string[] {
  return OURS.has(played.policy) ? judgeOurs(played).violations : [];
}

function lineOf(played: JudgedRun, style: Style): string {
  const { scenario, policy, result, expected } = played;
  const as = expected === null ? 'nothing is expected' : isGood(played) ? 'as expected' : 'NOT AS EXPECTED';
  const verdict = colored(result.verdict, style);
  return `${scenario.name}, ${policy}: ${verdict} (${as})\n`;
}

function runText(
  played: JudgedRun,
  events: readonly SimEvent[],
  given: string,
  options: RunCommandOptions,
  io: Io,
): string {
  const { scenario, policy, result, expected, unmet, records, seed } = played;
  const { style } = io;
  const say = (text: string) => paragraph(text, 0, style);
  const hazards = scenario.hazards.length > 0 ? ` (${scenario.hazards.join(', ')})` : '';
  const parts = [
    `${style.bold(scenario.name)}${hazards}, ${result.path} path, policy ${policy}: ${colored(result.verdict, style)}`,
    say(scenario.story),
    say(`Policy ${policy}: ${jumpPolicy(policy).title}.`),
    say(whatBroke(result)),
  ];
  if (expected?.why) parts.push(say(expected.why));
  for (const { place, end, functions, tick } of records) {
    const gated = functions.filter(({ verdict }) => verdict === 'gated' || verdict === 'stopped').length;
    const live = functions.filter(({ verdict }) => verdict === 'live').length;
    parts.push(
      say(
        `Ours ${place}, ${end} at ${milliseconds(tick, result)} ms: ${functions.length} functions told of, ${gated} gated, ${live} left live.`,
      ),
    );
  }
  for (const what of played.heldAgainstOurs) parts.push(say(`HELD AGAINST OURS: ${what}`));
  for (const what of unmet) parts.push(say(`NOT AS EXPECTED: ${what}`));
  parts.push('', options.trace ? traceText(events, played, style) : timelineText(result, style), '');
  const again = [`shootdown sim run ${given}`, `--policy ${policy}`, `--seed ${seed}`];
  if (options.path !== undefined) again.push(`--path ${options.path}`);
  parts.push(style.dim(`Again: ${again.join(' ')}`));
  return `${parts.join('\n')}\n`;
}

function traceText(events: readonly SimEvent[], { result }: ScenarioRun, style: Style): string {
  const rows = events
    .filter(({ tick }) => tick >= result.startTick)
    .map((event) => [
      milliseconds(event.tick, result),
      'slot' in event ? event.slot : '',
      event.kind,
      eventText(event),
    ]);
  const columns = [{ title: 'ms' }, { title: 'function' }, { title: 'event' }];
  return table([...columns, { title: '', flexible: 'wrap' }], rows, style);
}

function runJson(played: JudgedRun, events: readonly SimEvent[] | null): object {
  const { scenario, policy, seed, expected, unmet, result } = played;
  const trace = events?.filter(({ tick }) => tick >= result.startTick);
  return {
    scenario: scenario.name,
    title: scenario.title,
    hazards: scenario.hazards,
    policy,
    seed,
    expected,
    asExpected: expected === null ? null : unmet.length === 0,
    unmet,
    heldAgainstOurs: played.heldAgainstOurs,
    ...jumpJson(played),
    ...(trace ? { trace: trace.map((event) => eventJson(event, result)) } : {}),
  };
}

function colored(verdict: string, style: Style): string {
  return verdict === 'clean' ? style.green(verdict) : style.red(verdict);
}
