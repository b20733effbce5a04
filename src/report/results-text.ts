import { hex, type Slot } from '../pci/slot.js';
import type { FunctionResult } from '../quiesce/journal.js';
import { type Style, table } from './table.js';

/** A function in the tables of a journal and of a flight record. */
export interface ResultRow extends FunctionResult {
  /** The Command register before and after, as `commandChange` has it. */
  readonly command: string;
}

export function commandChange(before: number | null | undefined, after: number | null | undefined): string {
  return before == null || after == null ? '' : `${hex(before, 4)}→${hex(after, 4)}`;
}

/** What was touched, and what became of it. */
export function resultTable(rows: readonly ResultRow[], style: Style): string {
  return table(
    [
      { title: 'slot' },
      { title: 'verdict' },
      { title: 'Command' },
      { title: 'outcome' },
      { title: '', flexible: 'wrap' },
    ],
    rows.map(({ slot, verdict, command, outcome, reason }) => [slot, verdict, command, outcome, reason]),
    style,
  );
}

/** What is still live, and why. */
export function liveTable(
  rows: readonly { readonly slot: Slot; readonly reason: string }[],
  style: Style,
): string {
  return table(
    [{ title: 'slot' }, { title: 'why', flexible: 'wrap' }],
    rows.map(({ slot, reason }) => [slot, reason]),
    style,
  );
}
