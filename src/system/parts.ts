import type { Change, CommandChange } from './change.js';
import { bootVersions, runningAndNewest } from './installed-kernels.js';
import { filled, type Integration } from './integration.js';
import { kdumpLine } from './kdump-settings.js';
import { PLACES_OF } from './places.js';
import {
  type Generator,
  type Hook,
  type Install,
  kdumpInitrd,
  kernelFiles,
  type Part,
  stateText,
} from './state.js';
import { hasProgram, type System } from './system.js';

const DRACUT_MODULE = '/usr/lib/dracut/modules.d/95shootdown';

/** What a part of the installation consists of on this system. `install` says what is installed after it. */
export function changesFor(
  system: System,
  part: Part,
  install: Install,
  integration: Integration,
): readonly Change[] {
  const make = { kdump: kdumpChanges, kexec: kexecChanges, hook: hookChanges };
  return [installChange(install), ...make[part](system, install, integration), ...reload(system)];
}

/** What was asked for is itself one of the changes. */
export function installChange(install: Install): Extract<Change, { kind: 'file' }> {
  return {
    kind: 'file',
    path: PLACES_OF.install,
    content: stateText(install),
    mode: 0o644,
    generated: true,
    why: 'what is installed, for refresh and doctor',
  };
}

function kdumpChanges(_system: System, _install: Install, integration: Integration): readonly Change[] {
  return [
    ...upkeep(integration),
    ...flightSaver(integration),
    {
      kind: 'file',
      path: `${PLACES_OF.units}/kdump-tools.service.d/shootdown.conf`,
      content: filled(integration, 'systemd/kdump-tools.service.d/shootdown.conf'),
      mode: 0o644,
      why: 'refreshes the wrapped kernel before kdump loads it, and loads the plain one if it cannot be loaded',
    },
    {
      kind: 'line',
      path: PLACES_OF.kdumpDefaults,
      line: kdumpLine(integration.lib),
      why: 'kdump-tools loads the wrapped kernel if it is there and fits, else the plain one',
    },
  ];
}

function kexecChanges(_system: System, _install: Install, integration: Integration): readonly Change[] {
  return [
    ...upkeep(integration),
    unit(integration, 'shootdown-kexec.service', 'systemctl start shootdown-kexec loads the wrapped kernel'),
    {
      kind: 'file',
      path: '/etc/default/kexec.d/shootdown',
      content: filled(integration, 'kexec.d/shootdown'),
      mode: 0o644,
      why: 'kexec-tools loads the wrapped kernel where it would load its plain twin',
    },
  ];
}

function hookChanges(system: System, install: Install, integration: Integration): readonly Change[] {
  const { hook } = install.parts;
  if (!hook) throw new Error('install says nothing of the hook');
  const saver = system.exists(PLACES_OF.kdumpDefaults) ? flightSaver(integration) : [];
  const files = generatorsOf(system, hook).flatMap((generator) => hookFiles(generator, integration));
  return [...saver, ...files, ...remake(system, hook, runningAndNewest(system))];
}

/** What the hook has to be known to: where dracut makes the initramfs, kdump-tools may have its own made without it. */
function generatorsOf(system: System, hook: Hook): readonly Generator[] {
  return makesKdumpImage(system, hook) && hook.generator === 'dracut'
    ? ['dracut', 'initramfs-tools']
    : [hook.generator];
}

/** The hook goes into an initramfs that kdump-tools makes for itself, which it does with initramfs-tools alone. */
function makesKdumpImage(system: System, { generator, when }: Hook): boolean {
  if (generator === 'initramfs-tools') return system.exists(PLACES_OF.kdumpHook);
  return when === 'always' && system.exists(PLACES_OF.kdumpHook) && hasProgram(system, 'mkinitramfs');
}

/** The hook itself, for one way of making an initramfs. */
export function hookFiles(generator: Generator, integration: Integration): readonly Change[] {
  const why = 'stops functions without a driver before udev loads drivers';
  const file = (path: string, name: string): Change => ({
    kind: 'file',
    path,
    content: filled(integration, name),
    mode: 0o755,
    why,
  });
  if (generator === 'initramfs-tools')
    return [file('/etc/initramfs-tools/hooks/shootdown', 'initramfs-tools/hooks/shootdown')];
  return ['module-setup.sh', 'gate-hook.sh'].map((name) =>
    file(`${DRACUT_MODULE}/${name}`, `dracut/95shootdown/${name}`),
  );
}

/** The images of one kernel that the hook goes into, be they there or not yet. */
export function hookImages(system: System, hook: Hook, version: string): readonly string[] {
  const own = hook.generator === 'dracut' || hook.when === 'always' ? initramfsPaths(version) : [];
  const kdump = hook.generator === 'initramfs-tools' || makesKdumpImage(system, hook);
  return [...(kdump ? [kdumpInitrd(version)] : []), ...own];
}

/** What would put the hook into the initramfs of those kernels in /boot that `install` leaves as they are. */
export function remakeOlder(system: System, hook: Hook): readonly CommandChange[] {
  const made = runningAndNewest(system);
  const older = bootVersions(system).filter(
    (version) =>
      !made.includes(version) && hookImages(system, hook, version).some((path) => system.exists(path)),
  );
  return remake(system, hook, older);
}

/**
 * Has the hook taken out of every initramfs that may have it: those of kernels that came since have it without our
 * doing.
 */
export function remakeAll(system: System, hook: Hook): readonly CommandChange[] {
  const made = bootVersions(system).filter((version) =>
    [kdumpInitrd(version), ...initramfsPaths(version)].some((path) => system.exists(path)),
  );
  return remake(system, hook, made);
}

/** Makes the initramfs that the hook belongs in anew. */
function remake(system: System, hook: Hook, versions: readonly string[]): readonly CommandChange[] {
  const { generator, when } = hook;
  return versions.flatMap((version): CommandChange[] => {
    const about = kernelFiles(version).original;
    const make = (command: string, args: readonly string[], of = '') =>
      again(command, args, `makes the ${of}initramfs of ${version} with the hook in it`, about);
    const kdump = makesKdumpImage(system, hook) ? [make(PLACES_OF.kdumpHook, [version], 'kdump ')] : [];
    if (generator === 'dracut') {
      const image = initramfsPaths(version).find((path) => system.exists(path));
      return [...kdump, make('dracut', ['--force', ...(image ? [image] : ['--kver']), version])];
    }
    const own = when === 'always' ? [make('update-initramfs', ['-u', '-k', version])] : [];
    return [...kdump, ...own];
  });
}

/** Where distributions have the initramfs of a kernel. */
export function initramfsPaths(version: string): readonly string[] {
  return [`${PLACES_OF.boot}/initrd.img-${version}`, `${PLACES_OF.boot}/initramfs-${version}.img`];
}

/** The same again once what it is about was taken back. */
function again(command: string, args: readonly string[], why: string, about?: string): CommandChange {
  const undo = { command, args };
  return { kind: 'command', command, args, why, undo, ...(about === undefined ? {} : { about }) };
}

/** What keeps up with kernels that come and go. */
function upkeep(integration: Integration): readonly Change[] {
  const hook = (folder: string, why: string): Change => ({
    kind: 'file',
    path: `/etc/kernel/${folder}/zz-shootdown`,
    content: filled(integration, `kernel/${folder}/zz-shootdown`),
    mode: 0o755,
    why,
  });
  return [
    ...refresher(integration),
    hook('postinst.d', 'wraps a kernel when its package is installed'),
    hook('postrm.d', 'removes the wrapped kernel when its package is removed'),
  ];
}

function refresher(integration: Integration): readonly Change[] {
  const first = 'at boot, before kdump loads a kernel: wraps kernels that are new or changed';
  const later = 'when all is up: wraps them again if the machine changed, and has that loaded';
  return [
    unit(integration, 'shootdown-refresh.service', first),
    wanted('multi-user.target', 'shootdown-refresh.service'),
    unit(integration, 'shootdown-rewrap.service', later),
    wanted('multi-user.target', 'shootdown-rewrap.service'),
  ];
}

function flightSaver(integration: Integration): readonly Change[] {
  return [
    unit(integration, 'shootdown-flight.service', 'saves the flight record beside the dump'),
    wanted('kdump-tools-dump.service', 'shootdown-flight.service'),
    unit(integration, 'shootdown-tidy.service', 'after boot: puts records saved apart beside their dumps'),
    wanted('multi-user.target', 'shootdown-tidy.service'),
  ];
}

function unit(integration: Integration, name: string, why: string): Change {
  const content = filled(integration, `systemd/${name}`);
  return { kind: 'file', path: `${PLACES_OF.units}/${name}`, content, mode: 0o644, why };
}

/** As `systemctl enable` would. */
function wanted(by: string, name: string): Change {
  const why = `starts it with ${by}`;
  return {
    kind: 'link',
    path: `${PLACES_OF.units}/${by}.wants/${name}`,
    target: `${PLACES_OF.units}/${name}`,
    why,
  };
}

function reload(system: System): readonly Change[] {
  if (!system.live || !system.exists('/run/systemd/system')) return [];
  return [again('systemctl', ['daemon-reload'], 'tells systemd of its units')];
}
