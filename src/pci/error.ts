import type { Slot } from './slot.js';

/** What went wrong, as a stable word that callers may switch on. */
export type ErrorCode =
  | 'usage' // the caller asked for something that cannot be
  | 'bad-input' // a dump, policy, plan or journal does not parse
  | 'not-found' // no such file, function or journal
  | 'no-permission' // EACCES, EPERM, EROFS
  | 'lockdown' // the kernel refuses because it is locked down
  | 'read-only' // this host cannot be written
  | 'vanished' // the function or its file is gone
  | 'io' // the host answered with an I/O error
  | 'timeout' // a bounded wait ran out
  | 'busy' // another run holds the lock
  | 'stale' // the machine is not the one the plan was made for
  | 'refused' // doing it would be unsafe
  | 'journal' // the journal could not be written, and nothing else was
  | 'incomplete' // the journal could not be written any more, after something else was
  | 'unsupported'; // this host or kernel cannot do it

/** The one error class. `message` is one line that says what happened and what to do. */
export class ShootdownError extends Error {
  override readonly name = 'ShootdownError';
  readonly code: ErrorCode;
  readonly slot: Slot | undefined;
  readonly register: string | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    details: { slot?: Slot | undefined; register?: string | undefined; cause?: unknown } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.slot = details.slot;
    this.register = details.register;
  }
}
