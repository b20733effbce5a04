import type { Command } from 'commander';
import { ShootdownError } from '../../pci/error.js';
import { jumpSvg } from '../../report/timeline/jump-svg.js';
import { EXIT, type ExitStatus } from '../exit.js';
import type { Io, Run } from '../io.js';
import { writeText } from '../output.js';
import { type JumpOptions, jumpStories, withJumps } from '../report-jumps.js';

interface JumpSvgOptions extends JumpOptions {
  readonly output: string;
}

const STORIES_MAX = 4;

export function reportJumpSvgCommand(report: Command, run: Run): void {
  withJumps(report.command('jump-svg'))
    .description('draw a jump: who writes, who is gated, and what is hit, under each policy')
    .option('-o, --output <file>', 'where to write it, - for standard output', '-')
    .action((options: JumpSvgOptions) => run((io) => runJumpSvg(options, io)));
}

async function runJumpSvg(options: JumpSvgOptions, io: Io): Promise<ExitStatus> {
  const { stories } = await jumpStories(options, io);
  if (stories.length === 0)
    throw new ShootdownError('usage', 'say which jump to draw: --scenario NAME, or --jump FILE');
  if (stories.length > STORIES_MAX || new Set(stories.map(({ name, path }) => `${name} ${path}`)).size > 1) {
    const message = `a picture is of one scenario under at most ${STORIES_MAX} policies: report html shows others`;
    throw new ShootdownError('usage', message);
  }
  writeText(options.output, jumpSvg(stories), io);
  return EXIT.clean;
}
