import { SEVERITIES, type Severity } from '../../quiesce/findings.js';
import type { FleetData } from './fleet-data.js';
import { Intern } from './intern.js';
import { type FunctionKind, kindOf } from './kind.js';
import { DIFFERENCES_MAX, KINDS_MAX, LISTED_MAX, SAMPLE_MAX, SET_CHARACTERS_MAX } from './limits.js';
import { compareText, type First, firstNames, shortName } from './names.js';
import type { FleetAudit, FleetFinding, FleetFunction } from './read-audit.js';

/** A finding of one severity, over all machines. */
interface Tally {
  readonly id: string;
  readonly severity: Severity;
  /** How many findings have each wording: rules and versions word it differently. */
  readonly titles: Map<string, number>;
  readonly advice: Map<string, number>;
  machines: number;
  findings: number;
  readonly names: First<string>;
}

/** The same on functions of one kind. */
interface Part {
  readonly tally: Tally | null;
  readonly kind: FunctionKind | null;
  machines: number;
  findings: number;
}

/** What of a severity, or a graver one, is worth a place among what to mend. */
const MENDED: readonly Severity[] = ['error', 'warning'];

/** Counts findings over machines, and what mending each would do. */
export class Fixes {
  /** At most a thousand ids of three severities each. */
  readonly #tallies = new Map<string, Tally>();
  readonly #parts = new Intern<Part>({ tally: null, kind: null, machines: 0, findings: 0 });
  readonly #partIds = new Set<number>();
  /** Machines by the set of the parts that are to be mended on them. */
  readonly #sets = new Map<string, number>();
  #setCharacters = 0;
  #setless = 0;
  /** Titles and advice that are kept, and findings whose wording is not. */
  #wordings = 0;
  #wordless = 0;

  add(audit: FleetAudit, byKey: ReadonlyMap<number, number>, name: string): void {
    const tallies = new Set<Tally>();
    const parts = new Set<number>();
    for (const finding of audit.findings) {
      const tally = this.#tally(finding);
      tally.findings++;
      tallies.add(tally);
      if (!MENDED.includes(finding.severity)) continue;
      const part = this.#part(tally, audit.functions[byKey.get(finding.key) ?? -1]);
      this.#parts.value(part).findings++;
      parts.add(part);
    }
    for (const tally of tallies) {
      tally.machines++;
      tally.names.add(name);
    }
    if (parts.size === 0) return;
    for (const id of parts) {
      this.#parts.value(id).machines++;
      this.#partIds.add(id);
    }
    const set = [...parts].sort((a, b) => a - b).join(' ');
    const known = this.#sets.get(set);
    if (known === undefined) this.#setCharacters += set.length;
    if (known === undefined && this.#setCharacters > SET_CHARACTERS_MAX) this.#setless++;
    else this.#sets.set(set, (known ?? 0) + 1);
  }

  /** What to mend, and all findings: the gravest and most frequent first. */
  result(leftOut: string[]): Pick<FleetData, 'fixes' | 'findings'> {
    const tallies = [...this.#tallies.values()].sort(
      (a, b) =>
        SEVERITIES.indexOf(a.severity) - SEVERITIES.indexOf(b.severity) ||
        b.machines - a.machines ||
        b.findings - a.findings ||
        compareText(a.id, b.id),
    );
    const mended = tallies.filter(({ severity }) => MENDED.includes(severity));
    const { alone, last, earlier } = this.#clears(mended);
    if (this.#wordless > 0) leftOut.push(`advice: that of ${this.#wordless} findings`);
    if (this.#parts.full) leftOut.push('what to mend: more kinds of functions than are told apart');
    if (this.#setless > 0) leftOut.push(`what mending clears: ${this.#setless} machines are not in it`);
    if (mended.length > LISTED_MAX) leftOut.push(`what to mend: ${mended.length - LISTED_MAX} more`);
    const sums = new Map(earlier);
    const fixes = mended.map((tally) => {
      const { id, severity, titles, machines, findings, names } = tally;
      const [[advice] = [''], ...others] = byFrequency(tally.advice);
      const clearAfter = (sums.get(severity) ?? 0) + (last.get(tally) ?? 0);
      sums.set(severity, clearAfter);
      const counts = { machines, findings, clears: alone.get(tally) ?? 0, clearAfter };
      return {
        id,
        severity,
        title: mostFrequent(titles),
        advice,
        otherAdvice: others
          .slice(0, DIFFERENCES_MAX)
          .map(([text, count]) => ({ advice: text, findings: count })),
        moreAdvice: Math.max(0, others.length - DIFFERENCES_MAX),
        ...counts,
        on: this.#on(tally, alone),
        examples: [...names.list],
      };
    });
    const findings = tallies.map(({ id, severity, titles, machines, findings }) => ({
      id,
      severity,
      title: mostFrequent(titles),
      machines,
      findings,
    }));
    return { fixes: fixes.slice(0, LISTED_MAX), findings };
  }

  /** Machines on which a tally or a part is alone, and those that are clear once all up to a tally are mended. */
  #clears(mended: readonly Tally[]): {
    readonly alone: ReadonlyMap<Tally | Part, number>;
    readonly last: ReadonlyMap<Tally, number>;
    /** Those that need nothing of a severity, only of graver ones. */
    readonly earlier: ReadonlyMap<Severity, number>;
  } {
    const rank = new Map(mended.map((tally, at) => [tally, at]));
    const alone = new Map<Tally | Part, number>();
    const last = new Map<Tally, number>();
    const earlier = new Map<Severity, number>();
    const count = <K>(map: Map<K, number>, key: K, machines: number) =>
      map.set(key, (map.get(key) ?? 0) + machines);
    for (const [set, machines] of this.#sets) {
      const parts = set.split(' ').map((id) => this.#parts.value(Number(id)));
      for (const severity of MENDED) {
        const grave = parts.filter(({ tally }) => tally === null || atLeast(tally.severity, severity));
        const tallies = new Set(grave.map(({ tally }) => tally));
        const [only] = grave;
        if (only?.tally?.severity === severity && tallies.size === 1) {
          count(alone, only.tally, machines);
          if (grave.length === 1) count(alone, only, machines);
        }
        const at = Math.max(...[...tallies].map((tally) => (tally && rank.get(tally)) ?? mended.length));
        const latest = mended[at];
        if (latest?.severity === severity) count(last, latest, machines);
        else if (latest) count(earlier, severity, machines);
      }
    }
    return { alone, last, earlier };
  }

  #on(tally: Tally, alone: ReadonlyMap<Tally | Part, number>): FleetData['fixes'][number]['on'] {
    return [...this.#partIds]
      .map((id) => this.#parts.value(id))
      .filter((part) => part.tally === tally)
      .flatMap((part) => {
        const { kind, machines, findings } = part;
        return kind ? { ...kind, machines, findings, clears: alone.get(part) ?? 0 } : [];
      })
      .sort(
        (a, b) =>
          b.machines - a.machines ||
          b.findings - a.findings ||
          compareText(`${a.vendor}${a.device}${a.class}`, `${b.vendor}${b.device}${b.class}`),
      )
      .slice(0, DIFFERENCES_MAX);
  }

  #tally({ id, severity, title, advice }: FleetFinding): Tally {
    const key = id + severity;
    let tally = this.#tallies.get(key);
    if (!tally) {
      const names = firstNames(SAMPLE_MAX);
      tally = { id, severity, titles: new Map(), advice: new Map(), machines: 0, findings: 0, names };
      this.#tallies.set(key, tally);
    }
    this.#word(tally.titles, shortName(title));
    this.#word(tally.advice, advice.slice(0, ADVICE_MAX));
    return tally;
  }

  #word(wordings: Map<string, number>, text: string): void {
    const known = wordings.get(text);
    if (known === undefined && wordings.size > 0 && this.#wordings >= KINDS_MAX) {
      this.#wordless++;
      return;
    }
    if (known === undefined) this.#wordings++;
    wordings.set(text, (known ?? 0) + 1);
  }

  #part(tally: Tally, fn: FleetFunction | undefined): number {
    const kind = fn ? `${fn.vendor} ${fn.device} ${fn.classCode}` : '';
    return this.#parts.id(`${tally.id} ${tally.severity} ${kind}`, () => ({
      tally,
      kind: fn ? kindOf(fn) : null,
      machines: 0,
      findings: 0,
    }));
  }
}

const ADVICE_MAX = 400;

function byFrequency(wordings: ReadonlyMap<string, number>): [text: string, findings: number][] {
  return [...wordings].sort(([a, most], [b, least]) => least - most || compareText(a, b));
}
const mostFrequent = (wordings: ReadonlyMap<string, number>): string => byFrequency(wordings)[0]?.[0] ?? '';
const atLeast = (severity: Severity, least: Severity): boolean =>
  SEVERITIES.indexOf(severity) <= SEVERITIES.indexOf(least);
