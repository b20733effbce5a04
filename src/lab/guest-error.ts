import { type ErrorCode, ShootdownError } from '../pci/error.js';

/** What went wrong in a guest, with the console's last lines as far as there are any. */
export class GuestError extends ShootdownError {
  /** The message without them. */
  readonly what: string;
  readonly tail: string;

  constructor(code: ErrorCode, what: string, tail: string, cause?: unknown) {
    super(code, `${what}; the console's last lines: ${tail === '' ? '(none)' : tail}`, { cause });
    this.what = what;
    this.tail = tail;
  }
}
