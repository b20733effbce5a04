import { compareSlots, parseSlot, type Slot, slotParts } from '../../pci/slot.js';
import type { FunctionResult } from '../../quiesce/journal.js';
import type { Place } from '../../quiesce/policy.js';
import type { Faults } from '../description.js';
import type { JumpResult, JumpVerdict, LostDevice, Stage } from '../jump/result.js';
import type { PlaceRecord, PlayedJump } from '../policies/play.js';
import { turnsTaken } from '../policies/record-gaps.js';

// What a soak holds ours to: no harm by a function that the record says is stopped or that it does not mention, once
// the walk was over, and nothing said that is not so. What no register write can cure excuses a harm, and is named.

/** Why harm is not held against ours. */
export const EXCUSES = {
  'too-early': 'it happened before ours had its turn',
  'said-live': 'the record says of the function that it is live, left alone, or not to be told',
  'given-back': 'somebody else gave the function BME or INTx back, and it was gated, not reset: it may go on',
  'no-intx-disable': 'the record says that INTx-disable did not stick: a PCI 2.2 function',
  unreachable: 'the function lies in a PCI segment that ports CF8 and CFC do not reach',
  'time-over':
    'the record says that the time to look for functions was over, and it was; the function comes after those that can be looked at by then',
  platform: 'no function did it: an interrupt controller’s own writes, a timer, a processor',
  'ignores-bme': 'the function goes on with its own BME clear, which no register of it can stop',
  'falls-off': 'the function falls off the bus sooner or later: there is nothing that could be written to',
  'slow-disk':
    'a disk controller was still at commands when ours had its turn, and wants a reset; that it is slow was a fault of its own',
  'remote-irr':
    'a kernel of 2006 does not end what an interrupt controller still holds, which is no register of a function',
  'driver-wants-idle': 'its driver does not take a device that was not reset; gating does not reset',
  'shared-line': 'its line was given up for what another function did, which is judged by itself',
  'kernel-did-it': 'a kernel cleared the BME in question, or nobody did, and no shootdown',
} as const;
export type Excuse = keyof typeof EXCUSES;

const PLACE_OF: Partial<Record<Stage, Place>> = { before: 'before', stub: 'between', after: 'after' };

export interface Judgement {
  /** What is held against ours, a line each; none if all is well. */
  readonly violations: readonly string[];
  readonly excuses: ReadonlySet<Excuse>;
  /** What was excused, a line each. */
  readonly excused: readonly string[];
  /** The same, for those who sort it. */
  readonly harms: readonly ExcusedHarm[];
}

/** Harm that is not held against ours. */
export interface ExcusedHarm {
  /** With the function that did it, if one did. */
  readonly what: string;
  readonly excuse: Excuse;
  /** What it is a part of; `null` for what changed no verdict. */
  readonly verdict: JumpVerdict | null;
}

/** Something that a function did, in words after its slot. */
interface Harm extends Pick<ExcusedHarm, 'what' | 'verdict'> {
  /** The same of a function that nobody had touched yet. */
  readonly early?: string;
  readonly by?: 'line' | 'request';
}

/** What a record says of a function; `null` for nothing. */
interface Said {
  readonly claim: FunctionResult | null;
  readonly record: PlaceRecord;
}

/** What a stub's record does not mention was quiet. */
const UNSAID = { verdict: 'quiet', outcome: 'exempt' } as const;

function claimWords({ claim, record }: Said): string {
  if (claim === null) return 'the record does not mention it';
  const { verdict, outcome, reason } = claim;
  return `is said to be ${verdict} (${record.place}: ${outcome}${reason ? `: ${reason}` : ''})`;
}

/** Judges ours by what it said of each function and by what came of the jump. */
export function judgeOurs(played: PlayedJump): Judgement {
  return new Judge(played).judge();
}

class Judge {
  readonly #played: PlayedJump;
  readonly #result: JumpResult;
  /** By function, what was said of it in each place, in order. */
  readonly #claims = new Map<Slot, Said[]>();
  readonly #violations: string[];
  readonly #excuses = new Set<Excuse>();
  /** By its line. */
  readonly #excused = new Map<string, ExcusedHarm>();

  constructor(played: PlayedJump) {
    this.#played = played;
    this.#result = played.result;
    this.#violations = [...played.untrue];
    for (const record of played.records) {
      for (const claim of record.functions) {
        const said = this.#claims.get(claim.slot);
        if (said) said.push({ claim, record });
        else this.#claims.set(claim.slot, [{ claim, record }]);
      }
    }
  }

  judge(): Judgement {
    this.#missing();
    this.#endedEarly();
    this.#writes();
    this.#hang();
    const { storms, lost, faults, wantedLost, corrupted } = this.#result;
    for (const { line, slots, tick } of storms) {
      if (slots.length === 0) this.#violations.push(`line ${line} was given up, and nobody had asserted it`);
      for (const slot of slots) {
        const what = `asserts line ${line}, which is given up`;
        this.#blame(slot, tick, { verdict: 'irq-storm', what, by: 'line' });
      }
    }
    for (const one of lost) this.#lost(one);
    for (const { slot } of faults)
      this.#blame(slot, this.#played.log.lastStopped(slot) ?? 0, {
        ...{ verdict: 'faulted', what: 'still sends requests that the IOMMU stops' },
        early: 'sent requests that the IOMMU stopped',
      });
    for (const { slot, by } of wantedLost) this.#wanted(slot, by);
    if (corrupted.some(({ writers }) => writers.includes('platform')))
      this.#excuse('platform', 'the interrupt controller wrote', 'corrupted');
    return {
      violations: [...new Set(this.#violations)],
      excuses: this.#excuses,
      excused: [...this.#excused.keys()],
      harms: [...this.#excused.values()],
    };
  }

  /** Ours had its turn in this place, and says nothing. */
  #missing(): void {
    const recorded = this.#played.records.map(({ place }) => place);
    for (const place of turnsTaken(this.#played))
      if (!recorded.includes(place)) this.#violations.push(`${place}: ours had its turn, and left no record`);
  }

  /** Only time that has passed ends a walk early: no policy that is judged asks for another end. */
  #endedEarly(): void {
    for (const { place, end, timeOver } of this.#played.records)
      if (end !== 'complete' && !timeOver)
        this.#violations.push(`${place}: the record says that it ended early (${end}), and it had time`);
  }

  /** Any write that got through, whether or not it hit anything. */
  #writes(): void {
    const seen = new Set<Slot>();
    for (const { slot, tick, broke } of this.#result.writes) {
      if (seen.has(slot)) continue;
      const harm: Harm =
        broke === null
          ? { verdict: null, what: 'still writes', early: 'wrote' }
          : {
              ...{ verdict: 'corrupted', what: `still writes, and hits ${broke}` },
              early: `wrote, and hit ${broke}`,
            };
      if (this.#blame(slot, tick, harm)) seen.add(slot);
    }
  }

  #hang(): void {
    const { stuckOn, endTick, verdicts } = this.#result;
    // What did not verify was hit by somebody, whom the writes name.
    if (stuckOn === null || !verdicts.includes('hung')) return;
    const slots = stuckOn.slots.map((text) => parseSlot(text)).filter((slot) => slot !== undefined);
    const { log, bridges } = this.#played;
    const what = `has a part in a hang: ${stuckOn.on}`;
    if (slots.length === 0) this.#excuse('platform', stuckOn.on, 'hung');
    const ignores = slots.find((slot) => this.#faults(slot).ignoreBme);

    const gone = slots.find((slot) => this.#fallsOff(slot));
    if (ignores) this.#excuse('ignores-bme', `${ignores} ${what}`, 'hung');
    if (gone) this.#excuse('falls-off', `${gone} ${what}`, 'hung');
    const closedByOthers = slots.some((slot) => bridges.has(slot) && !log.gatedByUs(slot, endTick));
    // The processor's own access, refused by a bridge that somebody else closed, is nobody else's doing.
    const access = closedByOthers && stuckOn.cause === 'access-refused';
    const starved = stuckOn.cause === 'awaits-dma';
    for (const slot of ignores || gone ? [] : slots) {
      const ours = log.gatedByUs(slot, endTick);
      // A bridge refuses what whoever closed it wanted refused; what it refuses is another function's.
      if (access || (bridges.has(slot) && !ours)) this.#excuse('kernel-did-it', `${slot} ${what}`, 'hung');
      else if (starved && ours) this.#violations.push(`${slot} ${what}; a shootdown gated it`);
      else if (!this.#atWork()) this.#blame(slot, endTick, { verdict: 'hung', what });
      else if (closedByOthers) this.#excuse('kernel-did-it', `${slot} ${what}`, 'hung');
      else if (!slots.some((one) => log.gatedByUs(one, endTick)))
        this.#excuse('too-early', `${slot} ${what}`, 'hung');
      else this.#violations.push(`${slot} ${what}, while ours was at work`);
    }
  }

  /** It ended in a place of ours, before that was over. */
  #atWork(): boolean {
    const place = PLACE_OF[this.#result.reached];
    return place !== undefined && this.#played.records.every((record) => record.place !== place);
  }

  #lost({ slot, driver, cause, why }: LostDevice): void {
    const { log, above } = this.#played;
    const what = `${slot} is lost to ${driver}: ${why}`;
    const said = this.#claims.get(slot) ?? [];
    const gate = log.firstGate(slot);
    const closed = (above.get(slot) ?? []).some((bridge) => log.firstGate(bridge) === 'ours');
    // A bridge that closed behind a function that somebody else had stopped cannot have hurt it.
    const touched = gate === 'ours' || (gate === null && said.at(-1)?.claim?.verdict === 'live' && closed);
    const excuse = (): Excuse | null => {
      if (cause === 'line-given-up') return 'shared-line';
      if (cause === 'no-vector') return 'platform';
      if (this.#played.era === '2006' && cause === 'never-served') return 'remote-irr';
      if (!touched || this.#played.wedged.has(slot)) return 'kernel-did-it';
      if (this.#fallsOff(slot)) return 'falls-off';
      if (this.#faults(slot).ignoreBme) return 'ignores-bme';
      if (cause === 'busy' && !said.some(({ claim }) => claim?.verdict === 'stopped'))
        return 'driver-wants-idle';
      return this.#isSlow(slot) && cause === 'wedged' ? 'slow-disk' : null;
    };
    const found = excuse();
    if (found) this.#excuse(found, what, 'device-lost');
    else this.#violations.push(`${what}; a shootdown had gated it or a bridge above`);
  }

  #wanted(slot: Slot, by: Slot): void {
    if (!this.#played.log.gatedByUs(by, this.#result.endTick))
      this.#excuse('kernel-did-it', `${slot}: its DMA was wanted, and ${by} refuses it`, 'wanted-dma-lost');
    else this.#violations.push(`${slot}: its DMA was wanted, and a shootdown cleared BME of ${by}`);
  }

  /**
   * What each place says of a function has to hold from the end of its walk on: what a later place says takes nothing
   * back. True if it is settled once and for all.
   */
  #blame(slot: Slot, tick: number, { what, early = what, verdict, by = 'request' }: Harm): boolean {
    const { records } = this.#played;
    const over = records.filter((record) => record.tick < tick);
    if (over.length === 0) {
      this.#excuse('too-early', `${slot} ${early}`, verdict);
      return false;
    }
    const said = this.#claims.get(slot)?.filter(({ record }) => record.tick < tick) ?? [];
    const last = over.at(-1) as PlaceRecord;
    const held = (said.length > 0 ? said : [{ claim: null, record: last }]).filter((one) => {
      const excuse = this.#excuseFor(one, slot, tick, by);
      const claim = claimWords(one);
      if (excuse) this.#excuse(excuse, `${slot} ${what}, ${claim}`, verdict);
      else this.#violations.push(`${slot} ${what}, and ${claim}`);
      return excuse === null;
    });
    return held.length > 0 || over.length === records.length;
  }

  #excuseFor({ claim, record }: Said, slot: Slot, tick: number, by: 'line' | 'request'): Excuse | null {
    const { verdict, outcome } = claim ?? UNSAID;
    const { log } = this.#played;
    if (verdict === 'live' || verdict === 'unknown') return 'said-live';
    if (this.#faults(slot).ignoreBme) return 'ignores-bme';
    const released = log.releasedAfter(slot, record.tick);
    if (verdict !== 'stopped' && released !== null && released <= tick) return 'given-back';
    const partly = outcome === 'partial' || outcome === 'timeout';
    if (partly && by === 'line' && log.lacksIntxDisable(slot)) return 'no-intx-disable';
    if (claim !== null) return null;
    if (this.#cannotReach(slot)) return 'unreachable';
    const { timeOver, reach } = record;
    return timeOver && reach !== null && compareSlots(reach, slot) <= 0 ? 'time-over' : null;
  }

  #faults(slot: Slot): Faults {
    return this.#played.faults.get(slot) ?? {};
  }

  #fallsOff(slot: Slot): boolean {
    const { allOnesAfterReads, vanishOnWrite } = this.#faults(slot);
    return allOnesAfterReads !== undefined || (vanishOnWrite ?? false);
  }

  #isSlow(slot: Slot): boolean {
    const { lateCompletionTicks, pendingForever } = this.#faults(slot);
    return lateCompletionTicks !== undefined || (pendingForever ?? false);
  }

  #excuse(excuse: Excuse, what: string, verdict: JumpVerdict | null): void {
    this.#excuses.add(excuse);
    this.#excused.set(`${what}: ${excuse}`, { what, excuse, verdict });
  }

  #cannotReach(slot: Slot): boolean {
    return slotParts(slot).domain !== 0 && this.#played.records.every(({ place }) => place === 'between');
  }
}
