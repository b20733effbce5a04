import cliui from 'cliui';
import { printable } from '../quiesce/policy.js';

export interface Column {
  readonly title: string;
  /** Columns of the terminal; without it, as wide as the widest cell. One column may be `flexible` and takes the rest. */
  readonly flexible?: boolean;
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

const same = (text: string) => text;
export const plainStyle: Style = { width: 100, bold: same, dim: same, red: same, yellow: same, green: same };

const GAP = 2;

/** A table whose flexible column wraps so that each line fits the terminal. Cells are made printable. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  style: Style,
): string {
  const cells = rows.map((row) => row.map(printable));
  const widths = columns.map((column, i) =>
    Math.max(column.title.length, ...cells.map((row) => row[i]?.length ?? 0)),
  );
  const fixed = widths.reduce((sum, width, i) => sum + (columns[i]?.flexible ? 0 : width + GAP), 0);
  const ui = cliui({ width: style.width, wrap: true });
  const line = (row: readonly string[], paint: (text: string) => string) =>
    ui.div(
      ...row.map((cell, i) => {
        const flexible = columns[i]?.flexible ?? false;
        const last = i === columns.length - 1;
        const room = Math.max(12, style.width - fixed);
        const width = flexible ? Math.min(room, (widths[i] ?? 0) + GAP) : (widths[i] ?? 0) + GAP;
        const padding: [number, number, number, number] = [0, last ? 0 : GAP, 0, 0];
        return { text: paint(cell), width, padding };
      }),
    );
  line(
    columns.map((column) => column.title),
    style.dim,
  );
  for (const row of cells) line(row, same);
  return trimLines(ui.toString());
}

/** Text wrapped to the terminal with an indent. */
export function paragraph(text: string, indent: number, style: Style): string {
  const ui = cliui({ width: Math.max(40, Math.min(style.width, 110)), wrap: true });
  ui.div({ text: printable(text), padding: [0, 0, 0, indent] });
  return trimLines(ui.toString());
}

function trimLines(text: string): string {
  return text.replace(/[ \t]+$/gm, '');
}
