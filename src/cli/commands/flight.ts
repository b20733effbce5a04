import type { Command } from 'commander';
import { writeOutput } from '../../host/output-file.js';
import { parseFlight } from '../../image/flight.js';
import { flightFinds } from '../../image/flight-results.js';
import { ShootdownError } from '../../pci/error.js';
import { defaultPolicy } from '../../quiesce/default-policy.js';
import { flightJson } from '../../report/flight-json.js';
import { flightText } from '../../report/flight-text.js';
import { EXIT, type ExitStatus } from '../exit.js';
import { readFlightFile, readLiveFlight } from '../flight-source.js';
import type { Io, Run } from '../io.js';
import { jsonText, readPolicy } from '../options.js';

interface FlightOptions {
  readonly host?: string;
  readonly policy?: string;
  readonly save?: string;
  readonly json?: boolean;
}

export function flightCommand(program: Command, run: Run): void {
  program
    .command('flight')
    .description("print the flight record that a wrapped kernel's stub left: what it stopped, and what not")
    .argument('[file]', 'a saved record or boot_params, - for standard input (default: the running kernel)')
    .option('--host <host>', 'sysfs[:ROOT] (default: sysfs)')
    .option('--policy <file>', 'the policy that the kernel was wrapped with, for its reasons')
    .option('--save <file>', 'also write the raw record to this file')
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      '\nExit status: 0 all was stopped that the policy stops; 1 no record, or none that can be read;\n' +
        '2 something stayed live that was to be stopped, the walk ended early, or it only observed.',
    )
    .action((file: string | undefined, options: FlightOptions) => run((io) => runFlight(file, options, io)));
}

async function runFlight(file: string | undefined, options: FlightOptions, io: Io): Promise<ExitStatus> {
  if (file !== undefined && options.host !== undefined)
    throw new ShootdownError('usage', 'a file and --host name two records: give one of them');
  const policy = options.policy === undefined ? defaultPolicy() : readPolicy(options.policy);
  const { bytes, from } = file === undefined ? readLiveFlight(sysfsRoot(options.host)) : readFlightFile(file);
  // Before it is looked at: a record that cannot be read is one to keep.
  if (options.save !== undefined) writeOutput(options.save, bytes, 0o644);
  const record = parseFlight(bytes, from);
  io.out(
    options.json
      ? jsonText(flightJson(record, file === undefined ? null : from, policy))
      : flightText(record, { style: io.style, policy }),
  );
  return flightFinds(record) ? EXIT.findings : EXIT.clean;
}

function sysfsRoot(host = 'sysfs'): string {
  const [kind, ...rest] = host.split(':');
  const root = rest.join(':');
  if (kind !== 'sysfs')
    throw new ShootdownError('usage', `a flight record is read from sysfs[:ROOT] or a file, not ${host}`);
  return root === '' ? '/sys' : root;
}
