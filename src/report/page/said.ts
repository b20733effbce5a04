import type { FunctionFacts, MachineFacts } from '../../host/facts.js';
import type { Audit, AuditedFunction } from '../../quiesce/audit.js';
import type { AuditData, AuditedFunctionData } from '../../quiesce/audit-data.js';
import { FINDINGS, type Finding, type FindingId } from '../../quiesce/findings.js';
import { HAZARDS, type HazardId } from '../../quiesce/hazards.generated.js';

/**
 * An audit made again of the machine in a file, with what the file says in place of what would be said now: findings,
 * decisions and facts. Findings that this version does not know are counted in a note.
 */
export function asSaid(again: Audit, said: AuditData): Audit {
  const functions = new Map(said.functions.map((fn) => [fn.slot, fn]));
  const findings = said.findings.flatMap(findingSaid);
  const known = new Map(
    findings.filter(({ id }) => id === 'SD001').map(({ slot, severity }) => [slot, severity]),
  );
  const unknown = said.findings.length - findings.length;
  return {
    ...again,
    host: said.host,
    policy: said.policy,
    functions: again.functions.map((audited): AuditedFunction => {
      const fn = functions.get(audited.node.function.slot);
      if (!fn) return audited;
      const facts = { ...audited.facts, ...factsSaid(fn) };
      const severity = said.for === 'normal' ? known.get(fn.slot) : undefined;
      // The file tells by its finding whether the kernel knew the power state, on which the headline depends.
      const neverCleared = severity === undefined ? audited.neverCleared : severity === 'error';
      return { ...audited, facts, verdict: fn.verdict, decision: fn.policy, neverCleared };
    }),
    findings,
    machineFacts: withoutNull(said.machine) as MachineFacts,
    notes: [
      ...said.notes,
      ...(unknown > 0 ? [`${unknown} findings of another version are not shown: audit with this one`] : []),
    ],
  };
}

function factsSaid({ iommuGroup, iommuDomain, numaNode, resetMethods }: AuditedFunctionData): FunctionFacts {
  return withoutNull({ iommuGroup, iommuDomain, numaNode, resetMethods }) as FunctionFacts;
}

function withoutNull(values: object): object {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null));
}

function findingSaid(finding: AuditData['findings'][number]): Finding[] {
  const { id, hazards } = finding;
  if (!isFindingId(id)) return [];
  return [{ ...finding, id, hazards: hazards.map((one) => one.id).filter(isHazardId) }];
}

const isFindingId = (id: string): id is FindingId => Object.hasOwn(FINDINGS, id);
const isHazardId = (id: string): id is HazardId => Object.hasOwn(HAZARDS, id);
