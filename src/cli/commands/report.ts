import type { Command } from 'commander';
import type { Run } from '../io.js';
import { reportDiffCommand } from './report-diff.js';
import { reportFleetCommand } from './report-fleet.js';
import { reportHtmlCommand } from './report-html.js';
import { reportJumpSvgCommand } from './report-jump-svg.js';
import { reportPrometheusCommand } from './report-prometheus.js';
import { reportSvgCommand } from './report-svg.js';

/** The commands that make something to look at, or to feed to other programs, of what others printed. */
export function reportCommand(program: Command, run: Run): void {
  const report = program
    .command('report')
    .description('make pages, pictures and figures of audits and jumps, and compare them');
  reportHtmlCommand(report, run);
  reportSvgCommand(report, run);
  reportJumpSvgCommand(report, run);
  reportDiffCommand(report, run);
  reportFleetCommand(report, run);
  reportPrometheusCommand(report, run);
}
