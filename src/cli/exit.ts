import type { ErrorCode } from '../pci/error.js';

/** Exit statuses; the README explains them. */
export const EXIT = {
  clean: 0,
  /** Failed, and nothing was written. */
  failed: 1,
  /** Findings at or above --fail-on, or changes pending. */
  findings: 2,
  /** Failed after something was written; the journal's path was printed. */
  failedAfterWriting: 3,
  usage: 64,
} as const;
export type ExitStatus = (typeof EXIT)[keyof typeof EXIT];

export function exitOf(code: ErrorCode): ExitStatus {
  if (code === 'incomplete') return EXIT.failedAfterWriting;
  return code === 'usage' ? EXIT.usage : EXIT.failed;
}
