import { ShootdownError } from '../pci/error.js';
import { CHECK_STATES, type Check, type CheckState, note, type Said, unknown } from './doctor-check.js';
import { HOOK_CHECKS } from './doctor-hook.js';
import { INSTALL_CHECKS } from './doctor-install.js';
import { JUMP_CHECKS } from './doctor-jump.js';
import { KDUMP_CHECKS } from './doctor-kdump.js';
import { KERNEL_CHECKS } from './doctor-kernels.js';
import { KEXEC_CHECKS } from './doctor-kexec.js';
import { LOADED_CHECKS } from './doctor-loaded.js';
import { MACHINE_CHECKS } from './doctor-machine.js';
import { UPGRADE_CHECKS } from './doctor-upgrade.js';
import { type DoctorAround, DoctorView } from './doctor-view.js';

/** All checks, in the order in which they are told where they weigh the same. */
export const CHECKS: readonly Check[] = [
  ...INSTALL_CHECKS,
  ...KDUMP_CHECKS,
  ...LOADED_CHECKS,
  ...KERNEL_CHECKS,
  ...HOOK_CHECKS,
  ...KEXEC_CHECKS,
  ...UPGRADE_CHECKS,
  ...MACHINE_CHECKS,
  ...JUMP_CHECKS,
];

/** One result of a check; a check may have several, or none where it does not concern the system. */
export interface Result extends Said {
  readonly id: string;
}

/** Looks at everything, and changes nothing. The gravest results come first. */
export async function examine(around: DoctorAround): Promise<readonly Result[]> {
  const { system } = around;
  const view = new DoctorView(around);
  const capture = system.live && system.exists('/proc/vmcore');
  const checks = CHECKS.filter(
    ({ live, id }) => (!live || system.live) && (!capture || id.startsWith('jump.')),
  );
  const results: Result[] = [];
  for (const check of checks)
    for (const said of await told(check, view)) results.push({ id: check.id, ...said });
  if (capture)
    results.push({ id: 'system', ...note('this is a capture kernel: it is there to save a dump') });
  if (!system.live)
    results.push({
      id: 'system',
      ...note('a system in a folder: what only a running one shows was not looked at'),
    });
  const weight = ({ state }: Result) => CHECK_STATES.indexOf(state);
  return results.sort((a, b) => weight(a) - weight(b));
}

/** How many results there are of each state. */
export function countStates(results: readonly Result[]): Readonly<Record<CheckState, number>> {
  const counts = { problem: 0, warning: 0, unknown: 0, note: 0, ok: 0 };
  for (const { state } of results) counts[state]++;
  return counts;
}

/** What cannot be told is a result, too. */
async function told(check: Check, view: DoctorView): Promise<readonly Said[]> {
  try {
    const said = await check.look(view);
    return 'state' in said ? [said] : said;
  } catch (error) {
    if (!(error instanceof ShootdownError)) throw error;
    const denied = error.code === 'no-permission';
    return [unknown(error.message, denied ? 'run as root: sudo shootdown doctor' : null)];
  }
}
