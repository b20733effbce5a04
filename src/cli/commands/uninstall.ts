import { Argument, type Command } from 'commander';
import type { Data } from '../../quiesce/schema-parts.js';
import { isVisible } from '../../system/change-plan.js';
import { PARTS, type Part } from '../../system/state.js';
import type { System } from '../../system/system.js';
import {
  nothingToUndo,
  performUninstall,
  planUninstall,
  type UninstallPlan,
  type UninstallResult,
} from '../../system/uninstall.js';
import { EXIT, type ExitStatus } from '../exit.js';
import type { Io, Run } from '../io.js';
import { jsonText } from '../options.js';
import { alone, type RootOption, surroundings } from '../system-around.js';
import type { uninstallReportSchema } from '../system-schema.js';
import {
  commandJson,
  kernelsText,
  performedLines,
  reloadText,
  sayRuns,
  stepJson,
  stepsText,
} from '../system-text.js';

interface UninstallOptions extends RootOption {
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

export function uninstallCommand(program: Command, run: Run): void {
  program
    .command('uninstall')
    .description('take back what install changed: files are as they were, byte for byte')
    .addArgument(new Argument('<part...>', 'what to take back').choices([...PARTS, 'all']))
    .option('--dry-run', 'only say what would be changed')
    .option('--root <folder>', 'a system in a folder: files are changed there, commands are only named')
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      '\nWhat somebody changed since is left as it is, and named. Files that are gone are no hindrance.\n' +
        'Exit status: 0 done, or nothing was installed; 1 failed, and nothing was changed; 2 --dry-run: something\n' +
        'would be changed; 3 some of it could not be taken back: mend what it says, and run it again.',
    )
    .action((parts: string[], options: UninstallOptions) => run((io) => runUninstall(parts, options, io)));
}

async function runUninstall(
  names: readonly string[],
  options: UninstallOptions,
  io: Io,
): Promise<ExitStatus> {
  const parts = names.includes('all') ? PARTS : PARTS.filter((part) => names.includes(part));
  const around = surroundings(io, options);
  return alone(around.system, io.signal, async () => {
    const plan = planUninstall(around, parts);
    const nothing = nothingToUndo(plan);
    if (!options.json) io.out(planText(plan, nothing, around.system, io));
    if (options.dryRun || (nothing && plan.journal.entries.length === 0)) {
      if (options.json) io.out(jsonText(reportJson(plan, undefined)));
      return nothing ? EXIT.clean : EXIT.findings;
    }
    const result = await performUninstall(around, plan, sayRuns(around.system, io));
    io.out(options.json ? jsonText(reportJson(plan, result)) : resultText(plan, result));
    for (const problem of result.problems) io.err(`shootdown: ${problem}\n`);
    return result.problems.length > 0 ? EXIT.failedAfterWriting : EXIT.clean;
  });
}

function planText(plan: UninstallPlan, nothing: boolean, system: System, { style }: Io): string {
  if (nothing) return `${plan.notes.map((note) => `${note}\n`).join('')}nothing to take back\n`;
  const kernels = plan.kernels.map((version) => ({ version, status: 'removed', message: null }) as const);
  return (
    `${style.bold(`uninstall ${names(plan.parts)}:`)}\n${stepsText(plan.steps, style)}${kernelsText(kernels, true)}` +
    reloadText(plan.reload, system)
  );
}

const names = (parts: readonly Part[]) => (parts.length === PARTS.length ? 'all' : parts.join(', '));

function resultText({ parts, rest }: UninstallPlan, result: UninstallResult): string {
  const stays = rest.length > 0 ? `; still installed: ${rest.join(', ')}` : '';
  const end =
    result.problems.length === 0
      ? `uninstalled: ${names(parts)}${stays}`
      : 'not all could be taken back: mend that, then run it again';
  return [...performedLines(result), end].map((line) => `${line}\n`).join('');
}

/** Schema `shootdown.uninstall-report/1`. */
function reportJson(
  plan: UninstallPlan,
  result: UninstallResult | undefined,
): Data<typeof uninstallReportSchema> {
  return {
    schema: 'shootdown.uninstall-report/1',
    parts: plan.parts,
    rest: plan.rest,
    performed: result !== undefined,
    steps: plan.steps.filter(isVisible).map(stepJson),
    kernels: plan.kernels,
    reload: plan.reload,
    notes: result?.notes ?? plan.notes,
    toRun: (result?.toRun ?? []).map(commandJson),
    loaded: result?.loaded ?? null,
    problems: result?.problems ?? [],
  };
}
