import { cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { openDump } from '../../src/host/dump.js';
import { readRange } from '../../src/host/port.js';
import { scan } from '../../src/host/scan.js';
import { makeBzImage } from '../support/bzimage.js';
import { buildFakeSysfs, type FakeFunction } from '../support/fake-sysfs.js';

/** A host of the trial: a Debian whose /sys is a tree made of a dump that ships, and whose kexec is a script. */
export interface TrialMachine {
  readonly name: string;
  /** In `dumps/`. */
  readonly dump: string;
  /** Added to the files of every host, by path. */
  readonly files?: Readonly<Record<string, { readonly text: string; readonly mode: number }>>;
}

/** It takes the place of kexec: kdump-config tells it what to load, and the kernel's file in the tree says so. */
const KEXEC = `#!/bin/sh
loaded=/sys/kernel/kexec_crash_loaded
case " $* " in *' -u '*) echo 0 >$loaded; exit ;; esac
for kernel; do :; done
[ -s "$kernel" ] || { echo "cannot open $kernel" >&2; exit 1; }
echo 1 >$loaded
`;

/** Of systemd: what Ansible and shootdown ask for. */
const SYSTEMCTL = `#!/bin/sh
echo "$*" >>/run/systemctl.log
case $1 in
show) printf 'LoadState=loaded\\nActiveState=active\\nSubState=exited\\nUnitFileState=enabled\\n' ;;
is-enabled) echo enabled ;;
restart) /usr/sbin/kdump-config unload; /usr/sbin/kdump-config load ;;
daemon-reload) ;;
*) exit 1 ;;
esac
`;

/** Of the hook of kdump-tools: there is nothing here to make an initramfs of. */
const KDUMP_HOOK = `#!/bin/sh
echo "kdump initrd" >"/var/lib/kdump/initrd.img-$1"
`;

const program = (text: string) => ({ text, mode: 0o755 });

/** Writes what is different from this machine into a host's root folder, which is a layer over this machine's. */
export async function furnish(
  machine: TrialMachine,
  root: string,
  { kdumpTools, release, project }: { kdumpTools: string; release: string; project: string },
): Promise<void> {
  const { name, dump, files = {} } = machine;
  await buildTree(join(project, 'dumps', dump), join(root, 'trial'));
  // Its scripts as the package has them; ucf would have put its settings in place.
  const parts = {
    etc: 'etc',
    lib: 'usr/lib',
    'usr/sbin': 'usr/sbin',
    'usr/share/kdump-tools': 'usr/share/kdump-tools',
  };
  for (const [from, to] of Object.entries(parts))
    cpSync(join(kdumpTools, from), join(root, to), { recursive: true });
  cpSync(join(kdumpTools, 'usr/share/kdump-tools/kdump-tools.conf'), join(root, 'etc/default/kdump-tools'));
  // There is no network.
  rmSync(join(root, 'etc/apt/sources.list.d'), { recursive: true });
  mkdirSync(join(root, 'etc/apt/sources.list.d'));
  const entries: Record<string, string | Uint8Array | { text: string; mode: number }> = {
    '/etc/hostname': `${name}\n`,
    '/etc/apt/sources.list': '',
    [`/boot/vmlinuz-${release}`]: makeBzImage({ kernel: release }),
    [`/boot/initrd.img-${release}`]: 'initrd',
    [`/lib/modules/${release}/modules.dep`]: '',
    [`/var/lib/kdump/initrd.img-${release}`]: 'kdump initrd',
    '/etc/kernel/postinst.d/kdump-tools': program(KDUMP_HOOK),
    '/sbin/kexec': program(KEXEC),
    '/usr/bin/systemctl': program(SYSTEMCTL),
    '/trial/cmdline': 'root=/dev/vda1 crashkernel=256M\n',
    '/trial/sysrq-trigger': '',
    '/trial/sys/kernel/kexec_crash_loaded': '0\n',
    '/trial/sys/kernel/kexec_crash_size': '268435456\n',
    '/trial/sys/kernel/security/lockdown': '[none] integrity confidentiality\n',
    ...files,
  };
  for (const [path, entry] of Object.entries(entries)) {
    const at = join(root, path);
    mkdirSync(dirname(at), { recursive: true });
    const { text, mode } =
      typeof entry === 'object' && 'text' in entry ? entry : { text: entry, mode: 0o644 };
    rmSync(at, { force: true });
    writeFileSync(at, text, { mode });
  }
  const wants = join(root, 'etc/systemd/system/basic.target.wants');
  mkdirSync(wants, { recursive: true });
  symlinkSync('/lib/systemd/system/kdump-tools.service', join(wants, 'kdump-tools.service'));
}

/** A tree in sysfs's layout with the functions of a dump. */
async function buildTree(dump: string, folder: string): Promise<void> {
  const host = await openDump(dump);
  const { topology } = await scan(host);
  const functions: FakeFunction[] = [];
  for (const { parent, function: fn } of topology.nodes.values()) {
    const config = await readRange(host, fn.slot, 0, await host.visibleBytes(fn.slot));
    functions.push({ slot: fn.slot, config, ...(parent === null ? {} : { parent }) });
  }
  await host.close();
  buildFakeSysfs({ functions }, folder);
}
