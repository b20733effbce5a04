import { FINDINGS, type Finding, SEVERITIES } from '../../quiesce/findings.js';
import { HAZARDS } from '../../quiesce/hazards.generated.js';
import { shown } from './text.js';
import type { FindingGroup } from './view.js';

/** Findings of one id and severity together, the gravest first, as in the text of an audit. */
export function findingGroups(findings: readonly Finding[]): readonly FindingGroup[] {
  const groups = new Map<string, Finding[]>();
  for (const finding of findings) {
    const key = `${SEVERITIES.indexOf(finding.severity)} ${finding.id}`;
    const group = groups.get(key);
    if (group) group.push(finding);
    else groups.set(key, [finding]);
  }
  return [...groups.keys()].sort().flatMap((key) => {
    const cases = groups.get(key) ?? [];
    const [first] = cases;
    if (!first) return [];
    return [
      {
        id: first.id,
        severity: first.severity,
        title: shown(first.title),
        meaning: FINDINGS[first.id].meaning,
        advice: shown(first.advice),
        cases: cases.map(({ slot, evidence }) => ({ slot, evidence: shown(evidence) })),
        hazards: first.hazards.map((id) => ({ id, ...HAZARDS[id] })),
      },
    ];
  });
}
