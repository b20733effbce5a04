import type { Command } from 'commander';
import { ShootdownError } from '../../pci/error.js';
import { pageModel } from '../../report/page/model.js';
import { jumpsHtml, reportHtml } from '../../report/page/page.js';
import { type AuditedOptions, withAudited } from '../audited.js';
import { EXIT, type ExitStatus } from '../exit.js';
import type { Io, Run } from '../io.js';
import { writeText } from '../output.js';
import { pageSources, readPageSources } from '../report-input.js';
import { type JumpOptions, jumpStories, withJumps } from '../report-jumps.js';

interface HtmlOptions extends AuditedOptions, JumpOptions {
  readonly output: string;
}

const HELP = `
With --scenario the page is of the scenario's machine. With --jump alone it shows the jumps only; name a machine too
(--host, -F or --audit) to have both.`;

export function reportHtmlCommand(report: Command, run: Run): void {
  withJumps(withAudited(report.command('html')))
    .description('make one self-contained page of a machine: findings, tree, functions, plan, and jumps')
    .option('-o, --output <file>', 'where to write it, - for standard output', '-')
    .addHelpText('after', HELP)
    .action((options: HtmlOptions) => run((io) => runHtml(options, io)));
}

async function runHtml(options: HtmlOptions, io: Io): Promise<ExitStatus> {
  writeText(options.output, await html(options, io), io);
  return EXIT.clean;
}

async function html(options: HtmlOptions, io: Io): Promise<string> {
  const { host, file, audit, policy, for: path } = options;
  if (options.scenario !== undefined) {
    const given = { '--host': host, '-F': file, '--audit': audit, '--policy': policy, '--for': path };
    for (const [flag, value] of Object.entries(given))
      if (value !== undefined)
        throw new ShootdownError('usage', `--scenario brings its machine and policy: leave ${flag} out`);
  }
  const { stories: jumps, played } = await jumpStories(options, io);
  if (played) return reportHtml(pageModel({ ...pageSources(played), jumps }));
  if (jumps.length > 0 && host === undefined && file === undefined && audit === undefined) {
    return jumpsHtml(jumps);
  }
  return reportHtml(pageModel({ ...(await readPageSources(options, io)), jumps }));
}
