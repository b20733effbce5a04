import { type Check, mib, note, ok, problem, type Said, warning } from './doctor-check.js';
import { RELOAD } from './doctor-loaded.js';
import type { DoctorView } from './doctor-view.js';
import { initrdToLoad, initrdToMake } from './kdump.js';
import { PLACES_OF } from './places.js';
import { kdumpInitrd } from './state.js';
import { hasProgram, readTextOf } from './system.js';

const UNIT = 'kdump-tools.service';

/** Whether kdump is set up at all, whatever kernel it loads. */
export const KDUMP_CHECKS: readonly Check[] = [
  { id: 'kdump.tools', look: lookAtTools },
  { id: 'kdump.use', look: lookAtUse },
  { id: 'kdump.settings', look: lookAtSettings },
  { id: 'kdump.unit', look: lookAtUnit },
  { id: 'kdump.memory', live: true, look: lookAtMemory },
  { id: 'kdump.initrd', look: lookAtInitrd },
];

function lookAtTools(view: DoctorView): readonly Said[] {
  const { system, install } = view;
  const missing = [
    ...(view.hasKdumpTools ? [] : ['kdump-tools']),
    ...(hasProgram(system, 'kexec') ? [] : ['kexec-tools']),
  ];
  if (missing.length === 0) return [ok('kdump-tools and kexec-tools are installed')];
  const text = `${missing.join(' and ')} ${missing.length > 1 ? 'are' : 'is'} not installed`;
  const advice = `apt install ${missing.join(' ')}`;
  if (view.needsKdump) return [problem(`${text}: no dump would be saved`, advice)];
  return [install ? note(text, advice) : warning(`${text}: no dump would be saved`, advice)];
}

function lookAtUse(view: DoctorView): readonly Said[] {
  if (!view.hasKdumpTools) return [];
  if (view.settings.on) return [ok('USE_KDUMP is on')];
  const advice = `set USE_KDUMP=1 in ${PLACES_OF.kdumpDefaults}, then kdump-config load`;
  const text = 'USE_KDUMP is off: no dump would be saved';
  return [view.needsKdump ? problem(text, advice) : warning(text, advice)];
}

/** ucf leaves a file alone that has our line, and puts what a package brings beside it. */
function lookAtSettings({ system }: DoctorView): readonly Said[] {
  const file = PLACES_OF.kdumpDefaults;
  const newer = `${file}.ucf-dist`;
  if (!system.exists(newer)) return [];
  const advice = `take over what is new in it by hand, then remove it: diff ${file} ${newer}`;
  return [note(`an upgrade of kdump-tools left its new settings in ${newer}`, advice)];
}

function lookAtUnit(view: DoctorView): readonly Said[] {
  const { system } = view;
  if (!view.hasKdumpTools || !system.exists(PLACES_OF.units)) return [];
  if (system.readLink(`${PLACES_OF.units}/${UNIT}`) === '/dev/null')
    return [problem(`${UNIT} is masked: nothing is loaded at boot`, `systemctl unmask ${UNIT}`)];
  if (view.isEnabled(UNIT)) return [ok(`${UNIT} is started at boot`)];
  return [warning(`${UNIT} is not enabled: nothing is loaded at boot`, `systemctl enable ${UNIT}`)];
}

/** Beyond what is loaded: to unpack the initrd, and to work in. */
const WORK_BYTES = 32 << 20;
/** How much larger an initrd is unpacked: a guess on the safe side. */
const UNPACKED = 4;

function lookAtMemory(view: DoctorView): readonly Said[] {
  const { system } = view;
  const severe = view.needsKdump || view.isLoaded ? problem : warning;
  if (!/(^|\s)crashkernel=/.test(view.cmdline)) {
    if (!view.needsKdump && !view.hasKdumpTools) return [];
    const grub = '/etc/default/grub.d/kdump-tools.cfg';
    return [
      severe(
        'no crashkernel= on the kernel command line',
        `reboot; if it stays so: put it into ${grub}, update-grub, reboot`,
      ),
    ];
  }
  const size = readTextOf(system, PLACES_OF.crashSize)?.trim() ?? '';
  const room = Number(size);
  if (!/^\d+$/.test(size)) return [note('this kernel does not say how much memory is reserved for a crash')];
  const more = 'ask for more with crashkernel= (/etc/default/grub.d/kdump-tools.cfg), update-grub, reboot';
  if (room === 0) return [severe('the kernel reserved no memory for crashkernel=', more)];
  const { running } = view;
  const kernel = running === undefined ? undefined : view.image(view.kernelToLoad(running));
  const beside = running === undefined ? undefined : initrdToLoad(system, running);
  const initrd = beside == null ? 0 : view.size(beside);
  if (!kernel) return [ok(`${mib(room)} reserved for a crash`)];
  const { initSize } = kernel.kernel;
  const loaded = initSize + initrd;
  const what = `kernel ${mib(initSize)} and ${beside === undefined ? 'an initrd that is not known' : `initrd ${mib(initrd)}`}`;
  if (loaded > room) return [severe(`${mib(room)} reserved for a crash are too few for ${what}`, more)];
  if (initSize + UNPACKED * initrd + WORK_BYTES > room)
    return [warning(`${mib(room)} reserved for a crash hold ${what}, and may be too few to work in`, more)];
  return [ok(`${mib(room)} reserved for a crash; ${what}`)];
}

function lookAtInitrd(view: DoctorView): readonly Said[] {
  const { system, running, settings } = view;
  // Made by initramfs-tools alone.
  if (!view.hasKdumpTools || !settings.on || !hasProgram(system, 'mkinitramfs')) return [];
  return view.versions.flatMap((version): Said[] => {
    const path = kdumpInitrd(version);
    if (view.size(path) > 0 && version === running && initrdToMake(system) === version)
      return [
        note(
          `${path} was made with other sysctls than those of now: kdump-tools makes it anew when it loads a kernel next, with none loaded meanwhile`,
          `${RELOAD}, which makes it first`,
        ),
      ];
    if (view.size(path) > 0) return [ok(`${path} is there`)];
    const advice = `${PLACES_OF.kdumpHook} ${version}`;
    const text = `${path} is missing`;
    if (version === running)
      return [warning(`${text}: kdump-tools makes it when it loads a kernel next`, advice)];
    return [
      note(`${text}: kdump-tools makes it at the first boot of that kernel, which takes a while`, advice),
    ];
  });
}
