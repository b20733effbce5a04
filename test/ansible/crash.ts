import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encodeFlight, type RecordSpec } from '../support/flight-record.js';
import { TEMPLATE } from '../support/flight-samples.js';
import type { FleetHost } from './fleet.js';

const CRASH = { flags: ['crash'], template: TEMPLATE } as const;

/** A capture kernel that only looked. */
export const OBSERVED: RecordSpec = {
  ...CRASH,
  flags: ['crash', 'observe'],
  entries: [{ rid: 0x0100, flags: ['planned'], before: 0x0507, outcome: 'wouldGate' }],
};

/** All was stopped. */
export const STOPPED: RecordSpec = {
  ...CRASH,
  entries: [
    {
      rid: 0x0100,
      flags: ['bmeClear', 'intxDisabled', 'planned'],
      before: 0x0507,
      after: 0x0503,
      outcome: 'done',
    },
  ],
};

/** One that cannot be stopped: BME reads set after it was cleared. */
export const STAYED_LIVE: RecordSpec = {
  ...CRASH,
  counts: { failed: 1 },
  entries: [{ rid: 0x0100, flags: ['planned'], before: 0x0507, after: 0x0507, outcome: 'ignored' }],
};

/** Leaves in a host what kdump-tools and save-flight leave of a crash; `stamp`: the minute, as in 202611231200. */
export function leaveCrash({ root }: FleetHost, stamp: string, record: RecordSpec): void {
  const folder = join(root, 'var/crash', stamp);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `dump.${stamp}`), 'dump');
  writeFileSync(join(folder, `dmesg.${stamp}`), 'Kernel panic - not syncing: sysrq triggered crash\n');
  writeFileSync(join(folder, `shootdown-flight.0.bin`), encodeFlight(record));
}

/** As an administrator who has understood it. */
export function removeCrash({ root }: FleetHost, stamp: string): void {
  rmSync(join(root, 'var/crash', stamp), { recursive: true });
}
