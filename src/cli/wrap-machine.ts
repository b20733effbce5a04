import { type Machine, scan } from '../host/scan.js';
import { confidentialGuest } from '../image/confidential.js';
import { ShootdownError } from '../pci/error.js';
import { openHost } from './hosts.js';
import type { Io } from './io.js';
import { machineInFile } from './machine-file.js';
import { readText } from './options.js';

/** What a kernel is wrapped for. */
export interface WrapMachine {
  readonly machine: Machine;
  /** Of its time-stamp counter; `undefined` where that is not known. */
  readonly tscKhz: number | undefined;
}

/** Where Linux describes the processors of this machine. */
export interface CpuFiles {
  readonly cpuinfo: string;
  /** Some kernels say it exactly. */
  readonly tscFrequency: string;
}

const CPU_FILES: CpuFiles = {
  cpuinfo: '/proc/cpuinfo',
  tscFrequency: '/sys/devices/system/cpu/cpu0/tsc_freq_khz',
};

/**
 * The machine that `--for` names: `this`, a host as `--host` takes it, or a file with what
 * `audit --json` or `lspci -xxxx` printed.
 * Throws `unsupported` where this machine is meant and the stub cannot run on it.
 */
export async function machineForWrap(
  spec: string,
  io: Pick<Io, 'progress'>,
  files: CpuFiles = CPU_FILES,
): Promise<WrapMachine> {
  let tscKhz: number | undefined;
  if (spec === 'this') {
    const cpuinfo = readText(files.cpuinfo);
    checkThisMachine(cpuinfo);
    tscKhz = tscKhzOf(cpuinfo, readIfThere(files.tscFrequency));
  } else if (!HOST.test(spec)) {
    return { machine: await machineInFile(spec), tscKhz };
  }
  const host = await openHost(spec === 'this' ? {} : { host: spec }, { write: false });
  try {
    return { machine: await scan(host, { onProgress: io.progress('reading') }), tscKhz };
  } finally {
    await host.close();
  }
}

/** As `--host` takes it; all else is a file. */
const HOST = /^(sysfs|dump|qtest|sim)(:|$)/;

/** Throws `unsupported` where the stub cannot run. */
function checkThisMachine(cpuinfo: string): void {
  const guest = confidentialGuest(cpuinfo);
  if (guest === undefined) return;
  throw new ShootdownError(
    'unsupported',
    `this machine is an ${guest} guest: there a port access traps to a handler that is gone between the kernels. Use shootdown apply before the jump`,
  );
}

/**
 * How fast the time-stamp counter counts, in kHz: as the kernel says, else the fastest that a processor is said to be.
 * One that saves power is slower than its counter, and a guess that is too high only lengthens the bounds.
 */
export function tscKhzOf(cpuinfo: string, tscFrequency: string | undefined): number | undefined {
  const exact = Number(tscFrequency?.trim());
  if (Number.isInteger(exact) && exact > 0) return exact;
  const now = [...cpuinfo.matchAll(/^cpu MHz\s*:\s*(\d+(?:\.\d+)?)$/gm)].map(([, mhz]) => Number(mhz));
  const named = [...cpuinfo.matchAll(/^model name.*@ (\d+(?:\.\d+)?)GHz/gm)].map(
    ([, ghz]) => Number(ghz) * 1000,
  );
  const mhz = [...now, ...named].reduce((most, one) => Math.max(most, one), 0);
  return mhz > 0 ? Math.round(mhz * 1000) : undefined;
}

function readIfThere(path: string): string | undefined {
  try {
    return readText(path);
  } catch {
    return undefined;
  }
}
