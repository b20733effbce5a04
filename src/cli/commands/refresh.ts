import { type Command, InvalidArgumentError, Option } from 'commander';
import { ShootdownError } from '../../pci/error.js';
import type { Data } from '../../quiesce/schema-parts.js';
import { isVisible } from '../../system/change-plan.js';
import type { Surroundings } from '../../system/install.js';
import { isVersion } from '../../system/installed-kernels.js';
import { policyOf } from '../../system/installed-policy.js';
import { reloadIfBehind } from '../../system/kdump.js';
import { type Refreshed, refreshKernels, removeKernels } from '../../system/kernels.js';
import { readInstall } from '../../system/state.js';
import type { System } from '../../system/system.js';
import { type UpdatedParts, updateParts } from '../../system/update.js';
import { EXIT, type ExitStatus } from '../exit.js';
import type { Io, Run } from '../io.js';
import { jsonText } from '../options.js';
import { alone, surroundings } from '../system-around.js';
import type { refreshSchema } from '../system-schema.js';
import { commandJson, kernelsText, performedLines, sayRuns, stepJson, stepsText } from '../system-text.js';

interface RefreshCommandOptions {
  readonly kernel?: string;
  readonly remove?: string;
  readonly boot?: boolean;
  readonly parts?: boolean;
  readonly reload?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

export function refreshCommand(program: Command, run: Run): void {
  program
    .command('refresh')
    .description('bring the wrapped kernels up to date with those in /boot, this machine and the policy')
    .addOption(new Option('--kernel <version>', 'only this one, as in uname -r').argParser(parseVersion))
    .addOption(
      new Option('--remove <version>', 'remove what was made for this one')
        .argParser(parseVersion)
        .conflicts('kernel'),
    )
    .addOption(
      new Option(
        '--boot',
        'before drivers are there: what was wrapped for other functions of this machine is up to date',
      ).conflicts('remove'),
    )
    .addOption(
      new Option(
        '--parts',
        'first bring what install put in place up to this version; what somebody changed since is left',
      ).conflicts(['kernel', 'remove', 'boot']),
    )
    .option('--reload', 'have kdump-tools load anew what is newer than what waits for a crash')
    .option('--quiet', 'say only what failed')
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      '\nRun at boot and by the hooks of kernel packages, once kdump or kexec is installed. A kernel that cannot be\n' +
        'wrapped keeps the wrapped one it had if that still fits it and the policy; else the plain one is loaded.\n' +
        'Exit status: 0 all are up to date; 1 some could not be wrapped, and nothing was changed; 3 some could not,\n' +
        'and others were changed, or what is loaded for a crash is not what it should be.',
    )
    .action((options: RefreshCommandOptions) => run((io) => runRefresh(options, io)));
}

function parseVersion(value: string): string {
  if (isVersion(value)) return value;
  throw new InvalidArgumentError('it must be a version as in uname -r.');
}

async function runRefresh(options: RefreshCommandOptions, io: Io): Promise<ExitStatus> {
  const around = surroundings(io, {});
  if (!around.isRoot)
    throw new ShootdownError('no-permission', 'refresh writes to /var/lib/shootdown: run it as root (sudo)');
  const result = await alone(around.system, io.signal, async () => {
    const parts = options.parts ? await updateParts(around, sayRuns(around.system, io)) : undefined;
    const kernels = await refresh(around, options);
    const reloaded = options.reload && around.system.live ? await reloadIfBehind(around.system) : undefined;
    return { parts, kernels, reloaded };
  });
  if (options.json) io.out(jsonText(refreshJson(result)));
  else if (!options.quiet) io.out(refreshText(result, around.system, io));
  const { parts, kernels, reloaded } = result;
  const failed = kernels.filter(({ status }) => status === 'failed');
  if (options.quiet || options.json)
    for (const { version, message } of failed) io.err(`shootdown: ${version}: ${message ?? ''}\n`);
  const problems = [...(parts?.problems ?? []), ...(reloaded?.problems ?? [])];
  for (const problem of problems) io.err(`shootdown: ${problem}\n`);
  if (problems.length > 0) return EXIT.failedAfterWriting;
  if (failed.length === 0) return EXIT.clean;
  const changed = kernels.some(({ status }) => status === 'wrapped' || status === 'removed');
  return changed ? EXIT.failedAfterWriting : EXIT.failed;
}

interface Result {
  readonly parts: UpdatedParts | undefined;
  readonly kernels: readonly Refreshed[];
  readonly reloaded: Awaited<ReturnType<typeof reloadIfBehind>>;
}

/** Schema `shootdown.refresh/1`. */
function refreshJson({ parts, kernels, reloaded }: Result): Data<typeof refreshSchema> {
  const { steps = [], notes = [], toRun = [], problems = [] } = parts ?? {};
  return {
    schema: 'shootdown.refresh/1',
    steps: steps.filter(isVisible).map(stepJson),
    kernels,
    notes,
    toRun: toRun.map(commandJson),
    loaded: reloaded?.loaded ?? null,
    problems: [...problems, ...(reloaded?.problems ?? [])],
  };
}

function refreshText({ parts, kernels, reloaded }: Result, { live }: System, { style }: Io): string {
  const changed = parts ? stepsText(parts.steps, style) : '';
  const none = live ? 'no wrapped kernel is needed\n' : 'kernels are wrapped when this system boots\n';
  const { notes = [], toRun = [] } = parts ?? {};
  const lines = performedLines({ notes, toRun, loaded: reloaded?.loaded ?? null });
  return `${changed}${kernels.length === 0 ? none : kernelsText(kernels)}${lines.map((line) => `${line}\n`).join('')}`;
}

async function refresh(around: Surroundings, options: RefreshCommandOptions): Promise<readonly Refreshed[]> {
  const { system, machine, tool, now } = around;
  if (options.remove !== undefined) return removeKernels(system, [options.remove]);
  const install = readInstall(system) ?? {
    schema: 'shootdown.install/1' as const,
    parts: {},
    policy: null,
    sign: null,
  };
  // They would be made for the machine that builds the image.
  if (!system.live) return [];
  const policy = policyOf(system, install);
  const { kernel, boot } = options;
  return refreshKernels(system, { install, policy, machine, tool, now, kernel, early: boot });
}
