import { basename } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import type { Disk } from './disk.js';
import { nicInFlight, savedFlights, writesSeen } from './flight.js';
import type { CrashSeen, SystemGuest } from './guest.js';
import { guestImage } from './image.js';
import { FILES_FOLDER, SystemMachine } from './machine.js';
import { kdumpRecipe } from './recipe.js';
import { type SavedDump, savedDumps } from './saved.js';
import {
  crashKernelOf,
  doctorOf,
  INSTALL_PACKAGES,
  PLAIN_KERNEL,
  problemsOf,
  shootdownImage,
  shootdownPackages,
  wrappedKernel,
} from './shootdown.js';
import { systemStore } from './store.js';
import { type TreeEntry, treeChanges } from './tree.js';

// The wrapped capture kernel, from the package to what is left of it. What goes wrong is in wrapped-failures.

let machine: SystemMachine | undefined;
afterEach(() => machine?.close());

/** The units that nothing waits for, too: one wraps again if the machine has changed. */
const ALL_UP = 'systemctl is-system-running --wait >/dev/null || :';
const UNIT_FOLDER = '/etc/systemd/system';
const UNIT = 'shootdown-flight.service';
/** The next version of our package, which brings another unit. */
const NEXT_VERSION = `d=$(mktemp -d)
dpkg-deb -R ${FILES_FOLDER}/shootdown_*.deb $d/p
sed -i 's/^Version: .*/&+next/' $d/p/DEBIAN/control
echo '# of the next version' >>$d/p/usr/share/shootdown/integrations/systemd/${UNIT}
dpkg-deb -b $d/p $d/next.deb
dpkg -i $d/next.deb 2>&1
rm -r $d`;
const FAILED_UNITS = 'systemctl --failed --no-legend --plain';

it('installed, upgraded, crashed, removed: the dump is saved with its flight record, no frame strays, nothing is left', async () => {
  const store = await systemStore();
  const image = await guestImage(store, await kdumpRecipe('initramfs-tools'));
  const { folder: files } = await shootdownPackages(store);
  machine = await SystemMachine.create({ store, image, name: 'wrapped' });
  const before = await treesOf(machine.disk);

  let guest = await machine.boot({ files });
  const first = await releaseOf(guest);
  await guest.must(INSTALL_PACKAGES);
  console.error(await guest.must('shootdown install kdump 2>&1'));
  expect(await crashKernelOf(guest)).toBe(wrappedKernel(first));
  console.error(await guest.must(NEXT_VERSION));
  expect(await guest.must(`tail -1 ${UNIT_FOLDER}/${UNIT}`)).toContain('of the next version');
  expect(await crashKernelOf(guest)).toBe(wrappedKernel(first));
  await guest.must('dpkg -i /var/tmp/debs/linux-image*.deb');
  await guest.powerOff();

  guest = await machine.boot();
  await guest.must(ALL_UP);
  const release = await releaseOf(guest);
  expect(release).not.toBe(first);
  expect(await guest.must(FAILED_UNITS)).toBe('');
  expect(await crashKernelOf(guest)).toBe(wrappedKernel(release));
  const audited = await guest.must('shootdown audit --json --fail-on never 2>/dev/null');
  expect(JSON.parse(audited).machine).toMatchObject({
    captureKernelLoaded: true,
    captureKernelProtected: true,
  });
  const seen = await crashUnderLoad(guest);
  const dump = await theDump(machine.disk);
  const [[found, record] = failed('no flight record'), ...more] = [...(await savedFlights(machine.disk))];
  report(`wrapped, ${first} upgraded to ${release}`, seen, dump, `the NIC: ${nicInFlight(record)}`);
  expect(more).toEqual([]);
  expect(seen.stray).toMatchObject({ aliveBefore: true, landed: 0 });
  expect(seen.stray.sent).toBeGreaterThan(0);
  expect(record).toMatchObject({ jump: 'crash', end: 'complete', observe: false });
  expect(record.counts.failed).toBe(0);
  expect(nicInFlight(record)).toMatch(/ done, Command 0x\w+7 -> 0x\w+3$/);
  expect(writesSeen(`${machine.folder.path}/trace-2`, record)).toBe(true);

  guest = await machine.boot();
  await guest.must(ALL_UP);
  const path = `${dump.folder}/${basename(found)}`;
  const flight = await guest.run(`shootdown flight ${path}`);
  const doctor = await doctorOf(guest);
  const looks = await guest.run('kdump-config show; ls /var/crash/*/; shootdown doctor');
  console.error(`${flight.output}\n${looks.output}\nstatus ${doctor.status}\n${doctor.findings.join('\n')}`);
  expect(flight.status).toBe(0);
  expect(problemsOf(doctor)).toEqual([]);
  expect(doctor.status).toBe(0);
  const initramfs = await initramfsOf(guest);
  expect(initramfs).not.toContain('shootdown');
  await guest.must('shootdown uninstall all');
  expect(await crashKernelOf(guest)).toBe(PLAIN_KERNEL);
  await guest.must('dpkg --purge shootdown shootdown-runtime');
  expect(await initramfsOf(guest)).toBe(initramfs);
  const left = await guest.must("find / -xdev -iname '*shootdown*'");
  await guest.powerOff();
  const after = await treesOf(machine.disk);
  const [etc, boot] = [treeChanges(before.etc, after.etc), treeChanges(before.boot, after.boot)];
  console.error(`left of ours:\n${left}/etc:\n${etc.join('\n')}\n/boot:\n${boot.join('\n')}`);
  expect(left.trim().split('\n')).toEqual([path]);
  expect(etc).toEqual([]);
  // The new kernel's own; its initramfs was the same with us and without.
  expect(boot).toEqual(
    ['System.map', 'config', 'initrd.img', 'vmlinuz'].map((name) => `+ boot/${name}-${release}`),
  );
});

it('shootdown=observe: frames land as without us, and the record says what would have been done', async () => {
  const store = await systemStore();
  machine = await SystemMachine.create({ store, image: await shootdownImage(store), name: 'observe' });
  const guest = await machine.boot();
  await guest.must('shootdown install kdump');
  await guest.must(OBSERVE);
  expect(await crashKernelOf(guest)).toBe(wrappedKernel(await releaseOf(guest)));
  const doctor = await doctorOf(guest);
  const seen = await crashUnderLoad(guest);
  const dump = await theDump(machine.disk);
  const [[, record] = failed('no flight record')] = [...(await savedFlights(machine.disk))];
  report('wrapped, shootdown=observe', seen, dump, `the NIC: ${nicInFlight(record)}`);
  expect(problemsOf(doctor)).toEqual([expect.stringMatching(/^warning kdump\.words: .*shootdown=observe/)]);
  expect(seen.stray.aliveBefore).toBe(true);
  expect(seen.stray.landed).toBeGreaterThan(0);
  expect(record).toMatchObject({ jump: 'crash', end: 'complete', observe: true });
  expect(record.counts.writes).toBe(0);
  expect(nicInFlight(record)).toContain(' wouldGate, ');
});

/** The line is there as a comment with its default. */
const OBSERVE = `f=/etc/default/kdump-tools
sed -i 's/^#\\(KDUMP_CMDLINE_APPEND="[^"]*\\)"/\\1 shootdown=observe"/' $f
grep -q '^KDUMP_CMDLINE_APPEND=.*shootdown=observe' $f || exit 1
kdump-config reload`;

async function crashUnderLoad(guest: SystemGuest): Promise<CrashSeen> {
  await guest.networkLoad();
  await guest.diskLoad();
  return guest.crash();
}

async function releaseOf(guest: SystemGuest): Promise<string> {
  return (await guest.must('uname -r')).trim();
}

/** The only one, and whole. */
async function theDump(disk: Disk): Promise<SavedDump> {
  const [dump = failed('no dump was saved'), ...more] = await savedDumps(disk);
  expect(more).toEqual([]);
  expect(dump.header).toBe('makedumpfile');
  expect(dump.dmesg).toContain('Kernel panic - not syncing: sysrq triggered crash');
  return dump;
}

function report(what: string, { stray, ended }: CrashSeen, dump: SavedDump, more: string): void {
  const { landed, sent, later } = stray;
  console.error(
    `${what}: ${landed} stray of ${sent} sent, of the later ones ${later.landed} of ${later.sent}; ${ended}; ` +
      `${dump.folder}: ${dump.names.join(' ')}; ${more}`,
  );
  expect(ended).toBe('guest-reset');
}

interface Trees {
  readonly etc: ReadonlyMap<string, TreeEntry>;
  readonly boot: ReadonlyMap<string, TreeEntry>;
}

async function treesOf(disk: Disk): Promise<Trees> {
  return { etc: await disk.tree('/etc'), boot: await disk.tree('/boot') };
}

/** What is in each initramfs, kdump's among them. */
function initramfsOf(guest: SystemGuest): Promise<string> {
  return guest.must(`for i in /boot/initrd.img-* /var/lib/kdump/initrd.img-*; do
  sha256sum $i
  lsinitramfs $i | sort
done`);
}

function failed(what: string): never {
  throw new Error(what);
}
