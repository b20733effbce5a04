import { type Check, note, ok, problem, type Said, warning } from './doctor-check.js';
import type { DoctorView } from './doctor-view.js';
import { assignments } from './kdump-settings.js';
import { hasProgram, readTextOf } from './system.js';

const DEFAULTS = '/etc/default/kexec';
const UNIT = 'shootdown-kexec.service';

/** Jumps on purpose. */
export const KEXEC_CHECKS: readonly Check[] = [
  { id: 'kexec.tools', look: lookAtTools },
  { id: 'kexec.config', look: lookAtConfig },
  { id: 'kexec.unit', look: lookAtUnit },
  { id: 'kexec.loaded', live: true, look: lookAtLoaded },
];

function lookAtTools(view: DoctorView): readonly Said[] {
  if (!view.has('kexec')) return [];
  if (hasProgram(view.system, 'kexec')) return [ok('kexec-tools is installed')];
  return [problem('kexec-tools is not installed', 'apt install kexec-tools')];
}

function lookAtConfig(view: DoctorView): readonly Said[] {
  if (!view.has('kexec')) return [];
  const settings = assignments(readTextOf(view.system, DEFAULTS) ?? '');
  if (settings.get('USE_GRUB_CONFIG') !== 'true') return [ok('kexec-tools lets shootdown name the kernel')];
  return [
    warning(
      `USE_GRUB_CONFIG=true in ${DEFAULTS}: kexec-tools takes the kernel of GRUB, which is not wrapped`,
      `set USE_GRUB_CONFIG=false; or load with systemctl start ${UNIT}`,
    ),
  ];
}

function lookAtUnit(view: DoctorView): readonly Said[] {
  if (!view.has('kexec') || !view.isEnabled(UNIT)) return [];
  return [warning(`${UNIT} is started at boot: each reboot becomes a jump`, `systemctl disable ${UNIT}`)];
}

function lookAtLoaded({ system }: DoctorView): readonly Said[] {
  if (readTextOf(system, '/sys/kernel/kexec_loaded')?.trim() !== '1') return [];
  return [
    note(
      'a kernel is loaded for kexec: the next reboot is a jump. Which one it is, the kernel does not say',
      'kexec -u unloads it',
    ),
  ];
}
