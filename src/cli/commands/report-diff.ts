import type { Command } from 'commander';
import { namesFor } from '../../host/pci-ids-file.js';
import { ShootdownError } from '../../pci/error.js';
import { type JumpPath, SEVERITIES } from '../../quiesce/findings.js';
import { type DiffData, diffAudits, type FailOn } from '../../report/diff.js';
import { diffText } from '../../report/diff-text.js';
import { auditInFile } from '../audited.js';
import { EXIT, type ExitStatus } from '../exit.js';
import type { Io, Run } from '../io.js';
import { choice, jsonText, readPolicy, withPolicy } from '../options.js';
import { writeText } from '../output.js';

interface DiffOptions {
  readonly output: string;
  readonly for?: JumpPath;
  readonly policy?: string;
  readonly failOn: FailOn;
  readonly all?: boolean;
  readonly json?: boolean;
}

export function reportDiffCommand(report: Command, run: Run): void {
  withPolicy(report.command('diff'))
    .description('say what became different between two audits of a machine, and whether for the worse')
    .argument('<old>', 'what audit --json printed, or lspci -xxxx; - for standard input')
    .argument('<new>', 'the same, later')
    .addOption(
      choice(
        '--for <path>',
        'the jump that is meant, for output of lspci (default: that of the audit, else crash)',
        ['normal', 'crash'],
      ),
    )
    .addOption(
      choice(
        '--fail-on <severity>',
        'exit 2 for a new finding from this severity on, or for a new live function',
        [...SEVERITIES, 'never'],
        'error',
      ),
    )
    .option('-o, --output <file>', 'where to write it, - for standard output', '-')
    .option('-a, --all', 'list everything')
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      `
An audit keeps what it said: its policy's decisions and its findings. --policy is for output of lspci. A function that
is in another slot has moved if it is below the same bridge, or if there is but one like it on either side.
Exit status: 0 nothing changed for the worse; 2 something did: a function is live that was not, or was not there, or
a finding is new or graver at or above --fail-on; with --fail-on never it is 0; 1 failed; 64 usage.`,
    )
    .action((old: string, now: string, options: DiffOptions) => run((io) => runDiff(old, now, options, io)));
}

async function runDiff(old: string, now: string, options: DiffOptions, io: Io): Promise<ExitStatus> {
  if (old === '-' && now === '-')
    throw new ShootdownError('usage', 'both are standard input: name a file for one of them');
  const policy = readPolicy(options.policy);
  const read = (path: string, jump: JumpPath) => auditInFile(path, { policy, for: jump }, io);
  const before = await read(old, options.for ?? 'crash');
  const { audit: after } = await read(now, options.for ?? before.audit.for);
  // A dump that came first could not know which jump the other is about.
  const known = options.for === undefined ? before.as?.(after.for) : undefined;
  const first = known ?? before.audit;
  checkSameJump(first.for, after.for);
  const side = (path: string) => (path === '-' ? 'standard input' : path);
  const diff = diffAudits(
    { name: side(old), audit: first },
    { name: side(now), audit: after },
    options.failOn,
  );
  writeText(options.output, options.json ? jsonText(diff) : textOf(diff, options, io), io);
  const worse = diff.worse.live.length > 0 || diff.worse.findings.length > 0;
  return worse && options.failOn !== 'never' ? EXIT.findings : EXIT.clean;
}

function checkSameJump(old: JumpPath, now: JumpPath): void {
  if (old === now) return;
  const message = `OLD is about a ${old} jump and NEW about a ${now} one, which have other findings: make both with the same --for`;
  throw new ShootdownError('bad-input', message);
}

function textOf(diff: DiffData, { all = false }: DiffOptions, io: Io): string {
  const number = (digits: string) => Number.parseInt(digits, 16);
  const told = [diff.verdicts, diff.appeared, diff.gone, diff.moved, diff.drivers].flat();
  const names = namesFor(
    told.map((one) => ({
      vendor: number(one.vendor),
      device: number(one.device),
      classCode: number(one.class),
    })),
  );
  return diffText(diff, { names, style: io.style, all });
}
