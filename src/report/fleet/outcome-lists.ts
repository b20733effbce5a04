import type { Slot } from '../../pci/slot.js';
import type { FleetData } from './fleet-data.js';
import { kindOf } from './kind.js';
import { DIFFERENCES_MAX, LISTED_MAX } from './limits.js';
import { compareText, First, shortName } from './names.js';
import { type Assessment, OUTCOMES, type Outcome } from './outcome.js';
import type { FleetAudit, FleetFunction } from './read-audit.js';

type Listed = FleetData['outcomes'][number]['listed'][number];

interface Entry {
  readonly machine: string;
  readonly exposed: number;
  readonly curable: number;
  /** Made once the machine is among the first. */
  listed: Listed | null;
}

/** The machines of each outcome: how many, and the worst. */
export class OutcomeLists {
  readonly #counts = new Map<Outcome, number>();
  readonly #worst = new Map<Outcome, First<Entry>>(
    OUTCOMES.map((outcome) => [
      outcome,
      new First<Entry>(outcome === 'ready' ? 0 : LISTED_MAX, compareEntries),
    ]),
  );

  add(one: {
    readonly machine: string;
    readonly place: string;
    readonly audit: FleetAudit;
    readonly assessment: Assessment;
  }): void {
    const { outcome, exposed, curable } = one.assessment;
    this.#counts.set(outcome, (this.#counts.get(outcome) ?? 0) + 1);
    const list = this.#worst.get(outcome);
    const entry: Entry = {
      machine: one.machine,
      exposed: exposed.length,
      curable: curable.length,
      listed: null,
    };
    if (outcome === 'ready' || !list?.wants(entry)) return;
    entry.listed = listed(one);
    list.add(entry);
  }

  result(): FleetData['outcomes'] {
    return OUTCOMES.map((outcome) => {
      const machines = this.#counts.get(outcome) ?? 0;
      const worst = (this.#worst.get(outcome)?.list ?? []).flatMap((entry) => entry.listed ?? []);
      return { outcome, machines, listed: worst, more: outcome === 'ready' ? 0 : machines - worst.length };
    });
  }
}

function compareEntries(a: Entry, b: Entry): number {
  return b.exposed - a.exposed || b.curable - a.curable || compareText(a.machine, b.machine);
}

function listed({
  machine,
  place,
  audit: { functions },
  assessment: { exposed, curable, unread },
}: {
  readonly machine: string;
  readonly place: string;
  readonly audit: FleetAudit;
  readonly assessment: Assessment;
}): Listed {
  const named = exposed.map(({ index, why }) => ({ fn: functions[index] as FleetFunction, why }));
  for (const index of curable) {
    const fn = functions[index] as FleetFunction;
    named.push({ fn, why: `rule ${fn.rule} would ${fn.action} it` });
  }
  if (named.length === 0 && unread > 0) {
    for (const fn of functions) {
      if (fn.presence === 'all-ones' || fn.presence === 'unreadable') named.push({ fn, why: fn.presence });
    }
  }
  return {
    machine,
    place,
    functions: named.slice(0, DIFFERENCES_MAX).map(({ fn, why }) => ({
      slot: fn.slot as Slot,
      ...kindOf(fn),
      driver: fn.driver === undefined || fn.driver === null ? null : shortName(fn.driver),
      why: shortName(why),
    })),
    more: Math.max(0, named.length - DIFFERENCES_MAX),
  };
}
