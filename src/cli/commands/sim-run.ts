import type { Command } from 'commander';
import { scan } from '../../host/scan.js';
import { ShootdownError } from '../../pci/error.js';
import { type Decider, decider } from '../../quiesce/decide.js';
import type { Place } from '../../quiesce/policy.js';
import type { Data } from '../../quiesce/schema-parts.js';
import { eventJson, eventText, jumpData } from '../../report/jump-json.js';
import { pagesText } from '../../report/jump-pages.js';
import { milliseconds, recordText, timelineText, whatBroke } from '../../report/jump-text.js';
import { scenarioStory, verdictRemark } from '../../report/jump-words.js';
import type { simRunSchema } from '../../report/schema/sim.js';
import { shellWord } from '../../report/shell-word.js';
import { coloredVerdict, paragraph, type Style, styledLine, table } from '../../report/table.js';
import { judgeOurs } from '../../sim/checkers/violations.js';
import type { SimEvent } from '../../sim/events.js';
import { SimMachine } from '../../sim/machine.js';
import { jumpPolicy, OURS } from '../../sim/policies/index.js';
import type { PolicyName } from '../../sim/policies/names.js';
import { recordGaps, whyNoRecord } from '../../sim/policies/record-gaps.js';
import { runScenario, type ScenarioRun } from '../../sim/scenario/run.js';
import { type Scenario, scenarioPolicy } from '../../sim/scenario/scenario.js';
import { EXIT, type ExitStatus } from '../exit.js';
import type { Io, Run } from '../io.js';
import { choice, jsonText } from '../options.js';
import { openScenario, shippedScenarios } from '../scenario-files.js';
import { policyOption, seedOption, turn, unlessStopped } from '../sim-options.js';
import { interpretedStub } from '../sim-stub.js';
import { type LikeCommandOptions, runLike, withLike } from './sim-like.js';

type RunData = Data<typeof simRunSchema>;

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
    .option('--trace', 'everything that happened, one line each; with all only in --json')
    .option('--json', 'print one JSON object');
  command.addHelpText(
    'after',
    `
Exit status: 0 if all is as the scenario expects it, which under none is harm, or, where it expects nothing, if it is
clean, and with --like if the jump with ours is; 2 if not, or if what ours says of itself is not so; 1 failed;
64 usage.`,
  );
  withLike(command).action((scenario: string | undefined, options: RunCommandOptions) =>
    run((io) => runCommand(scenario, options, io)),
  );
}

async function runCommand(what: string | undefined, options: RunCommandOptions, io: Io): Promise<ExitStatus> {
  checkOptions(what, options);
  if (options.like !== undefined) return runLike(options.like, options, io);
  const scenarios = what === 'all' ? shippedScenarios() : [await openScenario(what ?? '', io.signal)];
  const stub = interpretedStub();
  const runs: JudgedRun[] = [];
  const traces: (readonly SimEvent[])[] = [];
  for (const scenario of scenarios) {
    const events: SimEvent[] = [];
    const run = await unlessStopped(io.signal, async () => {
      await turn();
      io.signal.throwIfAborted();
      return runScenario(scenario, options.policy ?? 'none', {
        ...{ seed: options.seed, stub, signal: io.signal },
        ...(options.path === undefined ? {} : { path: options.path }),
        ...(options.trace ? { observer: (event: SimEvent) => events.push(event) } : {}),
      });
    });
    if (run === null) {
      io.err(`shootdown: stopped after ${runs.length} of ${scenarios.length} scenarios\n`);
      return EXIT.failed;
    }
    const played = judged(run);
    runs.push(played);
    traces.push(events);
    if (options.json) continue;
    if (what === 'all') io.out(lineOf(played, io.style));
    else {
      const decide = run.records.length > 0 ? await deciderOf(run) : null;
      io.out(runText(played, decide, events, what ?? '', options, io));
    }
  }
  if (options.json) {
    const told = runs.map((played, at) => runJson(played, options.trace ? (traces[at] ?? []) : null));
    io.out(jsonText({ schema: 'shootdown.sim-run/1', runs: told } satisfies RunData));
  }
  return runs.every(isGood) ? EXIT.clean : EXIT.findings;
}

/** Throws `usage` for what does not go together, rather than leave it aside. */
function checkOptions(what: string | undefined, options: RunCommandOptions): void {
  const { like, policy, path, trace, json, platform, captureDrivers, policyFile } = options;
  const refuse = (message: string) => {
    throw new ShootdownError('usage', message);
  };
  if (like !== undefined) {
    if (what !== undefined)
      refuse(`there is a scenario, ${what}, and --like, which is instead of one: give one of them`);
    if (path === 'normal' || trace || policy !== undefined)
      refuse('--like plays a crash with and without ours: it takes no --policy, --path normal or --trace');
    return;
  }
  if (what === undefined) refuse('say which scenario to play (shootdown sim list), or --like and a machine');
  const given = { '--platform': platform, '--capture-drivers': captureDrivers, '--policy-file': policyFile };
  for (const [flag, value] of Object.entries(given))
    if (value !== undefined) refuse(`${flag} is for --like: a scenario says that itself`);
  if (what === 'all' && trace && !json)
    refuse('--trace is for one scenario: with all it needs --json, which then has every trace');
}

interface JudgedRun extends ScenarioRun {
  readonly heldAgainstOurs: readonly string[];
  /** Of what ours said of itself. */
  readonly gaps: readonly string[];
}

function judged(played: ScenarioRun): JudgedRun {
  return {
    ...played,
    // What ours said and was not so, or did not prevent and had said it would.
    heldAgainstOurs: OURS.has(played.policy) ? judgeOurs(played).violations : [],
    gaps: recordGaps(played),
  };
}

/** As the scenario expects it, or, where it expects nothing, clean; and nothing that is held against ours. */
function isGood({ expected, unmet, result, heldAgainstOurs, gaps }: JudgedRun): boolean {
  const asExpected = expected === null ? result.verdict === 'clean' && gaps.length === 0 : unmet.length === 0;
  return heldAgainstOurs.length === 0 && asExpected;
}

/** The verdict, and beside it what to think of it. */
function verdictText({ result, expected, unmet, heldAgainstOurs, gaps }: JudgedRun, style: Style): string {
  const verdict = `${coloredVerdict(result.verdict, style)}${verdictRemark(gaps)}`;
  if (expected === null) return `${verdict} (nothing is expected)`;
  if (unmet.length > 0) return `${verdict} (NOT AS EXPECTED: ${expected.verdict})`;
  return `${verdict} (${heldAgainstOurs.length > 0 ? 'as expected, but HELD AGAINST OURS' : 'as expected'})`;
}

function lineOf(played: JudgedRun, style: Style): string {
  return `${styledLine(`${played.scenario.name}, ${played.policy}: ${verdictText(played, style)}`, style)}\n`;
}

function runText(
  played: JudgedRun,
  decide: ((place: Place) => Decider) | null,
  events: readonly SimEvent[],
  given: string,
  options: RunCommandOptions,
  io: Io,
): string {
  const { scenario, policy, result, expected, unmet, records, seed } = played;
  const { style } = io;
  const say = (text: string) => paragraph(text, 0, style);
  const hazards = scenario.hazards.length > 0 ? ` (${scenario.hazards.join(', ')})` : '';
  const head = `${style.bold(scenario.name)}${hazards}, ${result.path} path, policy ${policy}`;
  const parts = [
    styledLine(`${head}: ${verdictText(played, style)}`, style),
    say(scenarioStory(scenario, result)),
    say(`Policy ${policy}: ${jumpPolicy(policy).title}.`),
    say(whatBroke(result)),
  ];
  if (expected?.why) parts.push(say(expected.why));
  if (decide)
    for (const record of records) parts.push(recordText(record, result, decide(record.place), style));
  const noRecord = whyNoRecord(played);
  if (noRecord !== null) parts.push(say(noRecord));
  for (const what of played.heldAgainstOurs) parts.push(say(`HELD AGAINST OURS: ${what}`));
  for (const what of unmet) parts.push(say(`NOT AS EXPECTED: ${what}`));
  const pages = pagesText(result, style);
  if (pages !== null) parts.push('', pages);
  parts.push('', options.trace ? traceText(events, played, style) : timelineText(result, style), '');
  const again = [`shootdown sim run ${shellWord(given)}`, `--policy ${policy}`, `--seed ${seed}`];
  if (options.path !== undefined) again.push(`--path ${options.path}`);
  parts.push(style.dim(paragraph(`Again: ${again.join(' ')}`, 0, style)));
  return `${parts.join('\n')}\n`;
}

/** What the policy says of a function of this scenario's machine in a place. */
async function deciderOf({ scenario, seed }: ScenarioRun): Promise<(place: Place) => Decider> {
  const { host } = new SimMachine(scenario.machine, { seed, faults: scenario.faults });
  const machine = await scan(host);
  return (place) => decider(scenarioPolicy(scenario), machine, place);
}

function traceText(events: readonly SimEvent[], { result }: ScenarioRun, style: Style): string {
  const rows = traceOf(events, result).map((event) => [
    milliseconds(event.tick, result),
    'slot' in event ? event.slot : '',
    event.kind,
    eventText(event),
  ]);
  const columns = [{ title: 'ms' }, { title: 'function' }, { title: 'event' }];
  return table([...columns, { title: '', flexible: 'wrap' }], rows, style);
}

/** What belongs to the jump: neither what was before it nor the boot after a reboot. */
function traceOf(
  events: readonly SimEvent[],
  { startTick, endTick }: ScenarioRun['result'],
): readonly SimEvent[] {
  return events.filter(({ tick }) => tick >= startTick && tick <= endTick);
}

function runJson(played: JudgedRun, events: readonly SimEvent[] | null): RunData['runs'][number] {
  const { scenario, policy, seed, expected, unmet, result } = played;
  const trace = events && traceOf(events, result);
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
    recordGaps: played.gaps,
    ...jumpData(played),
    ...(trace ? { trace: trace.map((event) => eventJson(event, result)) } : {}),
  };
}
