import { join } from 'node:path';
import { Guest, type GuestOptions } from './guest.js';
import { readTrace } from './qemu-trace.js';
import { repeatScript } from './repeat.js';
import type { RunFolder } from './run-folder.js';

export interface RecordedGuestOptions extends Omit<GuestOptions, 'boot' | 'onConsole' | 'onStart' | 'trace'> {
  /** Paths of the kernel and the initramfs that QEMU boots. */
  readonly kernel: string;
  readonly initramfs: string;
  readonly cmdline: string;
  readonly folder: RunFolder;
  /** Files of the lab's store that QEMU is given beyond the kernel and the initramfs. */
  readonly needs?: readonly string[];
  /** The command that makes the files anew which the store has no longer. */
  readonly again: string;
}

const TRACE_FILE = 'pci_cfg_write.trace';

/** The trace of writes to configuration space. Throws `io` where QEMU could not write all of it: a run whose record has a hole has no verdict. */
export function readRecord(folder: RunFolder): string {
  return readTrace(join(folder.path, TRACE_FILE));
}

/**
 * Boots a guest whose console, configuration writes and command are in the run's folder as soon as they are there:
 * they stay, however it ends.
 */
export function bootRecorded(options: RecordedGuestOptions): Promise<Guest> {
  const { folder, needs = [], again, machine, kernel, initramfs, cmdline } = options;
  return Guest.boot({
    ...options,
    boot: { kernel, initramfs, cmdline },
    machine: { ...machine, traces: ['pci_cfg_write'] },
    trace: join(folder.path, TRACE_FILE),
    onConsole: (text) => folder.append('guest_console.txt', text),
    onStart: (qemu) => {
      const script = repeatScript({
        command: qemu.command,
        folders: [qemu.folder, folder.path],
        needs: [kernel, initramfs, ...needs],
        again,
      });
      folder.write('command.sh', script);
    },
  });
}
