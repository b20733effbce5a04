/** One cell of a matrix, whether it was measured in a guest or played on the simulated machine. */
export interface MatrixRow {
  readonly scenario: string;
  readonly jump: 'normal' | 'crash';
  /** What it ran on. */
  readonly machine: 'qemu' | 'sim';
  /** A series as in `6.1`; for the simulated machine the era. */
  readonly kernel: string;
  readonly policy: string;
  /** `failed`: the run came to no verdict; `unsupported`: it cannot be run. */
  readonly outcome: string;
  /** Writes after the next kernel had started: those asked for, and those that landed. */
  readonly stray: { readonly sent: number; readonly landed: number } | null;
  readonly secondsToReady: number | null;
  readonly remark: string;
  /** What the run left behind, if it left anything. */
  readonly folder: string | null;
}

/** Rows in the order of scenarios, kernels, and then policies. */
export interface Matrix {
  readonly schema: string;
  /** True where somebody ended it before all rows were there. */
  readonly interrupted: boolean;
  readonly rows: readonly MatrixRow[];
}
