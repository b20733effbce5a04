import { type Finding, SEVERITIES } from '../quiesce/findings.js';
import { groupedBy } from './grouped-by.js';

/** What is looked at of a finding; its id may be one that this version does not know. */
type Said = Pick<Finding, 'severity' | 'title' | 'advice' | 'slot'> & { readonly id: string };

/** Findings of one id and severity. */
export interface FindingGroup<F> {
  readonly first: F;
  /** In the order in which they were given. */
  readonly all: readonly F[];
  /** What to do, each text with the findings that say it: a rule of the policy can make it another for some. */
  readonly advice: readonly { readonly text: string; readonly of: readonly F[] }[];
}

/** Findings by severity, the gravest first, then by id. Pure. */
export function findingGroups<F extends Said>(findings: readonly F[]): readonly FindingGroup<F>[] {
  const groups = groupedBy(findings, ({ severity, id }) => `${SEVERITIES.indexOf(severity)} ${id}`);
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([, all]) => {
      const [first] = all;
      const advice = [...groupedBy(all, (one) => one.advice)].map(([text, of]) => ({ text, of }));
      return first ? [{ first, all, advice }] : [];
    });
}

/** The slots of some findings, a few by name. */
export function placesText(findings: readonly Pick<Finding, 'slot'>[]): string {
  const slots = findings.flatMap(({ slot }) => (slot === null ? [] : [slot]));
  if (slots.length === 0) return 'the machine';
  if (slots.length <= 5) return slots.join(', ');
  return `${slots.slice(0, 4).join(', ')} and ${slots.length - 4} more`;
}
