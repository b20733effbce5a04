import type { Host } from '../host/port.js';
import type { Machine, ScanOptions } from '../host/scan.js';
import type { PciFunction } from '../pci/function.js';
import type { Policy } from '../quiesce/policy.js';
import { type HostOptions, openHost } from './hosts.js';
import type { Io } from './io.js';
import { type CommonOptions, checkSelects, readPolicy, selection } from './options.js';

/** What a command that only reads is about. */
export interface Selected {
  readonly machine: Machine;
  readonly policy: Policy;
  /** Which functions are meant; `undefined` for all. */
  readonly select: ((fn: PciFunction) => boolean) | undefined;
}

/** Reads the policy and, by `read`, the machine that the options name, and checks that there is what they select. */
export async function readSelected(
  options: CommonOptions,
  io: Pick<Io, 'progress'>,
  read: (host: Host, policy: Policy, options: ScanOptions) => Promise<Machine>,
): Promise<Selected> {
  const policy = readPolicy(options.policy);
  const select = selection(options);
  const host = await openHost(options, { write: false });
  try {
    const machine = await read(host, policy, { onProgress: io.progress('reading') });
    checkSelects(machine.topology, select);
    return { machine, policy, select };
  } finally {
    await host.close();
  }
}

/** The machine that is named is the one that this runs on. */
export function isHere({ file, host = 'sysfs' }: HostOptions): boolean {
  return file === undefined && host === 'sysfs';
}
