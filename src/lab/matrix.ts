import { ShootdownError } from '../pci/error.js';
import type { LabOutcome, LabPolicy, Scenario } from './scenario.js';
import type { LabVerdict } from './verdict.js';

/** One measured cell of a matrix; the simulator's matrix can have rows of the same shape, with a machine of its own. */
export interface MatrixRow {
  readonly scenario: string;
  readonly jump: 'normal' | 'crash';
  /** What it ran on: `qemu`. */
  readonly machine: 'qemu';
  readonly kernel: string;
  readonly policy: LabPolicy;
  /** `unsupported`: there is nothing of that policy for this path yet. `failed`: the run came to no verdict. */
  readonly outcome: LabOutcome | 'unsupported' | 'failed';
  readonly stray: { readonly sent: number; readonly landed: number } | null;
  readonly secondsToReady: number | null;
  readonly remark: string;
  readonly folder: string | null;
}

export interface LabMatrix {
  readonly schema: 'shootdown.lab-matrix/1';
  readonly rows: readonly MatrixRow[];
}

export interface MatrixCell {
  readonly scenario: Scenario;
  readonly series: string;
  readonly policy: LabPolicy;
}

/**
 * Runs every cell, up to `jobs` at a time, and gives the rows in the cells' order. A run that fails is a row; only an
 * aborted `signal` ends it all.
 */
export async function runMatrix(
  cells: readonly MatrixCell[],
  run: (cell: MatrixCell) => Promise<LabVerdict>,
  options: { jobs: number; signal: AbortSignal; onRow?: (row: MatrixRow, done: number) => void },
): Promise<LabMatrix> {
  const rows: MatrixRow[] = [];
  let next = 0;
  let done = 0;
  const work = async (): Promise<void> => {
    while (next < cells.length) {
      const at = next++;
      const cell = cells[at];
      if (cell === undefined) return;
      if (options.signal.aborted) throw new ShootdownError('refused', 'stopped');
      const row = await runCell(cell, run, options.signal);
      rows[at] = row;
      options.onRow?.(row, ++done);
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, options.jobs) }, work));
  return { schema: 'shootdown.lab-matrix/1', rows };
}

async function runCell(
  cell: MatrixCell,
  run: (cell: MatrixCell) => Promise<LabVerdict>,
  signal: AbortSignal,
): Promise<MatrixRow> {
  const { scenario, series, policy } = cell;
  const head = {
    scenario: scenario.name,
    jump: scenario.jump,
    machine: 'qemu',
    kernel: series,
    policy,
  } as const;
  const none = { stray: null, secondsToReady: null, folder: null };
  if (scenario.jump === 'crash' && policy === 'ours') {
    return {
      ...head,
      ...none,
      outcome: 'unsupported',
      remark: 'nothing of ours exists on the crash path yet',
    };
  }
  try {
    const { outcome, stray, next, console: findings, apply, folder } = await run(cell);
    const first = findings[0];
    const remarks = [
      first === undefined ? '' : `${first.problem}: ${first.line.replace(/^\[[^\]]*\]\s*/, '')}`,
      stray.of !== null && !stray.aliveBefore ? 'not at work before the jump' : '',
      apply?.restored === false ? 'restore did not give every byte back' : '',
    ];
    return {
      ...head,
      outcome,
      stray: stray.of === null ? null : { sent: stray.sent, landed: stray.landed },
      secondsToReady: next.toReadyS,
      remark: remarks.filter((remark) => remark !== '').join('; '),
      folder,
    };
  } catch (error) {
    if (signal.aborted || !(error instanceof ShootdownError)) throw error;
    return { ...head, ...none, outcome: 'failed', remark: error.message };
  }
}
