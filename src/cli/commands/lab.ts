import type { Command } from 'commander';
import { chosenParts, prepare } from '../../lab/prepare.js';
import { runScenario } from '../../lab/run.js';
import {
  KEXEC_LOADS,
  type KexecLoad,
  LAB_POLICIES,
  type LabPolicy,
  WRAP_FOR,
  type WrapFor,
} from '../../lab/scenario.js';
import { SCENARIOS, scenarioNamed } from '../../lab/scenarios.js';
import type { labListSchema, labPrepareSchema } from '../../lab/schema.js';
import type { Data } from '../../quiesce/schema-parts.js';
import { EXIT, type ExitStatus } from '../exit.js';
import type { Io } from '../io.js';
import {
  accelOption,
  type LabOptions,
  labFolder,
  newRunFolder,
  openStore,
  runSurroundings,
} from '../lab-options.js';
import { verdictText } from '../lab-text.js';
import { choice, jsonText } from '../options.js';
import { chainCommand } from './lab-chain.js';
import { matrixCommand } from './lab-matrix.js';

interface PrepareOptions extends LabOptions {
  readonly kernel?: readonly string[];
  readonly json?: boolean;
}

interface RunCommandOptions extends LabOptions {
  readonly kernel?: string;
  readonly policy: LabPolicy;
  readonly load: KexecLoad;
  readonly for: WrapFor;
  readonly json?: boolean;
}

type Run = (action: (io: Io) => Promise<ExitStatus>) => Promise<void>;

export function labCommand(program: Command, run: Run): void {
  const lab = program
    .command('lab')
    .description('jump from kernel to kernel in QEMU guests, and see what hits the next one');
  lab
    .command('prepare')
    .description('get Debian kernels and tools for guests, without installing anything')
    .option('--kernel <series...>', 'only these, as in 6.1 6.12-rt 6.1-cloud (default: 6.1 and 6.12)')
    .option('--offline', 'use only what was prepared before')
    .option('--json', 'print one JSON object')
    .action((options: PrepareOptions) => run((io) => runPrepare(options, io)));
  lab
    .command('list')
    .description('name the scenarios')
    .option('--json', 'print one JSON object')
    .action((options: { readonly json?: boolean }) => run(async (io) => list(options, io)));
  lab
    .command('run')
    .description('run one scenario in a guest and judge it from outside')
    .argument('<scenario>', 'one of: shootdown lab list')
    .option('--kernel <series>', 'as in 6.1 or 6.12-rt (default: the newest generic one that is prepared)')
    .addOption(
      choice(
        '--policy <policy>',
        'what is done: nothing; ours (apply before a normal jump, a wrapped kernel for a crash); or between (a wrapped kernel for either)',
        LAB_POLICIES,
        'none',
      ),
    )
    .addOption(choice('--for <machine>', 'what a kernel is wrapped for', WRAP_FOR, 'any'))
    .addOption(choice('--load <call>', 'by kexec_file_load, or by kexec_load', KEXEC_LOADS, 'file'))
    .option('--offline', 'use only what was prepared before')
    .option('--keep', 'remove no older runs')
    .addOption(accelOption())
    .option('--json', 'print one JSON object')
    .action((name: string, options: RunCommandOptions) => run((io) => runOne(name, options, io)));
  matrixCommand(lab, run);
  chainCommand(lab, run);
}

async function runPrepare(options: PrepareOptions, io: Io): Promise<ExitStatus> {
  const store = openStore(options, io);
  const kernels = await prepare(store, options.kernel);
  if (options.json) {
    const told = { schema: 'shootdown.lab-prepare/1', folder: labFolder(io.env), kernels } as const;
    io.out(jsonText(told satisfies Data<typeof labPrepareSchema>));
    return EXIT.clean;
  }
  for (const { series, release, version } of kernels)
    io.out(`${series}: ${release} (Debian ${version}) is ready\n`);
  if (options.kernel === undefined) {
    for (const series of ['6.1', '6.12'].filter((one) => !kernels.some((kernel) => kernel.series === one))) {
      io.err(`apt has no kernel ${series} here: its scenarios cannot be run\n`);
    }
  }
  io.out(`${labFolder(io.env)}\n`);
  return EXIT.clean;
}

function list({ json }: { readonly json?: boolean }, io: Io): ExitStatus {
  if (json) {
    const scenarios = SCENARIOS.map(({ name, title, hazards, jump }) => ({ name, title, hazards, jump }));
    io.out(jsonText({ schema: 'shootdown.lab-list/1', scenarios } satisfies Data<typeof labListSchema>));
    return EXIT.clean;
  }
  const width = Math.max(...SCENARIOS.map(({ name }) => name.length));
  for (const { name, title } of SCENARIOS) io.out(`${name.padEnd(width)}  ${title}\n`);
  return EXIT.clean;
}

async function runOne(name: string, options: RunCommandOptions, io: Io): Promise<ExitStatus> {
  const scenario = scenarioNamed(name);
  const store = openStore(options, io);
  await store.sweep();
  const parts = await chosenParts(store, options.kernel);
  const folder = newRunFolder(
    store,
    `${name}-${parts.kernel.series}-${options.policy}`,
    options.keep ?? false,
  );
  let verdict: Awaited<ReturnType<typeof runScenario>>;
  try {
    verdict = await runScenario(scenario, {
      ...runSurroundings(io),
      policy: options.policy,
      load: options.load,
      wrapFor: options.for,
      parts,
      folder,
      accel: options.accel ?? 'tcg',
      step: (what) => io.status(`${name}, Linux ${parts.kernel.release}: ${what}`),
    });
  } catch (error) {
    io.err(`run: ${folder.path}\n`);
    throw error;
  }
  io.out(options.json ? jsonText(verdict) : verdictText(verdict, io.style));
  return verdict.outcome === 'clean' ? EXIT.clean : EXIT.findings;
}
