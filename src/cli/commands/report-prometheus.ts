import type { Command } from 'commander';
import { ShootdownError } from '../../pci/error.js';
import { unattended } from '../../quiesce/audit.js';
import { type Checks, prometheusText } from '../../report/prometheus.js';
import { countStates, examine } from '../../system/doctor.js';
import { VERSION } from '../../version.js';
import { type Audited, type AuditedOptions, readAudited, withAudited } from '../audited.js';
import { EXIT, type ExitStatus } from '../exit.js';
import type { Io, Run } from '../io.js';
import { writeText } from '../output.js';
import { surroundings } from '../system-around.js';

interface PrometheusOptions extends AuditedOptions {
  readonly output: string;
}

export function reportPrometheusCommand(report: Command, run: Run): void {
  withAudited(report.command('prometheus'))
    .description('write an audit as metrics, for the textfile collector of node_exporter')
    .option(
      '-o, --output <file>',
      'where to write it, replaced in one step; node_exporter reads *.prom only; - for standard output',
      '-',
    )
    .addHelpText(
      'after',
      `
Of the machine that this runs on they also have what doctor sees, which takes root. docs/monitoring.md has the metrics
and rules for alerts.
Exit status: 0 written, whatever was found; 1 failed, and the file is as it was; 64 usage.`,
    )
    .action((options: PrometheusOptions) => run((io) => runPrometheus(options, io)));
}

async function runPrometheus(options: PrometheusOptions, io: Io): Promise<ExitStatus> {
  const { output } = options;
  if (options.audit !== undefined && options.policy !== undefined)
    throw new ShootdownError('usage', '--audit says what its policy decided: leave --policy out');
  const audited = await readAudited(options, io);
  const checks = audited.here ? await checksHere(audited, io) : null;
  const source = {
    audit: audited.said,
    unattended: unattended(audited.audit).length,
    version: VERSION,
    nowMs: Date.now(),
    checks,
  };
  writeText(output, await prometheusText(source), io);
  if (output !== '-' && !output.endsWith('.prom'))
    io.err(`shootdown: node_exporter reads files whose names end in .prom, and ${output} does not\n`);
  return EXIT.clean;
}

/** What `doctor` says; the machine is not read again for it. */
async function checksHere({ machine }: Audited, io: Io): Promise<Checks> {
  const { system, tool } = surroundings(io, {});
  const results = await examine({ system, tool, machine: async () => machine });
  return { results, counts: countStates(results) };
}
