import type { Command } from 'commander';
import { checkWritable, type Host } from '../../host/port.js';
import type { Machine } from '../../host/scan.js';
import { ShootdownError } from '../../pci/error.js';
import { failed, functionResults, type Journal, wroteAnything } from '../../quiesce/journal.js';
import { fileSink } from '../../quiesce/journal-file.js';
import { makePlan } from '../../quiesce/plan.js';
import { type Plan, parsePlan } from '../../quiesce/plan-data.js';
import type { Place } from '../../quiesce/policy.js';
import { locked, performPlan, scanForPlan } from '../../quiesce/shootdown.js';
import { journalJson, journalText } from '../../report/journal-report.js';
import { planJson, planText, setpciText } from '../../report/plan-report.js';
import { shellWord } from '../../report/shell-word.js';
import { VERSION } from '../../version.js';
import { EXIT, type ExitStatus } from '../exit.js';
import { openHost } from '../hosts.js';
import type { Io, Run } from '../io.js';
import { newJournalPath } from '../journals.js';
import {
  type CommonOptions,
  checkSelects,
  choice,
  jsonText,
  readPolicy,
  readText,
  selection,
  withHost,
  withPolicy,
} from '../options.js';

interface ApplyOptions extends CommonOptions {
  readonly at?: Place;
  readonly plan?: string;
  readonly journal?: string;
  readonly dryRun?: boolean;
}

export function applyCommand(program: Command, run: Run): void {
  withPolicy(withHost(program.command('apply')))
    .description('stop the functions that the policy stops, verify, and leave a journal')
    .addOption(
      choice('--at <place>', 'between: only where no kernel runs, as in qtest (default: before)', [
        'before',
        'between',
      ]),
    )
    .option('--plan <file>', 'perform this plan, as plan --json printed it, instead of making one')
    .option(
      '--journal <file>',
      'where the journal goes (default: a new file in /var/lib/shootdown, or in ~/.local/state/shootdown without root)',
    )
    .option('--dry-run', "print what would be written in setpci's notation, and write nothing")
    .option('--write-real-pci-devices', 'allow writes to the devices of the machine this runs on')
    .action((options: ApplyOptions) => run((io) => runApply(options, io)));
}

async function runApply(options: ApplyOptions, io: Io): Promise<ExitStatus> {
  if (options.plan !== undefined && (options.policy ?? options.s ?? options.d ?? options.at) !== undefined) {
    throw new ShootdownError('usage', '--plan says what to do: it goes with none of --policy, --at, -s, -d');
  }
  const host = await openHost(options, { write: !options.dryRun });
  try {
    if (options.dryRun) {
      const { plan } = await preparePlan(host, options, io);
      io.out(options.json ? jsonText(planJson(plan)) : setpciText(plan));
      if (plan.steps.length === 0) io.err('nothing to stop: shootdown plan says why\n');
      return plan.steps.length > 0 ? EXIT.findings : EXIT.clean;
    }
    checkWritable(host);
    return await locked(host, () => performAndReport(host, options, io));
  } finally {
    await host.close();
  }
}

async function preparePlan(
  host: Host,
  options: ApplyOptions,
  io: Io,
): Promise<{ plan: Plan; machine: Machine }> {
  const policy = readPolicy(options.policy);
  const given = options.plan === undefined ? undefined : parsePlan(readText(options.plan), options.plan);
  const select = selection(options);
  const machine = await scanForPlan(host, policy, {
    onProgress: io.progress('reading'),
    // A plan from a file may name registers of functions that have become quiet since.
    ...(given ? { skipQuiet: false } : {}),
  });
  checkSelects(machine.topology, select);
  const at = given?.at ?? options.at ?? 'before';
  if (at !== 'before' && machine.machineFacts.liveKernel) {
    throw new ShootdownError(
      'usage',
      `a running kernel can only be shot down before the jump, not ${at === 'between' ? 'between the kernels' : 'after it'}`,
    );
  }
  const plan = given ?? makePlan(machine, policy, { at, ...(select ? { select } : {}) });
  return { plan, machine };
}

async function performAndReport(host: Host, options: ApplyOptions, io: Io): Promise<ExitStatus> {
  const { plan, machine } = await preparePlan(host, options, io);
  if (plan.steps.length === 0 && !options.json) {
    io.out(
      `Nothing to stop ${plan.at === 'before' ? 'before the jump' : 'between the kernels'}.\n${planText(plan, { style: io.style })}`,
    );
    return EXIT.clean;
  }
  if (plan.steps.some((step) => step.kind === 'reset')) io.err(planText(plan, { style: io.style }));
  const started = new Date().toISOString();
  const path = journalPath(host, options, io, started);
  const { journal } = await performPlan(host, plan, machine, {
    tool: VERSION,
    started,
    signal: io.signal,
    onProgress: io.progress('stopping'),
    ...(path === null ? {} : { journal: fileSink(path) }),
  }).catch((error: unknown) => {
    if (error instanceof ShootdownError && error.code === 'incomplete' && path !== null)
      io.err(`journal: ${path}\n`);
    throw error;
  });
  io.out(options.json ? jsonText(journalJson(journal, path)) : journalText(journal, { style: io.style }));
  if (path !== null) {
    const host = options.host === undefined ? '' : ` --host ${shellWord(options.host)}`;
    const real = options.writeRealPciDevices ? ' --write-real-pci-devices' : '';
    io.err(`journal: ${path}\nto take it back: shootdown restore ${shellWord(path)}${host}${real}\n`);
  }
  return statusOf(journal);
}

/** A simulated machine ends with this process, so its journal is kept only where it was asked for. */
function journalPath(host: Host, options: ApplyOptions, io: Io, started: string): string | null {
  if (options.journal !== undefined) return options.journal;
  return host.lockName === undefined ? null : newJournalPath(io.env, started);
}

function statusOf(journal: Journal): ExitStatus {
  const live = functionResults(journal).some(
    ({ verdict, outcome }) => verdict === 'live' && outcome !== 'exempt',
  );
  if (!live && journal.end === 'complete' && !journal.records.some(failed)) return EXIT.clean;
  return wroteAnything(journal) ? EXIT.failedAfterWriting : EXIT.failed;
}
