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
  /** Functions that the outcome is about. */
  readonly named: number;
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
    const { outcome, named } = one.assessment;
    this.#counts.set(outcome, (this.#counts.get(outcome) ?? 0) + 1);
    const list = this.#worst.get(outcome);
    const entry: Entry = { machine: one.machine, named: named.length, listed: null };
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
  return b.named - a.named || compareText(a.machine, b.machine);
}

function listed({
  machine,
  place,
  audit: { functions },
  assessment: { named },
}: {
  readonly machine: string;
  readonly place: string;
  readonly audit: FleetAudit;
  readonly assessment: Assessment;
}): Listed {
  return {
    machine,
    place,
    functions: named.slice(0, DIFFERENCES_MAX).map(({ index, why }) => {
      const fn = functions[index] as FleetFunction;
      return {
        slot: fn.slot as Slot,
        ...kindOf(fn),
        driver: fn.driver === undefined || fn.driver === null ? null : shortName(fn.driver),
        why: shortName(why),
      };
    }),
    more: Math.max(0, named.length - DIFFERENCES_MAX),
  };
}
