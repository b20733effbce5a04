import { FINDINGS, type Finding } from '../../quiesce/findings.js';
import { HAZARDS } from '../../quiesce/hazards.generated.js';
import { findingGroups, placesText } from '../finding-groups.js';
import { shown } from './text.js';
import type { FindingView } from './view.js';

/** Findings of one id and severity together, the gravest first, as in the text of an audit. */
export function findingViews(findings: readonly Finding[]): readonly FindingView[] {
  return findingGroups(findings).map(({ first, all, advice }) => ({
    id: first.id,
    severity: first.severity,
    title: shown(first.title),
    meaning: FINDINGS[first.id].meaning,
    advice: advice.map(({ text, of }) => ({
      places: advice.length > 1 ? placesText(of) : '',
      text: shown(text),
    })),
    cases: all.map(({ slot, evidence }) => ({ slot, evidence: shown(evidence) })),
    hazards: first.hazards.map((id) => ({ id, ...HAZARDS[id] })),
  }));
}
