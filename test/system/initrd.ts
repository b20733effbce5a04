import { cpioArchive } from '../../src/lab/cpio.js';
import type { SystemGuest } from './guest.js';
import type { InitramfsTool } from './recipe.js';

/** The initramfs that the capture kernel gets, as the recipes have it; $v is the kernel's release. */
const IMAGE: Readonly<Record<InitramfsTool, string>> = {
  'initramfs-tools': '/var/lib/kdump/initrd.img-$v',
  dracut: '/boot/initrd.img-$v',
};
const UNPACK: Readonly<Record<InitramfsTool, string>> = {
  'initramfs-tools': 'unmkinitramfs "$image" .',
  dracut: 'lsinitrd --unpack "$image"',
};

/** Everything in it: a line for each name with mode, owner and the link's target, then one for each file's bytes. */
export async function initrdContents(guest: SystemGuest, tool: InitramfsTool): Promise<readonly string[]> {
  const said = await guest.must(`v=$(uname -r)
image=${IMAGE[tool]}
folder=$(mktemp -d)
cd "$folder" || exit 1
${UNPACK[tool]} >/dev/null || exit 1
find . -printf '%M %U:%G %p %l\\n' | sort -k 3
find . -type f -exec sha256sum {} + | sort -k 2
cd /
rm -rf "$folder"`);
  return said.trim().split('\n');
}

/**
 * What the recipe is to blame for: the first file gets its name only when the first kdump initramfs has been made, the
 * other is the command line with which dracut was run.
 */
const OF_THE_RECIPE = / \.\/(conf\/conf\.d\/driver-policy|usr\/lib\/dracut\/build-parameter\.txt)/;

/** What one of two initramfs has and the other has not. */
export function initrdChanges(before: readonly string[], after: readonly string[]): readonly string[] {
  const [old, now] = [new Set(before), new Set(after)];
  return [
    ...before.filter((line) => !now.has(line)).map((line) => `- ${line}`),
    ...after.filter((line) => !old.has(line)).map((line) => `+ ${line}`),
  ].filter((line) => !OF_THE_RECIPE.test(line));
}

/**
 * Puts other files into it, and has kdump-tools load it: Linux unpacks archives one after the other, and the last that
 * has a file wins (Documentation/driver-api/early-userspace/buffer-format.rst).
 */
export async function overwriteInInitrd(
  guest: SystemGuest,
  tool: InitramfsTool,
  files: Readonly<Record<string, string>>,
): Promise<void> {
  const entries = Object.entries(files).map(([path, text]) => ({
    path,
    kind: 'file' as const,
    bytes: Buffer.from(text),
    executable: true,
  }));
  const archive = Buffer.from(cpioArchive(entries)).toString('base64');
  await guest.must(`v=$(uname -r)
image=${IMAGE[tool]}
truncate -s %4 "$image"
echo ${archive} | base64 -d >>"$image"
kdump-config unload
kdump-config load`);
}
