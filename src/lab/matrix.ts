import { ShootdownError } from '../pci/error.js';
import type { Matrix, MatrixRow } from '../sim/scenario/matrix-row.js';
import { GuestError } from './guest-error.js';
import type { LabOutcome, LabPolicy, Scenario } from './scenario.js';
import type { LabVerdict } from './verdict.js';

/** One measured cell. */
export interface LabMatrixRow extends MatrixRow {
  readonly machine: 'qemu';
  readonly policy: LabPolicy;
  /** `failed`: the run came to no verdict; `unsupported`: the kernel lacks what the scenario needs, and it was not run. */
  readonly outcome: LabOutcome | 'failed' | 'unsupported';
  /** The console's last lines, of a run that failed with a guest. */
  readonly tail: string | null;
}

export interface LabMatrix extends Matrix {
  readonly schema: 'shootdown.lab-matrix/1';
  readonly rows: readonly LabMatrixRow[];
}

export interface MatrixCell {
  readonly scenario: Scenario;
  readonly series: string;
  readonly policy: LabPolicy;
  /** Why it cannot be run. */
  readonly unsupported?: string;
}

export interface MatrixOptions {
  /** How many run at a time. */
  readonly jobs: number;
  readonly signal: AbortSignal;
  readonly onRow?: (row: LabMatrixRow, done: number) => void;
}

/** Runs one cell; says where its folder is as soon as there is one. */
export type RunCell = (cell: MatrixCell, at: (folder: string) => void) => Promise<LabVerdict>;

/**
 * Runs every cell, up to `jobs` at a time, and gives the rows in the cells' order. A run that fails is a row; an
 * aborted `signal` ends it, with the rows that are there by then.
 */
export async function runMatrix(
  cells: readonly MatrixCell[],
  run: RunCell,
  { jobs, signal, onRow }: MatrixOptions,
): Promise<LabMatrix> {
  const rows: (LabMatrixRow | undefined)[] = cells.map(() => undefined);
  const left = cells.entries();
  let done = 0;
  const work = async (): Promise<void> => {
    for (const [at, cell] of left) {
      const row = signal.aborted ? undefined : await runCell(cell, run, signal);
      if (row === undefined) return;
      rows[at] = row;
      onRow?.(row, ++done);
    }
  };
  await Promise.all(Array.from({ length: Math.max(1, jobs) }, work));
  const there = rows.filter((row) => row !== undefined);
  return { schema: 'shootdown.lab-matrix/1', interrupted: there.length < cells.length, rows: there };
}

/** `undefined` if it was ended before it had come to anything. */
async function runCell(
  cell: MatrixCell,
  run: RunCell,
  signal: AbortSignal,
): Promise<LabMatrixRow | undefined> {
  const { scenario, series, policy } = cell;
  const head = {
    scenario: scenario.name,
    jump: scenario.jump,
    machine: 'qemu',
    kernel: series,
    policy,
  } as const;
  if (cell.unsupported !== undefined) {
    const remark = cell.unsupported.replace(/^unsupported: /, '');
    return {
      ...head,
      outcome: 'unsupported',
      stray: null,
      secondsToReady: null,
      remark,
      folder: null,
      tail: null,
    };
  }
  let at: string | null = null;
  const told = (folder: string) => {
    at = folder;
  };
  try {
    const { outcome, stray, next, console: findings, apply, folder } = await run(cell, told);
    const first = findings[0];
    const remarks = [
      first === undefined ? '' : `${first.problem}: ${first.line.replace(/^\[[^\]]*\]\s*/, '')}`,
      stray.of !== null && !stray.aliveBefore ? 'not at work before the jump' : '',
      apply?.restored === false ? 'restore did not give every byte back' : '',
      next.ended ?? '',
    ];
    return {
      ...head,
      outcome,
      stray: stray.of === null ? null : { sent: stray.sent, landed: stray.landed },
      secondsToReady: next.toReadyS,
      remark: remarks.filter((remark) => remark !== '').join('; '),
      folder,
      tail: null,
    };
  } catch (error) {
    if (!(error instanceof ShootdownError)) throw error;
    if (signal.aborted) return undefined;
    return {
      ...head,
      stray: null,
      secondsToReady: null,
      outcome: 'failed',
      ...remarkOf(error),
      folder: at,
    };
  }
}

function remarkOf(error: ShootdownError): Pick<LabMatrixRow, 'remark' | 'tail'> {
  return error instanceof GuestError
    ? { remark: error.what, tail: error.tail }
    : { remark: error.message, tail: null };
}
