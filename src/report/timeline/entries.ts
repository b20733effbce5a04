import type { RecordedJump } from './recorded.js';
import { ENTRIES_MAX, type MarkKind, type StoryEntry, type StoryStage, shortSlot } from './story.js';

type Told = RecordedJump['timeline'][number];

/** The words with which a stage begins, and its name in the picture. */
const STAGES: readonly (readonly [RegExp, string])[] = [
  [/^the old kernel is told to jump/, 'old kernel'],
  [/^the old kernel shuts its drivers down/, 'shutdown'],
  [/^the old kernel panics/, 'panic'],
  [/^the old kernel is gone/, 'copy'],
  [/^purgatory looks/, 'purgatory'],
  [/^the stub runs/, 'stub'],
  [/^the next kernel unpacks itself/, 'decompress'],
  [/^its first instructions run/, 'early'],
  [/^it looks for devices/, 'enumerate'],
  [/^it unpacks its initramfs/, 'initramfs'],
  [/^its initramfs runs/, 'userspace'],
  [/^it binds its drivers/, 'drivers'],
  [/^it runs\b/, 'running'],
  [/^it reboots/, 'reboot'],
];

/** What a line of a timeline is about; the first that fits. */
const KINDS: readonly (readonly [RegExp, MarkKind])[] = [
  [/^stuck on /, 'hang'],
  [/, which breaks /, 'hit'],
  [/^goes on writing: /, 'stray'],
  [/^its DMA is wanted, and goes on: /, 'work'],
  [/ is refused: /, 'refused'],
  [/^the IOMMU stops /, 'stopped'],
  [/^nobody cared: /, 'storm'],
  [/ cannot be bound: | hangs: |^no dump: |^its DMA was wanted and is lost/, 'lost'],
  [/ is bound$| waits .* for a hot-plug command/, 'driver'],
  [/\bdump is saved\b/, 'dump'],
  [/ turns .*\bbus mastering off\b/, 'gate'],
  [/ turns .*\bbus mastering on\b/, 'open'],
  [/ turns (?:INTx|MSI|virtual)/, 'config'],
  [/^(?:Unsupported Request|Poisoned TLP|Completion Timeout|Unexpected Completion)\b/, 'error'],
  [/\binterrupt|\bline \d|Remote IRR|^disable_irq|^end for line/, 'interrupt'],
];

function stageName({ slot, text }: Told): string | undefined {
  return slot === null ? STAGES.find(([begins]) => begins.test(text))?.[1] : undefined;
}

export function kindOf(told: Told): StoryEntry['kind'] {
  if (stageName(told) !== undefined) return 'stage';
  return KINDS.find(([about]) => about.test(told.text))?.[1] ?? 'note';
}

/** The stages that took any time, one after the other; the last where it stopped before any did. */
export function stagesOf({ timeline, jumpMs, endMs }: RecordedJump): StoryStage[] {
  const begun = timeline.flatMap((told) => {
    const name = stageName(told);
    return name === undefined ? [] : [{ startMs: told.ms - jumpMs, name, text: told.text }];
  });
  const end = endMs - jumpMs;
  const stages = begun.map((stage, i) => ({ ...stage, endMs: Math.min(end, begun[i + 1]?.startMs ?? end) }));
  const long = stages.filter(({ startMs, endMs }) => endMs > startMs);
  return (long.length > 0 ? long : stages.slice(-1)).slice(0, STAGES_MAX);
}

/** A jump has fourteen at most, and each of them once. */
const STAGES_MAX = 20;

const SLOTS_NAMED = 3;

/** What is told of a jump: the same of several functions between two stages is one line. */
export function entriesOf(jump: RecordedJump): StoryEntry[] {
  const lines: (Told & { readonly slots: string[] })[] = [];
  const same = new Map<string, string[]>();
  for (const told of [...jump.timeline, ...lostLines(jump)]) {
    const { slot, text, times = 1 } = told;
    const key = times > 1 ? `${text} (${times} times)` : text;
    if (slot === null) same.clear();
    const slots = slot === null ? undefined : same.get(key);
    if (slot !== null && slots) {
      if (!slots.includes(slot)) slots.push(slot);
      continue;
    }
    const line = { ...told, text: key, slots: slot === null ? [] : [slot] };
    if (slot !== null) same.set(key, line.slots);
    lines.push(line);
  }
  const entries = lines.map((line) => ({
    ms: line.ms - jump.jumpMs,
    kind: kindOf(line),
    who: named(line.slots),
    text: line.text,
  }));
  return bounded(entries.sort((a, b) => a.ms - b.ms));
}

/** Nothing happens at the moment in which what should go on does not: it is known at the end. */
function lostLines({ wantedLost, endMs }: RecordedJump): Told[] {
  return wantedLost.map(({ slot, count }) => ({
    ...{ ms: endMs, slot },
    text: `its DMA was wanted and is lost${count === 0 ? '' : `: ${count} requests were refused`}`,
  }));
}

function named(slots: readonly string[]): string {
  const some = slots.slice(0, SLOTS_NAMED).map(shortSlot).join(' ');
  return slots.length > SLOTS_NAMED ? `${some} and ${slots.length - SLOTS_NAMED} more` : some;
}

/** The beginning and the end; a line in between says how many are left out. */
export function bounded(entries: readonly StoryEntry[]): StoryEntry[] {
  if (entries.length <= ENTRIES_MAX) return [...entries];
  const half = Math.floor((ENTRIES_MAX - 1) / 2);
  const left = entries.length - 2 * half;
  const gap: StoryEntry = {
    ...{ ms: entries[half]?.ms ?? 0, kind: 'note' as const, who: '' },
    text: `… ${left} more lines are left out here`,
  };
  return [...entries.slice(0, half), gap, ...entries.slice(-half)];
}
