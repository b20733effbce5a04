import type { Machine } from '../host/scan.js';
import type { PciNames } from '../pci/pci-ids.js';
import { compareSlots, type Slot, slotParts } from '../pci/slot.js';
import type { Decider } from '../quiesce/decide.js';
import type { Data } from '../quiesce/schema-parts.js';
import { busySlots, type LikeMachine } from '../sim/like.js';
import type { PlayedJump } from '../sim/policies/play.js';
import { recordGaps } from '../sim/policies/record-gaps.js';
import { jumpData } from './jump-json.js';
import { whatBroke, writersOf, writersTable } from './jump-text.js';
import { counted, someSlots, whyLive } from './jump-words.js';
import type { simLikeSchema } from './schema/sim.js';
import { paragraph, type Style, table } from './table.js';

/** A crash of a machine like somebody's own, without and with ours. */
export interface LikeStory {
  readonly machine: Machine;
  readonly like: LikeMachine;
  readonly seed: number;
  readonly without: PlayedJump;
  readonly with_: PlayedJump;
  readonly stays: readonly Staying[];
  /** The command that plays it again. */
  readonly again: string;
}

/** A function that the stub did not stop. */
export interface Staying {
  readonly slot: Slot;
  /** It was at work before the jump. */
  readonly busy: boolean;
  /** That came through once the stub was done. */
  readonly writes: number;
  readonly why: string;
}

/** What the stub did not stop, each with the reason, in slot order. */
export function staying(played: PlayedJump, busy: readonly Slot[], decide: Decider): readonly Staying[] {
  const { result, records } = played;
  const over = records.at(-1)?.tick ?? 0;
  const writes = new Map<Slot, number>();
  for (const { slot, tick } of result.writes) if (tick > over) writes.set(slot, (writes.get(slot) ?? 0) + 1);
  const claims = new Map(records.at(-1)?.functions.map((claim) => [claim.slot, claim]));
  const live = [...claims.values()].filter(({ verdict }) => verdict === 'live').map(({ slot }) => slot);
  const untold = busy.filter((slot) => !claims.has(slot));
  const slots = [...new Set([...writes.keys(), ...live, ...untold])].sort(compareSlots);
  return slots.map((slot) => ({
    slot,
    busy: busy.includes(slot),
    writes: writes.get(slot) ?? 0,
    why: whyStays(slot, played, decide),
  }));
}

function whyStays(slot: Slot, { records, log }: PlayedJump, decide: Decider): string {
  const record = records.at(-1);
  const claim = record?.functions.find((one) => one.slot === slot);
  if (!record) return 'the stub left no record';
  if (claim && (claim.verdict === 'live' || claim.verdict === 'unknown')) return whyLive(claim, decide);
  if (claim) {
    const given = log.releasedAfter(slot, record.tick) === null ? '' : ', and the next kernel gave that back';
    return `${claim.verdict}${given}${claim.reason === '' ? '' : `: ${claim.reason}`}`;
  }
  const { domain } = slotParts(slot);
  if (domain !== 0)
    return `out of reach: it lies in PCI segment ${domain.toString(16)}, and ports CF8 and CFC lead to segment 0 only`;
  return record.end === 'complete'
    ? 'the stub does not tell of it: it was quiet then'
    : `the stub does not tell of it: it ended early (${record.end})`;
}

/** For people. */
export function likeText(story: LikeStory, names: PciNames, style: Style): string {
  const { machine, like, seed, without, with_, stays, again } = story;
  const { description } = like;
  const say = (text: string) => paragraph(text, 0, style);
  const hit = ({ result }: PlayedJump, from: number) => {
    const writers = writersOf(result.writes.filter(({ tick }) => tick > from));
    return writers.length > 0 ? [writersTable(writers, machine, names, style)] : [];
  };
  const functions = counted(description.functions.length, 'function', 'functions');
  const busy = counted(busySlots(description).length, 'is at work', 'are at work');
  const carried = description.captureDrivers.join(', ') || 'no driver';
  const over = with_.records.at(-1)?.tick ?? 0;
  const early = with_.result.writes.filter(({ tick }) => tick <= over).length;
  const late = with_.result.writes.length - early;
  const gaps = recordGaps(with_).map((gap) => ` But ${gap}.`);
  const parts = [
    say(
      `A simulated machine with the ${functions} of ${machine.host}; ${busy}. It panics; the capture kernel carries ${carried}. Seed ${seed}.`,
    ),
    '',
    style.bold('Nobody stops a device'),
    say(whatBroke(without.result)),
    ...hit(without, 0),
    '',
    style.bold('The stub runs between the kernels'),
    say(
      `${counted(early, 'write', 'writes')} came through before it was done, ${late} after. ${whatBroke(with_.result)}${gaps.join('')}`,
    ),
    ...hit(with_, over),
    ...(stays.length > 0 ? ['', staysTable(stays, style)] : []),
    '',
    style.dim(say('Simulated: what each function does is guessed from its class, where it writes is drawn.')),
    style.dim(say(`Again: ${again}`)),
  ];
  return `${parts.join('\n')}\n`;
}

/** A line for each that was at work; of the others one for all of which the same is said. */
function staysTable(stays: readonly Staying[], style: Style): string {
  const idle = new Map<string, Slot[]>();
  for (const { slot, busy, why } of stays) if (!busy) idle.set(why, [...(idle.get(why) ?? []), slot]);
  const rows = [
    ...stays.filter(({ busy }) => busy).map(({ slot, why }) => [slot, 'at work', why]),
    ...[...idle].map(([why, slots]) => [someSlots(slots), 'idle', why]),
  ];
  return table([{ title: 'stays live' }, { title: '' }, { title: 'why', flexible: 'wrap' }], rows, style);
}

export function likeJson(
  { machine, like: { description }, seed, without, with_, stays, again }: LikeStory,
  notes: readonly string[],
): Data<typeof simLikeSchema> {
  return {
    schema: 'shootdown.sim-like/1',
    machine: machine.host,
    seed,
    functions: description.functions.length,
    busy: busySlots(description),
    captureDrivers: description.captureDrivers,
    platform: description.platform,
    none: jumpData(without),
    ours: jumpData(with_),
    recordGaps: recordGaps(with_),
    stays,
    notes,
    again,
  };
}
