import { readFileSync } from 'node:fs';
import { systemClock } from '../host/clock.js';
import { ShootdownError } from '../pci/error.js';
import { FILES, machineArguments, type QemuMachine } from './machine.js';
import { type QemuOptions, type QemuProcess, startQemu } from './qemu.js';
import { readTrace } from './qemu-trace.js';
import { needRoom } from './room.js';

export interface StartedMachine {
  readonly qemu: QemuProcess;
  /** The socket for `--host qtest:`. */
  readonly qtest: string;
  /** What `traces` asked for, as far as it has been written; throws `io` where QEMU could not write all of it. */
  trace(): string;
  stop(): Promise<void>;
}

/** SeaBIOS says one of these when it has set up the machine and found nothing to boot. */
const FIRMWARE_DONE = /No bootable device/;
const FIRMWARE_TIMEOUT_MS = 30_000;
const POLL_MS = 5;

/**
 * Starts a machine and waits until its firmware has numbered the buses and idles. Rejects as `startQemu` does, and
 * with `timeout` where the firmware does not come to its end.
 */
export async function startMachine(
  machine: QemuMachine,
  options: Omit<QemuOptions, 'args'> = {},
): Promise<StartedMachine> {
  const qemu = await startQemu({ ...options, args: (path) => machineArguments(machine, path) });
  try {
    await firmwareDone(qemu, options.clock ?? systemClock);
  } catch (error) {
    await qemu.stop();
    throw error;
  }
  return {
    qemu,
    qtest: qemu.path(FILES.qtest),
    trace: () => readTrace(qemu.path(FILES.trace)),
    stop: () => qemu.stop(),
  };
}

async function firmwareDone(qemu: QemuProcess, clock: NonNullable<QemuOptions['clock']>): Promise<void> {
  const deadline = clock.now() + FIRMWARE_TIMEOUT_MS;
  let ended = false;
  void qemu.ended.then(() => {
    ended = true;
  });
  for (;;) {
    const said = readFileSync(qemu.path(FILES.firmware), 'latin1');
    if (FIRMWARE_DONE.test(said)) return;
    const tail = said.trimEnd().split('\n').slice(-3).join(' / ');
    if (ended)
      throw new ShootdownError('io', `QEMU ended while its firmware was at work: ${qemu.stderr || tail}`);
    // Or it would be waited for in vain.
    await needRoom(qemu.folder, 1, "the firmware's log");
    if (clock.now() >= deadline) {
      const text = `the firmware was not done within ${FIRMWARE_TIMEOUT_MS} ms; it said last: ${tail}`;
      throw new ShootdownError('timeout', text);
    }
    await clock.sleep(POLL_MS);
  }
}
