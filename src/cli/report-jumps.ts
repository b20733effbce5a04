import { type Command, Option } from 'commander';
import { namesFor } from '../host/pci-ids-file.js';
import { type Machine, scan } from '../host/scan.js';
import { ShootdownError } from '../pci/error.js';
import type { JumpPath } from '../quiesce/findings.js';
import type { Policy } from '../quiesce/policy.js';
import { scenarioStory } from '../report/jump-words.js';
import { playedStory } from '../report/timeline/played.js';
import { readStories } from '../report/timeline/read.js';
import type { JumpStory } from '../report/timeline/story.js';
import type { SimEvent } from '../sim/events.js';
import { SimMachine } from '../sim/machine.js';
import { POLICY_NAMES, type PolicyName } from '../sim/policies/names.js';
import { runScenario } from '../sim/scenario/run.js';
import { type Scenario, scenarioPolicy } from '../sim/scenario/scenario.js';
import type { AuditedOptions } from './audited.js';
import type { Io } from './io.js';
import { machineText } from './machine-file.js';
import { choice, wholeNumber } from './options.js';
import { openScenario } from './scenario-files.js';
import { SEED_MAX, turn } from './sim-options.js';
import { interpretedStub } from './sim-stub.js';

export interface JumpOptions {
  readonly scenario?: string;
  readonly policies?: readonly PolicyName[];
  readonly path?: JumpPath;
  readonly seed?: number;
  readonly jump?: readonly string[];
}

interface ReadJumps {
  readonly stories: readonly JumpStory[];
  /** With a scenario: its machine, what ours goes by there, and the path that was played. */
  readonly played?: Played;
}

export interface Played {
  readonly machine: Machine;
  readonly policy: Policy;
  readonly path: JumpPath;
}

const POLICIES_MAX = 4;
const FILES_MAX = 24;
const DEFAULT_POLICIES: readonly PolicyName[] = ['none', 'ours'];

/** The options that name jumps: a scenario to play, or runs that were recorded. */
export function withJumps(command: Command): Command {
  return command
    .option('--scenario <scenario>', 'plays it and shows the jump: one of shootdown sim list, or a file')
    .addOption(
      new Option('--policies <policy...>', 'with --scenario: what is compared (default: none ours)').choices(
        POLICY_NAMES,
      ),
    )
    .addOption(choice('--path <path>', 'with --scenario: over its own', ['normal', 'crash']))
    .addOption(
      new Option(
        '--seed <number>',
        'with --scenario: draws all that is left to chance (default: 1)',
      ).argParser(wholeNumber(0, SEED_MAX)),
    )
    .option(
      '--jump <file...>',
      'jumps that were recorded: what sim run --json [--trace] printed, or verdict.json of a lab run; - for standard input',
    );
}

/** Plays or reads what the options name; no story if they name nothing. Throws `usage` for what does not go together. */
export async function jumpStories(
  options: JumpOptions & AuditedOptions,
  io: Pick<Io, 'signal' | 'status'>,
): Promise<ReadJumps> {
  const { scenario, policies = DEFAULT_POLICIES, path, seed = 1, jump } = options;
  check(options);
  if (scenario !== undefined)
    return playStories(await openScenario(scenario, io.signal), { policies, path, seed }, io);
  const stories: JumpStory[] = [];
  for (const file of jump ?? []) {
    const { name, text } = await machineText(file, io);
    stories.push(...readStories(text, name));
  }
  return { stories };
}

function check(options: JumpOptions & AuditedOptions): void {
  const { scenario, policies, path, seed, jump } = options;
  const refuse = (message: string) => {
    throw new ShootdownError('usage', message);
  };
  if (jump?.includes('-') && (options.file === '-' || options.audit === '-'))
    refuse('standard input can be the machine or the jump, not both');
  if (scenario !== undefined && jump !== undefined)
    refuse('--scenario plays a jump and --jump shows recorded ones: give one of them');
  const given = { '--policies': policies, '--path': path, '--seed': seed };
  for (const [flag, value] of Object.entries(given))
    if (value !== undefined && scenario === undefined) refuse(`${flag} is for --scenario`);
  if (policies !== undefined && policies.length > POLICIES_MAX)
    refuse(`--policies takes at most ${POLICIES_MAX}: more nobody can compare in one picture`);
  if (policies !== undefined && new Set(policies).size < policies.length)
    refuse('--policies names one of them twice');
  if (jump !== undefined && jump.length > FILES_MAX) refuse(`--jump takes at most ${FILES_MAX} files`);
  if (jump !== undefined && jump.filter((file) => file === '-').length > 1)
    refuse('--jump - was given twice: there is one standard input');
}

async function playStories(
  scenario: Scenario,
  how: {
    readonly policies: readonly PolicyName[];
    readonly path: JumpPath | undefined;
    readonly seed: number;
  },
  io: Pick<Io, 'signal'>,
): Promise<ReadJumps> {
  const { policies, path = scenario.path, seed } = how;
  const machine = await scan(new SimMachine(scenario.machine, { seed, faults: scenario.faults }).host);
  const functions = [...machine.topology.nodes.values()].map((node) => node.function);
  const names = namesFor(functions);
  const drivers = new Map([...machine.facts].map(([slot, { driver }]) => [slot, driver]));
  const stub = interpretedStub();
  const stories: JumpStory[] = [];
  for (const policy of policies) {
    await turn();
    if (io.signal.aborted) throw new ShootdownError('io', 'stopped before all was played');
    const events: SimEvent[] = [];
    const run = await runScenario(scenario, policy, {
      ...{ seed, path, stub },
      observer: (event) => events.push(event),
    });
    const { title, name } = scenario;
    const about = scenarioStory(scenario, run.result);
    const describe = (slot: (typeof functions)[number]['slot']) => {
      const fn = machine.topology.nodes.get(slot)?.function;
      const driver = drivers.get(slot);
      return { note: driver ?? (fn ? names.className(fn.classCode) : ''), above: [] };
    };
    stories.push(playedStory(run, events, { name, title, about, describe }));
  }
  return { stories, played: { machine, policy: scenarioPolicy(scenario), path } };
}
