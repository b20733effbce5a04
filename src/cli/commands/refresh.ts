import { type Command, InvalidArgumentError, Option } from 'commander';
import { ShootdownError } from '../../pci/error.js';
import { policyOf, type Surroundings } from '../../system/install.js';
import { reloadChanged } from '../../system/kdump.js';
import { isVersion, type Refreshed, refreshKernels, removeKernels } from '../../system/kernels.js';
import { readInstall } from '../../system/state.js';
import { EXIT, type ExitStatus } from '../exit.js';
import type { Io, Run } from '../io.js';
import { jsonText } from '../options.js';
import { alone, surroundings } from '../system-around.js';
import { kernelsText } from '../system-text.js';

interface RefreshCommandOptions {
  readonly kernel?: string;
  readonly remove?: string;
  readonly boot?: boolean;
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
    .option('--reload', 'have kdump-tools load its kernel anew if that was wrapped again')
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
  const { kernels, reloaded } = await alone(around.system, io.signal, async () => {
    const kernels = await refresh(around, options);
    const reloaded = options.reload ? await reloadChanged(around.system, kernels) : undefined;
    return { kernels, reloaded };
  });
  const failed = kernels.filter(({ status }) => status === 'failed');
  if (options.json)
    io.out(jsonText({ schema: 'shootdown.refresh/1', kernels, loaded: reloaded?.loaded ?? null }));
  else if (!options.quiet)
    io.out(kernels.length === 0 ? 'no wrapped kernel is needed\n' : kernelsText(kernels));
  if (options.quiet || options.json)
    for (const { version, message } of failed) io.err(`shootdown: ${version}: ${message ?? ''}\n`);
  if (reloaded && !options.quiet && !options.json) io.out(`${reloaded.loaded}\n`);
  for (const problem of reloaded?.problems ?? []) io.err(`shootdown: ${problem}\n`);
  if (reloaded && reloaded.problems.length > 0) return EXIT.failedAfterWriting;
  if (failed.length === 0) return EXIT.clean;
  const changed = kernels.some(({ status }) => status === 'wrapped' || status === 'removed');
  return changed ? EXIT.failedAfterWriting : EXIT.failed;
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
  const policy = policyOf(system, install);
  const { kernel, boot } = options;
  return refreshKernels(system, { install, policy, machine, tool, now, kernel, early: boot });
}
