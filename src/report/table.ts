import stringWidth from 'string-width';
import wrapAnsi from 'wrap-ansi';
import { printable } from '../pci/printable.js';

export interface Column {
  readonly title: string;
  /** Takes what room the others leave, and wraps or is cut. Without it, a column is as wide as its widest cell. */
  readonly flexible?: 'wrap' | 'cut';
  /** No wider than this: what is longer wraps. */
  readonly most?: number;
}

/** How text output is laid out. */
export interface Style {
  /** Columns of the terminal. */
  readonly width: number;
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly red: (text: string) => string;
  readonly yellow: (text: string) => string;
  readonly green: (text: string) => string;
}

const GAP = 2;
const FLEXIBLE_MIN = 12;
const PARAGRAPH_MAX = 110;

/** A table that fits the terminal: its flexible column wraps. Cells are made printable. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  style: Style,
): string {
  const cells = rows.map((row) => row.map(printable));
  const widths = columns.map(({ title, most = Number.POSITIVE_INFINITY }, i) =>
    Math.min(
      most,
      cells.reduce((width, row) => Math.max(width, cellWidth(row[i] ?? '')), title.length),
    ),
  );
  const fixed = widths.reduce((sum, width, i) => sum + (columns[i]?.flexible ? 0 : width + GAP), 0);
  for (const [i, { flexible }] of columns.entries()) {
    if (flexible) widths[i] = Math.min(widths[i] ?? 0, Math.max(FLEXIBLE_MIN, style.width - fixed));
  }
  const titles = columns.map(({ title }) => title);
  const lines = cells.map((row) => line(row, widths, columns));
  return [style.dim(line(titles, widths, columns)), ...lines].join('\n');
}

function line(row: readonly string[], widths: readonly number[], columns: readonly Column[]): string {
  const wrapped = row.map((cell, i) => {
    const width = widths[i] ?? 0;
    return columns[i]?.flexible === 'cut' ? [cut(cell, width)] : wrap(cell, width);
  });
  const height = Math.max(...wrapped.map((lines) => lines.length));
  const lines: string[] = [];
  for (let y = 0; y < height; y++) {
    const parts = wrapped.map((cell, i) => pad(cell[y] ?? '', (widths[i] ?? 0) + GAP));
    lines.push(parts.join('').trimEnd());
  }
  return lines.join('\n');
}

/** What a run came to: green if nothing was hit. */
export function coloredVerdict(verdict: string, style: Style): string {
  return verdict === 'clean' ? style.green(verdict) : style.red(verdict);
}

/** Text wrapped to the terminal with an indent. */
export function paragraph(text: string, indent: number, style: Style): string {
  const margin = ' '.repeat(indent);
  const lines = wrap(printable(text), Math.min(style.width, PARAGRAPH_MAX) - indent);
  return lines.map((content) => margin + content).join('\n');
}

/** A line with styles of its own, wrapped to the terminal; what is not known to be printable has been made so. */
export function styledLine(text: string, style: Style): string {
  return wrap(text, Math.min(style.width, PARAGRAPH_MAX)).join('\n');
}

function wrap(text: string, width: number): string[] {
  return cellWidth(text) <= width ? [text] : wrapAnsi(text, width, { hard: true }).split('\n');
}

function cut(text: string, width: number): string {
  return cellWidth(text) <= width ? text : `${[...text].slice(0, width - 1).join('')}…`;
}

function pad(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - cellWidth(text)));
}

/** Almost all cells are ASCII, where measuring as a terminal does would take most of the time. */
function cellWidth(text: string): number {
  return /^[\x20-\x7e→…]*$/.test(text) ? text.length : stringWidth(text);
}
