import type { Clock } from '../host/clock.js';
import { printable } from '../pci/printable.js';
import type { QemuProcess } from './qemu.js';

export interface QemuEndReason {
  /** Something in the machine did it: the kernel has panicked, or has turned it off. */
  readonly byGuest: boolean;
  /** QEMU's own word, such as `guest-reset` or `host-signal`; without one, the exit status. */
  readonly word: string;
}

/** The event comes on a socket of its own, perhaps after the end is known. */
const EVENT_MS = 1000;
const POLL_MS = 10;

/**
 * Watches why a QEMU ends, from the moment that this is called on: its event SHUTDOWN tells what the guest did from
 * what was done to QEMU (`ShutdownCause` in QEMU's qapi/run-state.json). One that was killed, or has crashed, sends none.
 */
export function watchEnd(qemu: QemuProcess, clock: Clock): () => Promise<QemuEndReason> {
  let seen: QemuEndReason | undefined;
  qemu.qmp.onEvent(({ event, data }) => {
    if (event !== 'SHUTDOWN') return;
    seen = { byGuest: data['guest'] === true, word: printable(String(data['reason'])) };
  });
  return async () => {
    const { status } = await qemu.ended;
    const until = clock.now() + EVENT_MS;
    while (seen === undefined && clock.now() < until) await clock.sleep(POLL_MS);
    if (seen === undefined || (seen.byGuest && status !== 0))
      return { byGuest: false, word: `status ${status}` };
    return seen;
  };
}
