import { kernelPackages } from '../../src/lab/debian.js';

/** A Debian system as data: what an image is made of, and so what its name in the cache is a hash of. */
export interface Recipe {
  readonly name: string;
  /** Names as apt knows them, without which the system does not come up; what they need comes with them. */
  readonly base: readonly string[];
  /** Installed after that, all of a group at once, in this order, as if by hand. Recommended packages do not come along. */
  readonly groups: readonly (readonly string[])[];
  /** Packages whose .deb files lie in `/var/tmp/debs`, for a guest that has no network. */
  readonly debs: readonly string[];
  /** Text of further files, by path. */
  readonly files: Readonly<Record<string, string>>;
  /** What its administrator did when it ran for the first time; must succeed. */
  readonly firstBoot: string;
}

export type InitramfsTool = 'initramfs-tools' | 'dracut';

/** The kernel that is installed, and the one that lies in `/var/tmp/debs`: the newest of each series that apt knows. */
const KERNEL_SERIES = '6.1';
const NEXT_KERNEL_SERIES = '6.12';

const BASE = [
  'systemd-sysv',
  'udev',
  'dbus',
  'e2fsprogs',
  'iproute2',
  'kmod',
  'pciutils',
  'procps',
  'usr-is-merged',
  'zstd',
];

/** Room for the capture kernel: systemd and all drivers of the root file system run in it. */
export const CRASHKERNEL = 'crashkernel=256M';

/** kdump set up as the packages do it, by an administrator who chose the "targeted" initramfs. */
export async function kdumpRecipe(tool: InitramfsTool): Promise<Recipe> {
  const kernels = await kernelPackages();
  const kernel = named(kernels, KERNEL_SERIES);
  const next = named(kernels, NEXT_KERNEL_SERIES);
  return {
    name: `kdump-${tool}`,
    base: BASE,
    groups: [[tool, 'busybox'], [kernel], ['kdump-tools', 'makedumpfile']],
    debs: [next],
    files: tool === 'dracut' ? DRACUT_FILES : INITRAMFS_TOOLS_FILES,
    firstBoot: tool === 'dracut' ? DRACUT_FIRST_BOOT : INITRAMFS_TOOLS_FIRST_BOOT,
  };
}

function named(kernels: ReadonlyMap<string, string>, series: string): string {
  const name = kernels.get(series);
  if (name === undefined)
    throw new Error(`apt knows no kernel ${series}: apt-get update, with security and updates`);
  return name;
}

const READY =
  'grep -q 1 /sys/kernel/kexec_crash_loaded || { systemctl status kdump-tools --no-pager; exit 1; }';

/** In a chroot mkinitramfs could not find out what the root file system is on, so this comes in the first boot. */
const INITRAMFS_TOOLS_FILES = { '/etc/initramfs-tools/conf.d/driver-policy.first-boot': 'MODULES=dep\n' };
const INITRAMFS_TOOLS_FIRST_BOOT = `cd /etc/initramfs-tools/conf.d
mv driver-policy.first-boot driver-policy
update-initramfs -u
${READY}`;

/**
 * kdump-tools 1.8.1 makes its initramfs with mkinitramfs or not at all. Without that, its administrator names none, and
 * the machine's own is taken, which dracut has made for this host only.
 */
const DRACUT_FILES = { '/etc/dracut.conf.d/hostonly.conf.first-boot': 'hostonly=yes\n' };
const DRACUT_FIRST_BOOT = `cd /etc/dracut.conf.d
mv hostonly.conf.first-boot hostonly.conf
dracut -q --force /boot/initrd.img-$(uname -r) $(uname -r)
sed -i -e 's/^KDUMP_KERNEL=.*/KDUMP_KERNEL=/' -e 's/^KDUMP_INITRD=.*/KDUMP_INITRD=/' /etc/default/kdump-tools
systemctl restart kdump-tools
${READY}`;
