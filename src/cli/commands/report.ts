import type { Command } from 'commander';
import type { Run } from '../io.js';

/** The commands that make something to look at, or to feed to other programs, of what others printed. */
export function reportCommand(program: Command, _run: Run): void {
  program
    .command('report')
    .description('make pages, pictures and figures of audits and jumps, and compare them');
}
