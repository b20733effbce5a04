import { resolve } from 'node:path';
import { Argument, type Command } from 'commander';
import { ShootdownError } from '../../pci/error.js';
import type { Data } from '../../quiesce/schema-parts.js';
import { isVisible } from '../../system/change-plan.js';
import {
  type InstallPlan,
  type InstallRequest,
  type InstallResult,
  isInPlace,
  performInstall,
  planInstall,
} from '../../system/install.js';
import { PARTS, type Part } from '../../system/state.js';
import type { System } from '../../system/system.js';
import { EXIT, type ExitStatus } from '../exit.js';
import type { Io, Run } from '../io.js';
import { choice, jsonText, withPolicy } from '../options.js';
import { alone, type RootOption, surroundings } from '../system-around.js';
import type { installReportSchema } from '../system-schema.js';
import {
  commandJson,
  kernelsText,
  performedLines,
  reloadText,
  sayRuns,
  stepJson,
  stepsText,
} from '../system-text.js';

interface InstallCommandOptions extends RootOption {
  readonly dryRun?: boolean;
  readonly policy?: string;
  readonly signKey?: string;
  readonly signCert?: string;
  readonly when?: 'crash' | 'always';
  readonly json?: boolean;
}

export function installCommand(program: Command, run: Run): void {
  withPolicy(program.command('install'))
    .description('set this system up: kdump or kexec load wrapped kernels, or a hook works in the initramfs')
    .addArgument(new Argument('<part>', 'what to install').choices(PARTS))
    .option('--dry-run', 'only say what would be changed')
    .option('--sign-key <file>', 'key to sign wrapped kernels with, for Secure Boot (PEM; sbsign)')
    .option('--sign-cert <file>', 'its certificate (PEM)')
    .addOption(
      choice('--when <when>', 'hook: in which kernels it acts (default: crash)', ['crash', 'always']),
    )
    .option('--root <folder>', 'a system in a folder: files are changed there, commands are only named')
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      '\nOptions that are not given stay as an earlier install had them. uninstall takes all back.\n' +
        'Exit status: 0 installed, or was already; 1 failed, and nothing was changed; 2 --dry-run: something would be\n' +
        'changed; 3 failed after something was changed, or what is loaded for a crash is not what it should be.',
    )
    .action((part: Part, options: InstallCommandOptions) => run((io) => runInstall(part, options, io)));
}

async function runInstall(part: Part, options: InstallCommandOptions, io: Io): Promise<ExitStatus> {
  const request = requestOf(part, options);
  const around = surroundings(io, options);
  return alone(around.system, io.signal, async () => {
    const plan = await planInstall(around, request);
    const done = isInPlace(plan);
    if (!options.json)
      io.out(done ? `${part} is installed: nothing to change\n` : planText(plan, around.system, io));
    if (done || options.dryRun) {
      if (options.json) io.out(jsonText(reportJson(plan, undefined)));
      return done ? EXIT.clean : EXIT.findings;
    }
    const result = await performInstall(around, plan, sayRuns(around.system, io));
    io.out(options.json ? jsonText(reportJson(plan, result)) : resultText(plan, result));
    for (const problem of result.problems) io.err(`shootdown: ${problem}\n`);
    return result.problems.length > 0 ? EXIT.failedAfterWriting : EXIT.clean;
  });
}

function requestOf(part: Part, options: InstallCommandOptions): InstallRequest {
  const { policy, signKey, signCert, when } = options;
  if ((signKey === undefined) !== (signCert === undefined))
    throw new ShootdownError('usage', '--sign-key and --sign-cert go together: give both');
  if (when !== undefined && part !== 'hook')
    throw new ShootdownError('usage', '--when is for the hook: shootdown install hook --when always');
  if (part === 'hook' && signKey !== undefined)
    throw new ShootdownError('usage', 'the hook leaves the kernel as it is: nothing is signed');
  return {
    part,
    when,
    // In a folder it is a path in the system that lies there.
    policy: policy === undefined ? undefined : resolve(policy),
    sign:
      signKey === undefined || signCert === undefined
        ? undefined
        : { key: resolve(signKey), cert: resolve(signCert) },
  };
}

function planText({ part, steps, kernels, reload }: InstallPlan, system: System, { style }: Io): string {
  const where = system.root === '' ? '' : ` in ${system.root}`;
  const changing = kernels.filter(({ status }) => status !== 'fresh');
  return (
    `${style.bold(`install ${part}${where}:`)}\n${kernelsText(changing, true)}${stepsText(steps, style)}` +
    reloadText(reload, system)
  );
}

function resultText({ part }: InstallPlan, result: InstallResult): string {
  const failed = result.kernels.filter(({ status }) => status === 'failed');
  const end =
    result.problems.length === 0
      ? `${part} is installed; shootdown doctor says how it is`
      : `${part} is installed, but not all is well`;
  return `${kernelsText(failed)}${[...performedLines(result), end].map((line) => `${line}\n`).join('')}`;
}

/** Schema `shootdown.install-report/1`. */
function reportJson(plan: InstallPlan, result: InstallResult | undefined): Data<typeof installReportSchema> {
  return {
    schema: 'shootdown.install-report/1',
    part: plan.part,
    performed: result !== undefined,
    install: plan.install,
    steps: plan.steps.filter(isVisible).map(stepJson),
    kernels: result && result.kernels.length > 0 ? result.kernels : plan.kernels,
    reload: plan.reload,
    notes: result?.notes ?? [],
    toRun: (result?.toRun ?? []).map(commandJson),
    loaded: result?.loaded ?? null,
    problems: result?.problems ?? [],
  };
}
