import { hex } from '../pci/slot.js';
import type { CorruptedPage, JumpResult, Region } from '../sim/jump/result.js';
import { milliseconds } from './jump-text.js';
import { type Style, table } from './table.js';

const PAGES_MAX = 6;

const REGIONS: Readonly<Record<Region, string>> = {
  image: 'its image',
  initramfs: 'its initramfs',
  'kernel-memory': 'its memory',
  dump: 'the dump',
};

/** The first pages that are not what they should be, with whose they were, who wrote there and when; `null` for none. */
export function pagesText(result: JumpResult, style: Style): string | null {
  const pages = [...result.corrupted, ...(result.dump?.torn ?? [])];
  if (pages.length === 0) return null;
  const rows = pages.slice(0, PAGES_MAX).map((page) => rowOf(page, result));
  const left = pages.length - rows.length;
  const columns = ['page', 'of', 'owner', 'written by', 'ms'].map((title) => ({ title }));
  const more = left > 0 ? `\n${style.dim(`… ${left} more; --json has them all`)}` : '';
  return `${table(columns, rows, style)}${more}`;
}

function rowOf({ address, region, owner, writers, firstTick }: CorruptedPage, result: JumpResult): string[] {
  const who = writers.length > 0 ? writers.join(' ') : 'nobody seen';
  const when = firstTick === null ? '' : milliseconds(firstTick, result);
  return [hex(address, 8), REGIONS[region], owner ?? '', who, when];
}
