import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { type CpioEntry, cpioArchive } from '../../src/lab/cpio.js';
import { shellScript } from '../../src/lab/guest-programs.js';
import { NEXT_INITRAMFS } from '../../src/lab/initramfs.js';
import { GATE } from './gate-tree.js';

/** Where the guest's initramfs has the hook, as in those that its generators make. */
const INTO = '/usr/lib/shootdown';
const START = '/start';
export const HOOK_LOG = '/run/shootdown/hook.log';

/** The word on the capture kernel's command line that starts the hook before the guest's own init. */
export const WITH_HOOK = `rdinit=${START}`;

/** What a generator's init does around the hook: /proc, /sys and /dev are there, and no module is loaded yet. */
const START_SCRIPT = `b=/bin/busybox
$b mkdir -p /proc /sys /dev /run/shootdown
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs dev /dev
sh ${INTO}/gate '' ${INTO}/table ${HOOK_LOG}
$b umount -l /dev
$b umount -l /sys
$b umount -l /proc
exec /init`;

/** A guest's script that puts the hook with this table into the initramfs of the next kernel. */
export function addHookScript(table: string): string {
  const tools = ['od', 'dd', 'sleep'].map(
    (tool): CpioEntry => ({
      path: `${INTO.slice(1)}/bin/${tool}`,
      kind: 'link',
      target: '/bin/busybox',
    }),
  );
  const archive = cpioArchive([
    shellScript(START.slice(1), START_SCRIPT),
    { path: `${INTO.slice(1)}/gate`, kind: 'file', bytes: readFileSync(GATE) },
    { path: `${INTO.slice(1)}/table`, kind: 'file', bytes: Buffer.from(table) },
    ...tools,
  ]);
  // Linux unpacks archives that follow one another, each compressed or not.
  return `echo ${gzipSync(archive).toString('base64')} | base64 -d >>${NEXT_INITRAMFS}`;
}
