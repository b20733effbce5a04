import type { Command } from 'commander';
import { pageModel } from '../../report/page/model.js';
import { treeSvg } from '../../report/page/svg.js';
import { type AuditedOptions, withAudited } from '../audited.js';
import { EXIT, type ExitStatus } from '../exit.js';
import type { Io, Run } from '../io.js';
import { writeText } from '../output.js';
import { readPageSources } from '../report-input.js';

interface SvgOptions extends AuditedOptions {
  readonly output: string;
}

export function reportSvgCommand(report: Command, run: Run): void {
  withAudited(report.command('svg'))
    .description("draw a machine's tree: functions, bridges, verdicts, and the way to memory")
    .option('-o, --output <file>', 'where to write it, - for standard output', '-')
    .action((options: SvgOptions) => run((io) => runSvg(options, io)));
}

async function runSvg(options: SvgOptions, io: Io): Promise<ExitStatus> {
  writeText(options.output, treeSvg(pageModel(await readPageSources(options, io))), io);
  return EXIT.clean;
}
