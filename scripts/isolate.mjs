// Lets root run the tests without a way to this machine's own devices: in a mount namespace of its own, every sysfs
// and /proc/bus/pci are read-only.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

// Each mount is made read-only by itself, since one below another keeps its own flags.
const SCRIPT = `
set -eu
mount --make-rprivate /
if [ -d /proc/bus/pci ]; then
  mount --bind /proc/bus/pci /proc/bus/pci
  mount -o remount,bind,ro /proc/bus/pci
fi
while [ "$1" != -- ]; do
  mount -o remount,bind,ro "$1"
  shift
done
shift
exec "$@"
`;

export const isRoot = () => process.getuid?.() === 0;

/** Every mount: where it is, its type, and whether it is read-only there. */
function mounts() {
  const lines = readFileSync('/proc/self/mountinfo', 'utf8').split('\n');
  return lines
    .filter((line) => line !== '')
    .map((line) => {
      const [left = '', right = ''] = line.split(' - ');
      const [, , , , at = '', options = ''] = left.split(' ');
      return {
        at: at.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8))),
        type: right.split(' ')[0],
        readOnly: options.split(',').includes('ro'),
      };
    });
}

/** True if no sysfs is mounted that can be written. */
export function isIsolated() {
  // What was mounted later at a place hides what was there.
  const last = new Map(mounts().map((mount) => [mount.at, mount]));
  return [...last.values()].every((mount) => mount.type !== 'sysfs' || mount.readOnly);
}

/** Runs a command with everything read-only; `undefined` where this machine does not let us. */
export function runIsolated(command, args, options) {
  const places = mounts()
    .filter(({ at, type }) => type === 'sysfs' || at === '/sys' || at.startsWith('/sys/'))
    .map(({ at }) => at);
  const before = ['--mount', 'sh', '-c', SCRIPT, 'sh', ...new Set(places), '--'];
  const trial = spawnSync('unshare', [...before, 'true'], { stdio: 'ignore' });
  return trial.status === 0 ? spawnSync('unshare', [...before, command, ...args], options) : undefined;
}
