import { ShootdownError } from '../pci/error.js';
import { attemptAsync } from './attempt.js';
import type { CommandLine } from './change.js';
import { initramfsFiles } from './initramfs-file.js';
import { initramfsPaths } from './parts.js';
import { PLACES_OF } from './places.js';
import { failureText, isProgram, saidBy } from './run-command.js';
import { type Generator, kdumpInitrd } from './state.js';
import type { RunResult, System } from './system.js';

const GATE = 'usr/lib/shootdown/gate';

/** Whether the hook is in an initramfs, as the program says that lists such. Throws where that cannot be told. */
export async function hookIsIn(system: System, image: string, generator: Generator): Promise<boolean> {
  const lister = generator === 'dracut' ? 'lsinitrd' : 'lsinitramfs';
  const result = await system.run(lister, [system.locate(image)]);
  if (result.status === 0) return result.stdout.includes(GATE);
  if (result.status === 127) return (await initramfsFiles(system, image, [GATE]))?.has(GATE) === true;
  throw new ShootdownError('io', `${lister} ${image}: ${failureText(result)}`);
}

/**
 * A program that was to make an initramfs anew without the hook may do nothing and say that all is well: update-initramfs
 * where /boot is mounted read-only, kdump-tools' where linux-version does not list the kernel. Throws `io` with what to do.
 */
export async function checkHookIsOut(system: System, line: CommandLine, result: RunResult): Promise<void> {
  for (const image of imagesMadeBy(line).filter((path) => system.exists(path))) {
    const isThere = isProgram(system, line);
    const generator = line.command === 'dracut' ? 'dracut' : 'initramfs-tools';
    const isIn = await attemptAsync(() => hookIsIn(system, image, generator));
    if (isIn instanceof ShootdownError && isThere) throw isIn;
    if (isIn !== true) continue;
    const said = saidBy(result);
    const why = isThere ? (said === '' ? '' : ` (${said})`) : ' (it is not installed)';
    const left = HOOKS.filter((path) => system.exists(path));
    const mend =
      left.length > 0 ? `remove ${left.join(' and ')}` : isThere ? 'mend that' : 'have it made anew';
    const text = `the hook is still in ${image} after ${[line.command, ...line.args].join(' ')}${why}`;
    throw new ShootdownError('io', `${text}: ${mend}, then shootdown uninstall hook`);
  }
}

/** What is left of them was changed since, and goes into each initramfs. */
const HOOKS = [
  '/etc/initramfs-tools/hooks/shootdown',
  '/usr/lib/dracut/modules.d/95shootdown/module-setup.sh',
];

/** As `install` has them made. */
function imagesMadeBy({ command, args }: CommandLine): readonly string[] {
  const version = args.at(-1) ?? '';
  switch (command) {
    case PLACES_OF.kdumpHook:
      return [kdumpInitrd(version)];
    case 'update-initramfs':
      return initramfsPaths(version).slice(0, 1);
    case 'dracut': {
      const [, image = ''] = args;
      return image.startsWith('/') ? [image] : initramfsPaths(version);
    }
    default:
      return [];
  }
}
