import { Command } from 'commander';
import { VERSION } from '../version.js';
import { applyCommand } from './commands/apply.js';
import { auditCommand } from './commands/audit.js';
import { demoCommand } from './commands/demo.js';
import { doctorCommand } from './commands/doctor.js';
import { flightCommand } from './commands/flight.js';
import { hookTableCommand } from './commands/hook-table.js';
import { inspectCommand } from './commands/inspect.js';
import { installCommand } from './commands/install.js';
import { labCommand } from './commands/lab.js';
import { planCommand } from './commands/plan.js';
import { refreshCommand } from './commands/refresh.js';
import { reportCommand } from './commands/report.js';
import { restoreCommand } from './commands/restore.js';
import { simCommand } from './commands/sim.js';
import { uninstallCommand } from './commands/uninstall.js';
import { unwrapCommand } from './commands/unwrap.js';
import { wrapCommand } from './commands/wrap.js';
import type { Run } from './io.js';

/** The whole command line; `run` performs the one command that was given. */
export function makeProgram(run: Run): Command {
  const program = new Command('shootdown')
    .description(
      'Makes a kexec jump safe: finds, stops and verifies PCI functions that could hit the next kernel.',
    )
    .version(VERSION, '-V, --version')
    .showHelpAfterError('(shootdown --help, or shootdown COMMAND --help)')
    .exitOverride();
  auditCommand(program, run);
  planCommand(program, run);
  applyCommand(program, run);
  restoreCommand(program, run);
  flightCommand(program, run);
  wrapCommand(program, run);
  unwrapCommand(program, run);
  inspectCommand(program, run);
  installCommand(program, run);
  uninstallCommand(program, run);
  refreshCommand(program, run);
  hookTableCommand(program, run);
  doctorCommand(program, run);
  reportCommand(program, run);
  simCommand(program, run);
  labCommand(program, run);
  demoCommand(program, run);
  for (const command of program.commands) command.exitOverride();
  return program;
}
