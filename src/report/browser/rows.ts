import { matching, type Searched } from './match.js';
import type { PageState } from './state.js';

/** A row of the tree, as the script knows it. */
export interface Row {
  readonly element: HTMLTableRowElement;
  readonly level: number;
  readonly parent: Row | null;
  readonly children: Row[];
  /** `null` for a root bus. */
  readonly searched: Searched | null;
  /** What is below it is shown. */
  open: boolean;
  /** The filter lets it through, or something below it. */
  wanted: boolean;
}

/** Rows from which on a tree starts folded. */
const MANY = 160;

export function readRows(body: HTMLTableSectionElement): readonly Row[] {
  const rows: Row[] = [];
  const above: Row[] = [];
  for (const element of body.rows) {
    const level = Number(element.dataset['l']);
    while ((above.at(-1)?.level ?? 0) >= level) above.pop();
    const parent = above.at(-1) ?? null;
    const searched = readSearched(element);
    const row: Row = { element, level, parent, children: [], searched, open: true, wanted: true };
    parent?.children.push(row);
    above.push(row);
    rows.push(row);
  }
  if (rows.length > MANY) for (const row of rows) row.open = row.level < 2;
  return rows;
}

function readSearched(element: HTMLTableRowElement): Searched | null {
  const { v, s, d, a, g } = element.dataset;
  if (v === undefined) return null;
  const members = element.querySelectorAll<HTMLElement>('.members>li');
  const texts = [...element.querySelectorAll('.dev,.drv,.find')].map((cell) => cell.textContent);
  const slots = members.length > 0 ? [...members].map(slotOf) : [slotOf(element)];
  const groups = members.length > 0 ? [...members].map((item) => item.dataset['g'] ?? '') : [g ?? ''];
  return {
    ...{ slots, groups, text: texts.join(' ').toLowerCase() },
    ...{ verdict: v, severity: s ?? '', driver: d ?? '', action: a ?? '' },
  };
}

const slotOf = ({ id }: HTMLElement): string => id.slice('fn='.length);

/** Marks what the filter lets through and opens the way to it; returns how many functions that are, of how many. */
export function filterRows(
  rows: readonly Row[],
  state: PageState,
  open: boolean,
): { found: number; all: number } {
  let found = 0;
  let all = 0;
  for (const row of rows) row.wanted = false;
  for (const row of rows) {
    if (!row.searched) continue;
    const hits = matching(row.searched, state);
    all += row.searched.slots.length;
    found += hits.length;
    if (hits.length > 0) want(row, open);
  }
  return { found, all };
}

function want(row: Row, open: boolean): void {
  row.wanted = true;
  for (let above = row.parent; above; above = above.parent) {
    above.wanted = true;
    if (open) above.open = true;
  }
}

/** Opens whatever is above a row. */
export function reveal(row: Row): void {
  want(row, true);
}

export function isVisible(row: Row): boolean {
  for (let above = row.parent; above; above = above.parent) if (!above.open) return false;
  return row.wanted;
}

/** Says in the document what is open and what is shown. */
export function showRows(rows: readonly Row[]): void {
  for (const row of rows) {
    row.element.hidden = !isVisible(row);
    if (row.children.length > 0) row.element.setAttribute('aria-expanded', String(row.open));
  }
}
