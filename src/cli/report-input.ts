import { namesFor } from '../host/pci-ids-file.js';
import type { Machine } from '../host/scan.js';
import { ShootdownError } from '../pci/error.js';
import { type Audit, audit } from '../quiesce/audit.js';
import type { JumpPath } from '../quiesce/findings.js';
import { makePlan } from '../quiesce/plan.js';
import type { Policy } from '../quiesce/policy.js';
import type { PageSources } from '../report/page/model.js';
import { type AuditedOptions, readAudited } from './audited.js';
import type { Io } from './io.js';

/** What a page or a picture is made of, as the options of `withAudited` name it. */
export async function readPageSources(options: AuditedOptions, io: Io): Promise<PageSources> {
  const { audit: audited, machine, policy, here } = await readAudited(options, io);
  const sources = sourcesOf(audited, machine, policy);
  if (options.audit !== undefined && audited.policy !== policy.name) {
    const message = `the audit was made with the policy "${audited.policy}", and the plan needs its file: --policy FILE`;
    throw new ShootdownError('usage', message);
  }
  return here ? { ...sources, read: minuteNow() } : sources;
}

interface Scanned {
  readonly machine: Machine;
  readonly policy: Policy;
  readonly path: JumpPath;
}

/** Of a machine that was scanned whole. */
export function pageSources({ machine, policy, path }: Scanned): PageSources {
  return sourcesOf(audit(machine, policy, path), machine, policy);
}

/** The plan is for where the path of the audit is shot. */
function sourcesOf(audited: Audit, machine: Machine, policy: Policy): PageSources {
  return {
    audit: audited,
    topology: machine.topology,
    plan: makePlan(machine, policy, { at: audited.path === 'crash' ? 'between' : 'before' }),
    names: namesFor(audited.functions.map(({ node }) => node.function)),
  };
}

function minuteNow(): string {
  return new Date(Date.now()).toISOString().slice(0, 16).replace('T', ' ');
}
