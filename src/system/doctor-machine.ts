import { confidentialGuest } from '../image/confidential.js';
import { type Audit, audit, unattended, writers } from '../quiesce/audit.js';
import type { Finding, FindingId } from '../quiesce/findings.js';
import { isBridge } from '../quiesce/verdict.js';
import { signatureNeeded } from './checks.js';
import { type Check, counted, note, ok, problem, type Said, some, warning } from './doctor-check.js';
import type { DoctorView } from './doctor-view.js';
import { PLACES_OF } from './places.js';
import { readTextOf, type System } from './system.js';

/** What this machine and its kernel are like. */
export const MACHINE_CHECKS: readonly Check[] = [
  { id: 'machine.lockdown', live: true, look: lookAtLockdown },
  { id: 'machine.guest', live: true, look: lookAtGuest },
  { id: 'machine.iommu', live: true, look: lookAtIommu },
  { id: 'machine.functions', live: true, look: lookAtFunctions },
];

function lookAtLockdown(view: DoctorView): readonly Said[] {
  const why = signatureNeeded(view.system);
  if (why === undefined) return [ok('neither Secure Boot nor lockdown: any kernel can be loaded')];
  const signed = view.install?.sign;
  if (signed) return [ok(`${why}: wrapped kernels are signed with ${signed.cert}`)];
  const advice = view.has('hook')
    ? null
    : 'shootdown install hook, or install kdump with --sign-key and --sign-cert';
  return [
    note(`${why}: only signed kernels can be loaded, and apply cannot write to configuration space`, advice),
  ];
}

function lookAtGuest(view: DoctorView): readonly Said[] {
  const guest = confidentialGuest(readTextOf(view.system, PLACES_OF.cpuinfo) ?? '');
  if (guest === undefined) return [];
  const text = `this machine is an ${guest} guest, where nothing can run between the kernels`;
  const advice = 'shootdown uninstall kdump kexec, then shootdown install hook, which works here';
  if (view.has('kdump') || view.has('kexec')) return [problem(text, advice)];
  return [note(text, view.has('hook') ? null : 'shootdown install hook, which works here')];
}

async function lookAtIommu(view: DoctorView): Promise<Said> {
  const { machineFacts, facts, topology } = await view.machine();
  const words = view.cmdline
    .split(/\s+/)
    .filter((word) => /^(intel_iommu|amd_iommu|iommu(\.\w+)?)=/.test(word));
  const asked = words.length > 0 ? ` (${words.join(' ')})` : '';
  const types = groupTypes(view.system);
  const kinds = [...types].map(([type, count]) => `${type} ${count}`).join(', ');
  const groups = kinds === '' ? '' : `; groups by domain: ${kinds}`;
  const advice = 'where the workload allows it: intel_iommu=on (AMD has it on), iommu.passthrough=0';
  if (!machineFacts.iommu)
    return note(`no IOMMU translates${asked}${groups}: what stays live reaches all of memory`, advice);
  const through = [...topology.nodes].filter(
    ([slot, { function: fn }]) => !isBridge(fn) && facts.get(slot)?.iommuDomain === 'identity',
  );
  if (through.length === 0) return ok(`an IOMMU translates${asked}${groups}`);
  const text = `an IOMMU translates${asked}${groups}; ${counted(through.length, 'function')} passed through`;
  return note(text, advice);
}

const GROUPS = '/sys/kernel/iommu_groups';

/** How many groups have a domain of each type. */
function groupTypes(system: System): ReadonlyMap<string, number> {
  const types = new Map<string, number>();
  for (const group of system.list(GROUPS)) {
    const type = readTextOf(system, `${GROUPS}/${group}/type`)?.trim() || 'unknown';
    types.set(type, (types.get(type) ?? 0) + 1);
  }
  return types;
}

/** Those that neither the stub nor the hook can do something about, or that are wrong now. */
const KNOWN_BAD: Partial<Record<FindingId, 'warning' | 'note'>> = {
  SD008: 'warning',
  SD009: 'warning',
  SD010: 'note',
  SD011: 'note',
  SD012: 'note',
  SD014: 'note',
  SD016: 'note',
  SD020: 'note',
  SD102: 'warning',
};

async function lookAtFunctions(view: DoctorView): Promise<readonly Said[]> {
  const { policy } = view;
  if (!policy) return [];
  const audited = audit(await view.machine(), policy, 'crash');
  return [headline(audited), ...knownBad(audited.findings), ...blind(audited)];
}

function headline(audited: Audit): Said {
  const all = unattended(audited);
  const stopped = all.filter(
    ({ decision }) => decision.action !== 'exempt' && decision.action !== 'preserve',
  );
  const spared = all.length - stopped.length;
  const rest = spared > 0 ? `; ${spared} more the policy leaves alone` : '';
  const seen = `${counted(audited.functions.length, 'function')} seen`;
  return ok(
    `${seen}; of ${writers(audited).length} that could write after a panic ${stopped.length} are to be stopped${rest}`,
  );
}

function knownBad(findings: readonly Finding[]): readonly Said[] {
  const groups = new Map<FindingId, Finding[]>();
  for (const finding of findings)
    if (KNOWN_BAD[finding.id]) groups.set(finding.id, [...(groups.get(finding.id) ?? []), finding]);
  return [...groups].flatMap(([id, group]): Said[] => {
    const [first] = group;
    if (!first) return [];
    const slots = group.flatMap(({ slot }) => (slot === null ? [] : [slot]));
    const where = slots.length > 0 ? some(slots) : first.evidence;
    const hazards = first.hazards.length > 0 ? ` (${first.hazards.join(', ')})` : '';
    const say = KNOWN_BAD[id] === 'warning' ? warning : note;
    return [say(`${id} ${first.title}: ${where}${hazards}`, first.advice)];
  });
}

function blind(audited: Audit): readonly Said[] {
  const count = audited.functions.filter(
    ({ node: { function: fn } }) => fn.visibleBytes === 64 && fn.msi === 'unknown',
  ).length;
  if (count === 0) return [];
  return [note(`of ${counted(count, 'function')} only 64 bytes can be seen`, 'run as root to see the rest')];
}
