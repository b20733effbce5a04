import { cp, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { command } from '../../src/lab/command.js';
import { type DebianPackage, describePackages } from '../../src/lab/debian.js';
import type { Store } from '../../src/lab/store.js';
import { ShootdownError } from '../../src/pci/error.js';
import type { Recipe } from './recipe.js';
import { SHELL_FILES, SHELL_SERVICE } from './shell.js';

/** What goes into an image: packages as apt's signed index describes them. */
export interface Ingredients {
  readonly recipe: Recipe;
  readonly base: readonly DebianPackage[];
  /** The recipe's groups, each with what it needs that did not come before. */
  readonly groups: readonly (readonly DebianPackage[])[];
  readonly debs: readonly DebianPackage[];
}

export const DEBS_FOLDER = '/var/tmp/debs';
export const ROOT_LABEL = 'root';
const IMAGE_SIZE = '5G';
const BUILD_TIMEOUT_MS = 1_800_000;
const SUITE = 'bookworm';

const FILES: Readonly<Record<string, string>> = {
  ...SHELL_FILES,
  '/etc/hostname': 'guest\n',
  '/etc/machine-id': '',
  '/etc/fstab': `LABEL=${ROOT_LABEL} / ext4 errors=remount-ro 0 1\n`,
  '/etc/dpkg/dpkg.cfg.d/small': 'path-exclude=/usr/share/doc/*\npath-exclude=/usr/share/locale/*\n',
};

/** What would only take time. */
const MASKED = [
  'apt-daily.timer',
  'apt-daily-upgrade.timer',
  'dpkg-db-backup.timer',
  'e2scrub_all.timer',
  'e2scrub_reap.service',
  'fstrim.timer',
  'getty@tty1.service',
  'serial-getty@ttyS0.service',
  'systemd-timesyncd.service',
];

/**
 * A mirror with these packages and no others in folder $1: what is in its pool was verified when it came.
 */
const MIRROR = `cd "$1"
dist=dists/${SUITE}
mkdir -p $dist/main/binary-amd64
for deb in pool/*.deb; do
  dpkg-deb -f "$deb"
  printf 'Filename: %s\\nSize: %s\\nSHA256: %s\\n\\n' "$deb" "$(stat -c %s "$deb")" "$(sha256sum "$deb" | cut -d' ' -f1)"
done >$dist/main/binary-amd64/Packages
cd $dist
printf 'Suite: stable\\nCodename: ${SUITE}\\nArchitectures: amd64\\nComponents: main\\nSHA256:\\n %s %s main/binary-amd64/Packages\\n' \\
  "$(sha256sum main/binary-amd64/Packages | cut -d' ' -f1)" "$(stat -c %s main/binary-amd64/Packages)" >Release
`;

/**
 * Makes the system in folder $1 from mirror $2 by the debootstrap unpacked in $3, with packages $4; each further
 * argument is a group of .deb files that is installed then. A file in its /sys keeps debootstrap from mounting this
 * machine's there.
 */
const INSTALL = `root=$1; mirror=$2; debootstrap=$3; base=$4; shift 4
exec >&2
mkdir -p "$root/sys" "$root${DEBS_FOLDER}"
: >"$root/sys/not-mounted"
DEBOOTSTRAP_DIR=$debootstrap/usr/share/debootstrap "$debootstrap/usr/sbin/debootstrap" \\
  --no-check-gpg --variant=minbase --include="$base" ${SUITE} "$root" "file://$mirror"
rm "$root/sys/not-mounted"
mountpoint -q "$root/proc" || mount -t proc proc "$root/proc"
printf '#!/bin/sh\\nexit 101\\n' >"$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"
inside() {
  env -i DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot "$root" sh -euc "$1"
}
for group; do
  for deb in $group; do cp "$mirror/pool/$deb" "$root${DEBS_FOLDER}"; done
  inside 'cd ${DEBS_FOLDER}; dpkg --force-unsafe-io -i *.deb; rm *.deb'
done
rm "$root/usr/sbin/policy-rc.d"
rm -rf "$root"/usr/share/doc/* "$root"/usr/share/locale/* "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*
umount "$root/proc"
`;

/** The last of it, once the files are there: $1 the folder, $2 the image. Nothing is mounted for it. */
const IMAGE = `root=$1; image=$2; shift 2
for unit; do ln -sf /dev/null "$root/etc/systemd/system/$unit"; done
chroot "$root" systemctl --quiet enable ${SHELL_SERVICE}
truncate -s ${IMAGE_SIZE} "$image"
mkfs.ext4 -q -F -L ${ROOT_LABEL} -d "$root" "$image"
`;

/** All that makes an image what it is, beside its ingredients. */
export const BUILD = { MIRROR, INSTALL, IMAGE, FILES, MASKED } as const;

/**
 * Installs a system and puts it into a file with an ext4 file system, `path`. Needs root, for chroot; nothing is
 * installed on this machine, and what is mounted is seen by nobody else and goes with the program.
 */
export async function bootstrapImage(store: Store, ingredients: Ingredients, path: string): Promise<void> {
  if (process.getuid?.() !== 0)
    throw new ShootdownError('no-permission', 'debootstrap needs root: run the system tests as root');
  const { recipe, base, groups, debs } = ingredients;
  const packages = [...base, ...groups.flat()];
  const { progress } = store.options;
  const [debootstrap] = await describePackages(['debootstrap']);
  if (debootstrap === undefined) throw new Error('describePackages gives one for each name');
  const tool = await store.tree(debootstrap);
  await store.packages([...packages, ...debs]);
  await store.make(path, async (temporary) => {
    const [mirror, root, image] = ['mirror', 'root', 'image'].map((name) => join(temporary, name)) as [
      string,
      string,
      string,
    ];
    await mkdir(join(mirror, 'pool'), { recursive: true });
    for (const one of packages) await cp(store.debPath(one), join(mirror, 'pool', debName(one)));
    await command('sh', ['-euc', MIRROR, 'sh', mirror]);
    progress(`installing ${recipe.name}`)(0, 1);
    const files = groups.map((group) => group.map(debName).join(' '));
    await apart(INSTALL, [root, mirror, tool, recipe.base.join(','), ...files]);
    for (const one of debs) await cp(store.debPath(one), join(root, DEBS_FOLDER, debName(one)));
    for (const [name, text] of Object.entries({ ...FILES, ...recipe.files })) {
      await mkdir(dirname(join(root, name)), { recursive: true });
      await writeFile(join(root, name), text);
    }
    progress(`making the image of ${recipe.name}`)(0, 1);
    await apart(IMAGE, [root, image, ...MASKED]);
    await rename(image, path);
    await rm(temporary, { recursive: true });
  });
}

/** `NAME.deb`: what lies in the mirror, and in the guest's folder. */
export function debName({ name }: DebianPackage): string {
  return `${name}.deb`;
}

/** Runs a shell script as root in namespaces of its own: no network, no mounts that stay. It ends when we do. */
async function apart(script: string, args: readonly string[]): Promise<void> {
  const withUs = ['--pdeathsig', 'KILL', 'unshare', '--mount', '--pid', '--fork', '--kill-child', '--net'];
  await command('setpriv', [...withUs, 'sh', '-euc', script, 'sh', ...args], { timeoutMs: BUILD_TIMEOUT_MS });
}
