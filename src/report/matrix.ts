import { printable } from '../pci/printable.js';
import type { Matrix, MatrixRow } from '../sim/scenario/matrix-row.js';
import { paragraph, type Style, table } from './table.js';

// A matrix of the lab and one of the simulated machine look the same: a line a scenario, a column a policy.

/** For people; as many columns side by side as fit. */
export function matrixText(matrix: Matrix, style: Style): string {
  const { columns, lines } = pivot(matrix.rows);
  const width = (texts: readonly string[]) => Math.max(...texts.map((text) => text.length)) + 2;
  const room = style.width - width(['scenario', ...lines.map(({ name }) => name)]);
  const blocks: number[][] = [[]];
  let left = room;
  columns.forEach((title, at) => {
    const wide = width([title, ...lines.map(({ cells }) => textOf(cells[at]))]);
    if (wide > left && (blocks.at(-1)?.length ?? 0) > 0) {
      blocks.push([]);
      left = room;
    }
    blocks.at(-1)?.push(at);
    left -= wide;
  });
  const titles = (block: readonly number[]) => ['scenario', ...block.map((at) => columns[at] ?? '')];
  const tables = blocks.map((block) => {
    const rows = lines.map(({ name, cells }) => [name, ...block.map((at) => textOf(cells[at]))]);
    return colored(
      table(
        titles(block).map((title) => ({ title })),
        rows,
        style,
      ),
      style,
    );
  });
  const remarks = remarksOf(matrix.rows).map(([head, text]) => paragraph(`${head}: ${text}`, 0, style));
  return `${[tables.join('\n\n'), ...(remarks.length > 0 ? [remarks.join('\n')] : [])].join('\n\n')}\n`;
}

/** The same in Markdown. */
export function matrixMarkdown(matrix: Matrix): string {
  const { columns, lines } = pivot(matrix.rows);
  const head = ['scenario', 'jump', ...columns];
  const rows = lines.map(({ name, jump, cells }) => [
    `\`${markdownText(name)}\``,
    markdownText(jump),
    ...cells.map((cell) => markdownText(textOf(cell))),
  ]);
  const body = [head, head.map(() => '---'), ...rows].map((line) => `| ${line.join(' | ')} |`);
  const remarks = remarksOf(matrix.rows).map(
    ([what, text]) => `- ${markdownText(what)}: ${markdownText(text)}`,
  );
  return `${body.join('\n')}\n${remarks.length > 0 ? `\n${remarks.join('\n')}\n` : ''}`;
}

/** On one line, and with nothing in it that Markdown or a browser would act on. */
function markdownText(text: string): string {
  const line = printable(text.replace(/\s+/g, ' ').trim());
  return line.replace(/[\\<|[\]]/g, '\\$&').replace(/^#/, '\\#');
}

interface Line {
  readonly name: string;
  readonly jump: string;
  readonly cells: readonly (MatrixRow | undefined)[];
}

/** A column is a policy, and a kernel as well where a scenario ran on several. */
function pivot(rows: readonly MatrixRow[]): { columns: readonly string[]; lines: readonly Line[] } {
  const kernels = new Map<string, Set<string>>();
  for (const { scenario, kernel } of rows)
    kernels.set(scenario, (kernels.get(scenario) ?? new Set()).add(kernel));
  const several = [...kernels.values()].some(({ size }) => size > 1);
  const columnOf = ({ kernel, policy }: MatrixRow) => (several ? `${kernel} ${policy}` : policy);
  const columns = [...new Set(rows.map(columnOf))];
  const lines = [...kernels.keys()].map((name) => {
    const own = rows.filter(({ scenario }) => scenario === name);
    const cells = columns.map((column) => own.find((row) => columnOf(row) === column));
    return { name, jump: own[0]?.jump ?? '', cells };
  });
  return { columns, lines };
}

/** What was measured has its counts and times; a simulated machine's are the same every time, and are in the JSON. */
function textOf(row: MatrixRow | undefined): string {
  if (!row) return '';
  const { outcome, machine, stray, secondsToReady } = row;
  if (machine === 'sim') return outcome;
  const count = stray === null ? '' : ` ${stray.landed}/${stray.sent}`;
  return `${outcome}${count}${secondsToReady === null ? '' : `, ${secondsToReady} s`}`;
}

function remarksOf(rows: readonly MatrixRow[]): [string, string][] {
  return rows.flatMap(({ scenario, kernel, policy, machine, remark }): [string, string][] => {
    const where = machine === 'sim' ? `${scenario}, ${policy}` : `${scenario}, ${kernel}, ${policy}`;
    return remark === '' ? [] : [[where, remark]];
  });
}

function colored(text: string, style: Style): string {
  const [head = '', ...rest] = text.split('\n');
  const words = (line: string) => line.replace(/(?<=\s)clean\b/g, (word) => style.green(word));
  return [head, ...rest.map(words)].join('\n');
}
