import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { simMatrixDocument } from '../src/cli/sim-matrix-doc.js';
import { matrixMarkdown, matrixText } from '../src/report/matrix.js';
import { POLICY_NAMES } from '../src/sim/policies/names.js';
import type { Matrix, MatrixRow } from '../src/sim/scenario/matrix-row.js';

const squeezed = (text: string) => text.replace(/-{3,}/g, '---').replace(/ +/g, ' ').trim();
const plain = (text: string) => text;
const style = { width: 80, bold: plain, dim: plain, red: plain, yellow: plain, green: plain };

const row = (scenario: string, policy: string, more: Partial<MatrixRow> = {}): MatrixRow => ({
  ...{ scenario, jump: 'crash', machine: 'qemu', kernel: '6.1', policy, outcome: 'clean' },
  ...{ stray: { sent: 100, landed: 0 }, secondsToReady: 7.1, remark: '', folder: null },
  ...more,
});
const matrix = (...rows: MatrixRow[]): Matrix => ({ schema: 'x', interrupted: false, rows });

describe('docs/sim-matrix.md', () => {
  it('is what the machine does', { timeout: 120_000 }, async () => {
    const committed = readFileSync(new URL('../docs/sim-matrix.md', import.meta.url), 'utf8');
    const message = 'docs/sim-matrix.md is stale: npm run generate';
    expect(squeezed(committed), message).toBe(squeezed(await simMatrixDocument()));
  });
});

describe('a matrix', () => {
  const rows = [
    row('crash-e1000', 'none', { outcome: 'stray', stray: { sent: 100, landed: 97 }, remark: 'a | b' }),
    row('crash-e1000', 'ours'),
    row('crash-e1000', 'none', { kernel: '6.12', outcome: 'failed', stray: null, secondsToReady: null }),
    row('normal-edu', 'ours', { jump: 'normal' }),
  ];

  it('has a line a scenario, a column a kernel and policy', () => {
    const [head, , first, second, , remark] = matrixMarkdown(matrix(...rows)).split('\n');
    expect(head).toBe('| scenario | jump | 6.1 none | 6.1 ours | 6.12 none |');
    expect(first).toBe('| `crash-e1000` | crash | stray 97/100, 7.1 s | clean 0/100, 7.1 s | failed |');
    expect(second).toBe('| `normal-edu` | normal |  | clean 0/100, 7.1 s |  |');
    expect(remark).toBe('- crash-e1000, 6.1, none: a \\| b');
  });

  it('has nothing of what a scenario says in its Markdown but text', () => {
    const remark = '# a <b>|\n# c \u001b[31m [d](e) \\';
    const [, , , , line, rest] = matrixMarkdown(matrix(row('x', 'ours', { remark }))).split('\n');
    expect(line).toBe('- x, 6.1, ours: \\# a \\<b>\\| # c ?\\[31m \\[d\\](e) \\\\');
    expect(rest).toBe('');
  });

  it('names the kernel only where there are several, and fits the terminal', () => {
    const text = matrixText(
      matrix(
        ...POLICY_NAMES.map((policy) =>
          row('a-scenario', policy, { machine: 'sim', outcome: 'wanted-dma-lost' }),
        ),
      ),
      style,
    );
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
    for (const policy of POLICY_NAMES) expect(text).toContain(policy);
    expect(text).not.toContain('6.1');
    expect(text).not.toContain('7.1');
  });
});
