import type { JumpPath } from '../../quiesce/findings.js';
import type { SimFunction } from '../functions/function.js';
import type { SimMachine } from '../machine.js';
import type { DumpSaver } from './dump.js';
import { lostProblem } from './lost.js';
import type { NextImage } from './next-image.js';
import {
  type CorruptedPage,
  JUMP_VERDICTS,
  type JumpResult,
  type JumpVerdict,
  type LostDevice,
  type RefusedWrites,
  type Stage,
} from './result.js';
import type { JumpWatch } from './watch.js';

/** What is there to judge by once a jump is over, however it ended. */
export interface Evidence {
  readonly machine: SimMachine;
  readonly path: JumpPath;
  readonly watch: JumpWatch;
  /** `null` if the jump never came to load one. */
  readonly image: NextImage | null;
  readonly dump: DumpSaver | null;
  readonly reached: Stage;
  /** What stopped it, as words after "stuck on"; `hung`: it was the processor, not a check that failed. */
  readonly stuckOn: JumpResult['stuckOn'];
  /** Functions that the next kernel has a driver for. */
  readonly expected: readonly SimFunction[];
  readonly interruptsUnclaimed: number;
  readonly jumpTick: number;
  readonly runningTick: number | null;
  readonly startTick: number;
}

/** Says what became of a jump, by what was seen from outside and by what memory holds. */
export function judge(evidence: Evidence): JumpResult {
  const { machine, watch, stuckOn } = evidence;
  const corrupted = corruptedPages(evidence);
  const dump = evidence.dump?.result((page) => watch.blame(page, 'dump')) ?? null;
  const lost = lostDevices(evidence);
  const wantedLost = lostWanted(evidence);
  const found: Readonly<Record<Exclude<JumpVerdict, 'clean'>, boolean>> = {
    hung: stuckOn !== null && stuckOn.cause !== 'not-as-loaded',
    corrupted: corrupted.length > 0 || (dump?.torn.length ?? 0) > 0,
    'irq-storm': watch.storms.length > 0,
    'device-lost': lost.length > 0,
    faulted: watch.faults.length > 0,
    'wanted-dma-lost': wantedLost.length > 0,
  };
  const verdicts = JUMP_VERDICTS.filter((verdict) => verdict !== 'clean' && found[verdict]);
  const { writes, refused, storms, timeline, faults } = watch;
  return {
    path: evidence.path,
    verdict: verdicts[0] ?? 'clean',
    verdicts: verdicts.length > 0 ? verdicts : ['clean'],
    reached: evidence.reached,
    stuckOn: stuckOn && { on: stuckOn.on, slots: stuckOn.slots, cause: stuckOn.cause },
    writes,
    refused,
    corrupted,
    storms,
    lost,
    faults,
    wantedLost,
    interruptsUnclaimed: evidence.interruptsUnclaimed,
    dump,
    timeline,
    jumpTick: evidence.jumpTick,
    runningTick: evidence.runningTick,
    startTick: evidence.startTick,
    endTick: machine.now,
  };
}

function corruptedPages({ machine, watch, image }: Evidence): CorruptedPage[] {
  const { memory } = machine;
  const pages = new Map<number, CorruptedPage>();
  const note = (page: number, region: CorruptedPage['region']) => {
    const blamed = watch.blame(page, region);
    if (!pages.has(blamed.address)) pages.set(blamed.address, blamed);
  };
  for (const region of ['image', 'initramfs'] as const) {
    for (const page of image?.broken(region) ?? []) note(page, region);
  }
  for (const page of memory.alteredPages()) {
    if (memory.owner(page) === 'next-kernel') note(page, 'kernel-memory');
  }
  for (const page of watch.spoiledBuffers) note(page, 'kernel-memory');
  return [...pages.values()].sort((a, b) => a.address - b.address);
}

/**
 * A device works if its driver is bound and an interrupt of it came through; only a kernel that runs can tell. One that
 * hung may have had no time for the first interrupt.
 */
function lostDevices({ machine, watch, expected, runningTick, stuckOn }: Evidence): LostDevice[] {
  if (runningTick === null) return [];
  const lost: LostDevice[] = [];
  const disabled = machine.interrupts.nobodyCared.disabled;
  for (const fn of expected) {
    if (fellOff(fn)) continue;
    const problem = lostProblem(fn, watch, disabled);
    if (problem?.cause === 'never-served' && stuckOn) continue;
    if (problem) lost.push({ slot: fn.slot, driver: fn.description.driver?.name ?? '', ...problem });
  }
  return lost;
}

/** What has left the bus, or is below what has, no jump could have brought back. */
function fellOff(fn: SimFunction): boolean {
  return fn.gone || (fn.parent !== undefined && fellOff(fn.parent));
}

/** Wanted DMA was refused, or nothing of it came once the next kernel ran. */
function lostWanted({ machine, watch, runningTick, stuckOn }: Evidence): readonly RefusedWrites[] {
  const lost = [...watch.wantedRefused];
  if (runningTick === null || stuckOn) return lost;
  for (const fn of machine.functions.values()) {
    if (!fn.description.wanted || fellOff(fn) || lost.some(({ slot }) => slot === fn.slot)) continue;
    const last = watch.wantedLanded.get(fn.slot);
    if (last === undefined || last < runningTick) lost.push({ slot: fn.slot, by: fn.slot, count: 0 });
  }
  return lost;
}
