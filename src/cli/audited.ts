import type { Command } from 'commander';
import { readDump } from '../host/dump.js';
import { type Machine, scan } from '../host/scan.js';
import { ShootdownError } from '../pci/error.js';
import { type Audit, audit } from '../quiesce/audit.js';
import { type AuditData, parseAudit } from '../quiesce/audit-data.js';
import { machineInAudit } from '../quiesce/audit-machine.js';
import type { JumpPath } from '../quiesce/findings.js';
import type { Policy } from '../quiesce/policy.js';
import { auditData } from '../report/audit-json.js';
import { asSaid } from '../report/page/said.js';
import { captureIsProtected } from '../system/protection.js';
import type { HostOptions } from './hosts.js';
import type { Io } from './io.js';
import { machineText } from './machine-file.js';
import { type CommonOptions, choice, readPolicy, withMachine, withPolicy } from './options.js';
import { isHere, readSelected, type Selected } from './selected.js';

export interface AuditedOptions extends HostOptions {
  readonly audit?: string;
  readonly policy?: string;
  /** `undefined` where it was not said: a crash. */
  readonly for?: JumpPath;
}

/** An audit that was made now, or that is in a file. */
export interface Audited {
  /** One in a file is made again of its machine, and says what the file says. */
  readonly audit: Audit;
  /** What `audit --json` says, or said. */
  readonly said: AuditData;
  /** Of one in a file, as far as that shows it. */
  readonly machine: Machine;
  readonly policy: Policy;
  /** It is of the machine that this runs on, as it is now. */
  readonly here: boolean;
}

/** The options of commands that make something of an audit: a machine as `audit` takes it, or an audit of before. */
export function withAudited(command: Command): Command {
  return withPolicy(withMachine(command))
    .option('--audit <file>', 'instead of a machine: what audit --json printed, - for standard input')
    .addOption(choice('--for <path>', 'the jump that is meant (default: crash)', ['normal', 'crash']));
}

/** A machine as an audit needs it: all of it, and what waits for a crash of the one that this runs on. */
export async function readToAudit(options: CommonOptions, io: Pick<Io, 'progress'>): Promise<Selected> {
  const selected = await readSelected(options, io, (host, _, how) => scan(host, how));
  return isHere(options) ? { ...selected, machine: await withProtection(selected.machine) } : selected;
}

/** What is in the kernel that waits for a crash is not to be seen in /sys. */
async function withProtection(machine: Machine): Promise<Machine> {
  const captureKernelProtected = machine.machineFacts.captureKernelLoaded
    ? await captureIsProtected(machine)
    : undefined;
  if (captureKernelProtected === undefined) return machine;
  return { ...machine, machineFacts: { ...machine.machineFacts, captureKernelProtected } };
}

/** The audit that the options name. An audit in a file keeps what it said: its jump, and its policy's decisions. */
export async function readAudited(options: AuditedOptions, io: Io): Promise<Audited> {
  const { audit: path, for: jump = 'crash', policy: policyFile } = options;
  if (path === undefined) {
    const { machine, policy } = await readToAudit(options, io);
    const audited = audit(machine, policy, jump);
    return { audit: audited, said: auditData(audited), machine, policy, here: isHere(options) };
  }
  checkAlone(options);
  const policy = readPolicy(policyFile);
  const { name, text } = await machineText(path, io);
  const said = parseAudit(text, name);
  const machine = machineInAudit(said, name);
  return { audit: asSaid(audit(machine, policy, said.for), said), said, machine, policy, here: false };
}

/** Throws `usage` for options that an audit in a file has settled. */
function checkAlone({ host, file, for: jump }: AuditedOptions): void {
  const given = { '--host': host, '-F': file, '--for': jump };
  for (const [flag, value] of Object.entries(given))
    if (value !== undefined)
      throw new ShootdownError('usage', `--audit says that already: leave ${flag} out, or --audit`);
}

/** An audit of a machine that is in a file. */
interface FiledAudit {
  readonly audit: AuditData;
  /** The same for another jump; `undefined` for one that was made elsewhere, and says what it says. */
  readonly as: ((jump: JumpPath) => AuditData) | undefined;
}

/**
 * The audit in a file that `audit --json` printed, or one made here of what `lspci -xxxx` printed; `-` for standard
 * input. Rejects with `bad-input`.
 */
export async function auditInFile(
  path: string,
  about: { readonly policy: Policy; readonly for: JumpPath },
  io: Pick<Io, 'signal' | 'status'>,
): Promise<FiledAudit> {
  const { name, text } = await machineText(path, io);
  if (text.trimStart().startsWith('{')) return { audit: parseAudit(text, name), as: undefined };
  const host = await readDump(name, [Buffer.from(text)]);
  try {
    const machine = await scan(host);
    const as = (jump: JumpPath) => auditData(audit(machine, about.policy, jump));
    return { audit: as(about.for), as };
  } finally {
    await host.close();
  }
}
