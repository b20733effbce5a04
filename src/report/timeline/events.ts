import { PCI_COMMAND, PCI_COMMAND_MASTER } from '../../pci/regs.js';
import { hex } from '../../pci/slot.js';
import { WRITER_WORDS } from '../../sim/events.js';
import { kindOf } from './entries.js';
import type { RecordedEvent, RecordedJump, RecordedPage } from './recorded.js';
import { lookup, type MarkKind } from './story.js';

/** An event before it has its place in the picture. */
export interface SeenEvent {
  /** A slot, `cpu` or `memory:REGION`. */
  readonly lane: string;
  readonly kind: MarkKind;
  readonly ms: number;
  readonly count: number;
  readonly text: string;
}

/** Memory that belongs to the next kernel, by what its owner is called. */
const NEXT_KERNELS: Readonly<Record<string, string>> = {
  'next-kernel-image': 'image',
  'next-kernel-initramfs': 'initramfs',
  'next-kernel': 'kernel-memory',
  staged: 'image',
};
const PAGE_DIGITS = 3;
/** The first stage of which the old kernel is no part. What happens in the same tick is told in order. */
const GONE = /^(?:the old kernel is gone|purgatory looks)/;
const RESET = 'firmware resets the machine';

/** All of a trace that is shown, with its time from the jump's start. What firmware does after a reset is none of it. */
export function eventsOfTrace(jump: RecordedJump, whole: readonly RecordedEvent[]): SeenEvent[] {
  const reset = whole.findIndex(({ kind, text }) => kind === 'stage' && text === RESET);
  const trace = reset < 0 ? whole : whole.slice(0, reset);
  const hits = new HitPages(jump, trace);
  const words = wordsOf(jump);
  const gone = trace.findIndex(({ kind, text = '' }) => kind === 'stage' && GONE.test(text));
  return trace.flatMap((event, at) => seen(event, gone < 0 || at < gone, hits, words));
}

/** Without a trace: the first of each, as the timeline has it, and pages that were hit. */
export function eventsOfTimeline(jump: RecordedJump): SeenEvent[] {
  return jump.timeline.flatMap((told): SeenEvent[] => {
    const kind = kindOf(told);
    if (kind === 'stage' || kind === 'note') return [];
    const one = { kind, ms: told.ms, count: told.times ?? 1, text: told.text };
    if (kind === 'hit') return hitBy(told.slot ?? 'cpu', regionIn(told.text), one.ms, one.text);
    const dump = kind === 'dump' || told.text.startsWith('no dump');
    return [{ ...one, lane: dump ? 'memory:dump' : (told.slot ?? 'cpu') }];
  });
}

function regionIn(text: string): string {
  if (text.endsWith('image')) return 'image';
  if (text.endsWith('initramfs')) return 'initramfs';
  return text.endsWith('the dump') ? 'dump' : 'kernel-memory';
}

/** One in the row of who did it, one in that of what was hit. */
function hitBy(lane: string, region: string, ms: number, text: string): SeenEvent[] {
  const hit = { kind: 'hit' as const, ms, count: 1, text };
  return [
    { ...hit, lane },
    { ...hit, lane: `memory:${region}` },
  ];
}

function seen(
  event: RecordedEvent,
  /** The old kernel is there: it is its DMA. */
  before: boolean,
  hits: HitPages,
  words: ReadonlyMap<string, string>,
): SeenEvent[] {
  const { ms, slot = 'cpu', count = 1 } = event;
  const one = (kind: MarkKind, text = ''): SeenEvent[] => [
    { lane: slot, kind, ms, count, text: text === '' ? '' : (words.get(`${ms} ${slot} ${kind}`) ?? text) },
  ];
  switch (event.kind) {
    case 'dma':
    case 'read-refused':
      if (event.refusedBy != null) return one('refused');
      if (event.faulted) return one('stopped');
      return dma(event, before, hits);
    case 'message':
      return one(event.refusedBy == null ? 'interrupt' : 'refused');
    case 'intx':
      return event.asserted ? one('interrupt') : [];
    case 'config-write':
      return configWrite(event, one);
    case 'platform-write': {
      const region = hits.region('platform', event);
      return region === null ? [] : hitBy('cpu', region, ms, 'the interrupt controller writes');
    }
    case 'error':
      return one('error', 'an uncorrectable error');
    case 'line-disabled': {
      const slots = event.slots ?? [];
      const text = `nobody cared: interrupt line ${event.line ?? '?'} is given up`;
      return ['cpu', ...slots].map((lane) => ({ lane, kind: 'storm', ms, count: 1, text }));
    }
    case 'bound':
      return event.problem == null
        ? one('driver', `${event.driver ?? 'a driver'} is bound`)
        : one('lost', `${event.driver ?? 'a driver'} cannot be bound: ${event.problem.why}`);
    case 'dump': {
      const text = event.text ?? '';
      return [{ lane: 'memory:dump', kind: text.startsWith('no dump') ? 'lost' : 'dump', ms, count, text }];
    }
    case 'hung':
      return [{ lane: 'cpu', kind: 'hang', ms, count: 1, text: `stuck on ${event.on ?? 'something'}` }];
    case 'stage':
      // A check that fails ends a run without a hang.
      return event.text?.startsWith('stuck on ') ? one('hang', event.text) : [];
    default:
      return [];
  }
}

function dma(event: RecordedEvent, before: boolean, hits: HitPages): SeenEvent[] {
  const { ms, slot = 'cpu', owner, address = '' } = event;
  const region = hits.region(slot, event);
  if (region !== null) return hitBy(slot, region, ms, `writes at ${address} (${owner ?? 'no memory'})`);
  const wanted = before || owner === 'next-dma-buffer' || owner === 'preserved';
  return [{ lane: slot, kind: wanted ? 'work' : 'stray', ms, count: 1, text: '' }];
}

function configWrite(
  { offset = 0, width = 0, before = 0, after = 0, by = '' }: RecordedEvent,
  one: (kind: MarkKind, text: string) => SeenEvent[],
): SeenEvent[] {
  const who = lookup(WRITER_WORDS, by) ?? by;
  const digits = 2 * Math.min(8, width);
  const change = `${hex(before, digits)} → ${hex(after, digits)}`;
  if (offset > PCI_COMMAND || offset + width < PCI_COMMAND + 2)
    return one('config', `register ${hex(offset, 3)}: ${change} by ${who}`);
  const mask = PCI_COMMAND_MASTER * 256 ** (PCI_COMMAND - offset);
  const [was, is] = [before, after].map((value) => Math.floor(value / mask) % 2);
  const kind = was === is ? 'config' : is === 1 ? 'open' : 'gate';
  return one(kind, `Command ${change} by ${who}`);
}

/** What the timeline says of events that stand for themselves: better words than a trace has. */
function wordsOf({ timeline }: RecordedJump): ReadonlyMap<string, string> {
  return new Map(timeline.map((told) => [`${told.ms} ${told.slot ?? 'cpu'} ${kindOf(told)}`, told.text]));
}

/** Which writes hit memory in use: by whose it was, and by the pages that were found to differ. */
class HitPages {
  readonly #pages = new Map<string, RecordedPage>();
  readonly #torn = new Map<string, RecordedPage>();
  /** When the dump was there: writes after that no longer change it. */
  readonly #savedMs: number;

  constructor({ corrupted, dump }: RecordedJump, trace: readonly RecordedEvent[]) {
    for (const page of corrupted) this.#pages.set(pageOf(page.address), page);
    for (const page of dump?.torn ?? []) this.#torn.set(pageOf(page.address), page);
    const saved = trace.filter(({ kind }) => kind === 'dump').at(1);
    this.#savedMs = saved?.ms ?? Number.POSITIVE_INFINITY;
  }

  region(writer: string, { ms, address = '', owner }: RecordedEvent): string | null {
    const page = pageOf(address);
    const torn = this.#torn.get(page);
    if (torn && wrote(torn, writer, ms) && ms <= this.#savedMs) return 'dump';
    const hit = this.#pages.get(page);
    if (hit && wrote(hit, writer, ms)) return hit.region;
    return owner == null ? null : (lookup(NEXT_KERNELS, owner) ?? null);
  }
}

const wrote = ({ writers, firstMs }: RecordedPage, writer: string, ms: number) =>
  writers.includes(writer) && firstMs !== null && ms >= firstMs;

/** Hexadecimal digits without those of the offset in the page, and without zeros before. */
const pageOf = (address: string) => address.slice(0, -PAGE_DIGITS).replace(/^0+/, '');
