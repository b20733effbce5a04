import { type Command, Option } from 'commander';
import { namesFor } from '../../host/pci-ids-file.js';
import type { PciFunction } from '../../pci/function.js';
import { type Audit, audit } from '../../quiesce/audit.js';
import { type JumpPath, SEVERITIES, type Severity } from '../../quiesce/findings.js';
import { auditJson } from '../../report/audit-json.js';
import { auditText } from '../../report/audit-text.js';
import { readToAudit } from '../audited.js';
import { EXIT, type ExitStatus } from '../exit.js';
import type { Io, Run } from '../io.js';
import { type CommonOptions, choice, jsonText, withHost, withPolicy } from '../options.js';

interface AuditOptions extends CommonOptions {
  readonly for: JumpPath;
  readonly failOn: Severity | 'never';
  readonly all?: boolean;
  readonly ndjson?: boolean;
}

export function auditCommand(program: Command, run: Run): void {
  withPolicy(withHost(program.command('audit')))
    .description('say which functions could still hit the next kernel')
    .addOption(choice('--for <path>', 'the jump that is meant', ['normal', 'crash'], 'crash'))
    .addOption(
      choice('--fail-on <severity>', 'exit 2 from this severity on', [...SEVERITIES, 'never'], 'error'),
    )
    .addOption(
      new Option('--ndjson', 'print the same JSON as one line, for many machines in one file').conflicts(
        'json',
      ),
    )
    .option('-a, --all', 'also list quiet functions and explain every finding')
    .action((options: AuditOptions) => run((io) => runAudit(options, io)));
}

async function runAudit(options: AuditOptions, io: Io): Promise<ExitStatus> {
  const { machine, policy, select } = await readToAudit(options, io);
  const whole = audit(machine, policy, options.for);
  const audited: Audit = select ? only(whole, select) : whole;
  if (options.ndjson) {
    io.out(`${JSON.stringify(auditJson(audited))}\n`);
  } else if (options.json) {
    io.out(jsonText(auditJson(audited)));
  } else {
    const names = namesFor(audited.functions.map(({ node }) => node.function));
    io.out(auditText(audited, { names, style: io.style, all: options.all ?? false }));
  }
  return fails(audited, options.failOn) ? EXIT.findings : EXIT.clean;
}

/** The part of an audit that is about some functions and the machine. */
function only(whole: Audit, select: (fn: PciFunction) => boolean): Audit {
  const functions = whole.functions.filter(({ node }) => select(node.function));
  const slots = new Set(functions.map(({ node }) => node.function.slot));
  const findings = whole.findings.filter(({ slot }) => slot === null || slots.has(slot));
  return { ...whole, functions, findings };
}

function fails(audited: Audit, failOn: AuditOptions['failOn']): boolean {
  if (failOn === 'never') return false;
  const from = SEVERITIES.indexOf(failOn);
  return audited.findings.some(({ severity }) => SEVERITIES.indexOf(severity) <= from);
}
