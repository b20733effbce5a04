import type { Command } from 'commander';
import { countStates, examine } from '../../system/doctor.js';
import { doctorJson, doctorText } from '../doctor-text.js';
import { EXIT, type ExitStatus } from '../exit.js';
import type { Io, Run } from '../io.js';
import { choice, jsonText } from '../options.js';
import { type RootOption, surroundings } from '../system-around.js';
import { machineForWrap } from '../wrap-machine.js';

interface DoctorOptions extends RootOption {
  readonly failOn: 'problem' | 'warning';
  readonly json?: boolean;
}

export function doctorCommand(program: Command, run: Run): void {
  program
    .command('doctor')
    .description('say how kdump, kexec and shootdown are set up here, what is wrong, and what to do')
    .option('--root <folder>', 'a system in a folder: only its files are looked at')
    .addOption(choice('--fail-on <state>', 'exit 2 from this on', ['problem', 'warning'], 'warning'))
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      '\nIt only reads. Without root some checks cannot tell, and say so.\n' +
        'Exit status: 0 all is well; 1 something could not be told; 2 problems, or warnings (--fail-on).',
    )
    .action((options: DoctorOptions) => run((io) => runDoctor(options, io)));
}

async function runDoctor(options: DoctorOptions, io: Io): Promise<ExitStatus> {
  const { system, tool } = surroundings(io, options);
  // Not `this`: a machine where nothing can run between the kernels is looked at, too.
  const machine = async () => (await machineForWrap('sysfs', io)).machine;
  const results = await examine({ system, tool, machine });
  io.out(
    options.json ? jsonText(doctorJson(results, { tool, root: system.root })) : doctorText(results, io.style),
  );
  const { problem, warning, unknown } = countStates(results);
  if (problem > 0 || (warning > 0 && options.failOn === 'warning')) return EXIT.findings;
  return unknown > 0 ? EXIT.failed : EXIT.clean;
}
