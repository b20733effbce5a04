import type { Slot } from '../pci/slot.js';
import {
  type AuditData,
  type AuditedFunctionData,
  type FindingData,
  isBridgeData,
} from '../quiesce/audit-data.js';
import { SEVERITIES, type Severity } from '../quiesce/findings.js';
import type { Data } from '../quiesce/schema-parts.js';
import { type FunctionMatch, matchFunctions } from './diff-match.js';
import type { diffSchema } from './schema/diff.js';

export type DiffData = Data<typeof diffSchema>;

/** An audit, and what messages call it. */
export interface DiffSide {
  readonly name: string;
  readonly audit: AuditData;
}

/** From which severity on a new finding makes things worse. */
export type FailOn = Severity | 'never';

/** What became different between two audits for the same jump, schema `shootdown.report-diff/1`. Pure. */
export function diffAudits(old: DiffSide, now: DiffSide, failOn: FailOn): DiffData {
  const match = matchFunctions(old.audit.functions, now.audit.functions);
  const { both, gone, appeared } = match;
  const changes = both.map((pair) => ({ ...pair, ids: { ...idsOf(pair.new), was: pair.old.slot } }));
  const verdicts = changes.flatMap(({ ids, old: before, new: after }) =>
    before.verdict === after.verdict
      ? []
      : [{ ...ids, bridge: isBridgeData(after), from: before.verdict, to: after.verdict }],
  );
  const findings = diffFindings(old.audit, now.audit, match);
  const grave = [...findings.new, ...findings.changed.filter(isGraver)].filter(
    ({ severity }) => failOn !== 'never' && rank(severity) <= rank(failOn),
  );
  return {
    schema: 'shootdown.report-diff/1',
    for: now.audit.for,
    old: sideOf(old),
    new: sideOf(now),
    worse: {
      live: [
        ...verdicts.filter(({ to, bridge }) => to === 'live' && !bridge),
        ...appeared.filter(isLiveEndpoint),
      ].map(({ slot }) => slot),
      findings: [...new Set(grave.map(({ id }) => id))].sort(),
    },
    verdicts,
    appeared: appeared.map(oneSided),
    gone: gone.map(oneSided),
    moved: changes.flatMap(({ ids }) => (ids.slot === ids.was ? [] : [ids])),
    decisions: changes.flatMap(({ ids, old: before, new: after }) => {
      const [from, to] = [decisionOf(before), decisionOf(after)];
      return from.action === to.action && from.rule === to.rule ? [] : [{ ...ids, from, to }];
    }),
    drivers: changes.flatMap(({ ids, old: before, new: after }) =>
      before.driverKnown && after.driverKnown && before.driver !== after.driver
        ? [{ ...ids, from: before.driver, to: after.driver }]
        : [],
    ),
    findings,
    machine: diffMachine(old.audit.machine, now.audit.machine),
  };
}

/** True where nothing that is told became different. */
export function isSame({ verdicts, appeared, gone, moved, decisions, drivers, findings, machine }: DiffData) {
  const lists = [verdicts, appeared, gone, moved, decisions, drivers, ...Object.values(findings), machine];
  return lists.every(({ length }) => length === 0);
}

const isLiveEndpoint = (fn: AuditedFunctionData) => fn.verdict === 'live' && !isBridgeData(fn);
const rank = (severity: Severity) => SEVERITIES.indexOf(severity);
const isGraver = ({ from, severity }: DiffData['findings']['changed'][number]) => rank(severity) < rank(from);

function idsOf({ slot, vendor, device, class: code, driver }: AuditedFunctionData) {
  return { slot, vendor, device, class: code, driver };
}

function decisionOf({ policy: { action, rule } }: AuditedFunctionData) {
  return { action, rule };
}

function oneSided(fn: AuditedFunctionData): DiffData['gone'][number] {
  return { ...idsOf(fn), verdict: fn.verdict, policy: decisionOf(fn) };
}

function sideOf({ name, audit }: DiffSide): DiffData['old'] {
  const count = (severity: Severity) => audit.findings.filter((one) => one.severity === severity).length;
  return {
    name,
    host: audit.host,
    policy: audit.policy,
    functions: audit.functions.length,
    live: audit.functions.filter(isLiveEndpoint).length,
    findings: { error: count('error'), warning: count('warning'), info: count('info') },
  };
}

function diffFindings(old: AuditData, now: AuditData, match: FunctionMatch): DiffData['findings'] {
  const places = placesOf(match);
  const left = new Map<string, FindingData[]>();
  for (const finding of old.findings) {
    const key = `${finding.id} ${places.old(finding.slot)}`;
    left.set(key, [...(left.get(key) ?? []), finding]);
  }
  const found: FindingData[] = [];
  const changed: DiffData['findings']['changed'][number][] = [];
  for (const finding of now.findings) {
    const before = left.get(`${finding.id} ${places.new(finding.slot)}`)?.shift();
    if (!before) found.push(finding);
    else if (before.severity !== finding.severity)
      changed.push({ ...findingOf(finding), from: before.severity });
  }
  const over = new Set([...left.values()].flat());
  return {
    new: found.map(findingOf),
    gone: old.findings.filter((finding) => over.has(finding)).map(findingOf),
    changed,
  };
}

/**
 * What a finding is of, in words that are the same for a function that both sides have, and for nothing else: its slot
 * may be another's on the other side.
 */
function placesOf({ both, gone, appeared }: FunctionMatch) {
  const old = new Map<Slot | null, string>([[null, 'machine']]);
  const now = new Map(old);
  for (const pair of both) {
    old.set(pair.old.slot, `at ${pair.new.slot}`);
    now.set(pair.new.slot, `at ${pair.new.slot}`);
  }
  for (const { slot } of gone) old.set(slot, `gone from ${slot}`);
  for (const { slot } of appeared) now.set(slot, `new at ${slot}`);
  // A file may tell of functions that it does not list.
  const placeIn = (places: ReadonlyMap<Slot | null, string>) => (slot: Slot | null) =>
    places.get(slot) ?? `not listed ${slot}`;
  return { old: placeIn(old), new: placeIn(now) };
}

function findingOf({ id, slot, severity, title, evidence }: FindingData) {
  return { id, slot, severity, title, evidence };
}

/** Whether the machine was running says something of the audit, not of the machine. */
const FACTS = [
  'hostname',
  'kernel',
  'lockdown',
  'iommu',
  'captureKernelLoaded',
  'captureKernelProtected',
  'kexecKernelLoaded',
] as const;

function diffMachine(old: AuditData['machine'], now: AuditData['machine']): DiffData['machine'] {
  return FACTS.map((fact) => ({ fact, from: old[fact] ?? null, to: now[fact] ?? null })).filter(
    ({ from, to }) => from !== to,
  );
}
