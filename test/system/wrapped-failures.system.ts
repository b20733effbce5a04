import { afterEach, expect, it } from 'vitest';
import { savedFlights } from './flight.js';
import type { SystemGuest } from './guest.js';
import { SystemMachine } from './machine.js';
import { savedDumps } from './saved.js';
import {
  crashKernelOf,
  doctorOf,
  PLAIN_KERNEL,
  problemsOf,
  shootdownImage,
  wrappedKernel,
} from './shootdown.js';
import { systemStore } from './store.js';

// What can go wrong with the wrapped kernel, put in by hand. A dump comes before a shootdown: the plain kernel is
// loaded then, and doctor says what is wrong.

let last: SystemMachine | undefined;
afterEach(() => last?.close());

/** Names for what the scripts below break. */
const NAMES = `set -eu
V=$(uname -r)
W=/var/lib/shootdown/kernels/vmlinuz-$V
LIB=/usr/share/shootdown/integrations/lib
PROGRAM=/usr/share/shootdown/dist/shootdown.mjs
rewrite_sums() { sha256sum /boot/vmlinuz-$V $W >$W.sha256; }
fill() {
  n=0
  for size in 1G 100M 10M 1M 64K 4K; do
    while fallocate -l $size /var/tmp/full.$n 2>/dev/null; do n=$((n + 1)); done
    rm -f /var/tmp/full.$n
  done
}
`;
/** No wrapped kernel can be made: as if the package or its Node were gone. */
const NO_PROGRAM = 'mv $PROGRAM $PROGRAM.away';
const PROGRAM_BACK = '[ ! -e $PROGRAM.away ] || mv $PROGRAM.away $PROGRAM';
/** What `refresh` writes over it fits its sums, and no kexec takes it. */
const NO_KERNEL = 'head -c 1M /dev/urandom >$W; rewrite_sums';

interface Failure {
  readonly what: string;
  /** What is done to a system that is well. */
  readonly break: string;
  readonly loads: 'plain' | 'wrapped';
  /** Of what doctor says then, once it can be run again. */
  readonly doctor?: RegExp;
  readonly mend?: string;
}

const FAILURES: readonly Failure[] = [
  { what: 'wrapped kernel missing: made again before kdump-tools starts', break: 'rm $W', loads: 'wrapped' },
  {
    what: 'wrapped kernel missing, and the program too',
    break: `rm $W; ${NO_PROGRAM}`,
    loads: 'plain',
    doctor: /^problem kernel\.wrapped: \S+ is missing: the plain kernel is loaded instead$/,
  },
  {
    what: 'wrapped kernel cut off',
    break: `truncate -s 1M $W; ${NO_PROGRAM}`,
    loads: 'plain',
    doctor: /^problem kernel\.wrapped: \S+ is damaged: the plain kernel is loaded instead$/,
  },
  {
    what: 'kernel replaced after it was wrapped',
    break: `printf x >>/boot/vmlinuz-$V; ${NO_PROGRAM}`,
    loads: 'plain',
    doctor: /^problem kernel\.wrapped: \S+ changed after it was wrapped: the plain kernel is loaded instead$/,
    mend: 'truncate -s -1 /boot/vmlinuz-$V',
  },
  {
    what: 'wrapped kernel that kexec refuses',
    break: `${NO_KERNEL}; ${NO_PROGRAM}`,
    loads: 'plain',
    doctor: /^problem kernel\.wrapped: \S+ has no stub in it$/,
  },
  {
    what: 'scripts gone',
    break: 'mv $LIB $LIB.away',
    loads: 'plain',
    doctor: /^problem install\.program: hooks and units call what is gone: /,
    mend: 'mv $LIB.away $LIB',
  },
  {
    what: 'script with a syntax error',
    break: 'cp -p $LIB/kdump-kernel /run/; echo "if (" >$LIB/kdump-kernel',
    loads: 'plain',
    doctor: /^problem kdump\.kernel: the plain kernel is what kdump-tools loads/,
    mend: 'cp -p /run/kdump-kernel $LIB/',
  },
  {
    what: 'full disk, nothing wrapped',
    break: 'rm $W; fill; /etc/kernel/postinst.d/zz-shootdown $V',
    loads: 'plain',
    doctor: /^problem disk\.dumps: \S+ has 0 MiB left: no dump can be saved there$/,
    mend: 'rm /var/tmp/full.*',
  },
  {
    what: 'full disk, all wrapped',
    break: 'fill',
    loads: 'wrapped',
    doctor: /^warning disk\.boot: \/boot has 0 MiB left/,
    mend: 'rm /var/tmp/full.*',
  },
  {
    what: 'kernel unpacked and not configured',
    break: 'dpkg --unpack /var/tmp/debs/linux-image*.deb',
    loads: 'wrapped',
    doctor: /^warning upgrade\.packages: half installed: linux-image-\S+ \(unpacked\)$/,
  },
];

it('whatever fails before the crash, a kernel waits for it, and doctor says what is wrong', async () => {
  const { guest, wrapped } = await start('wrapped-failures');
  const kernels = { plain: PLAIN_KERNEL, wrapped };
  expect(problemsOf(await doctorOf(guest))).toEqual([]);
  for (const failure of FAILURES) {
    await broken(guest, failure.break);
    await guest.run('systemctl restart kdump-tools');
    const loaded = await crashKernelOf(guest);
    await broken(guest, PROGRAM_BACK);
    const found = problemsOf(await doctorOf(guest));
    console.error([`${failure.what}: ${loaded} is loaded`, ...found].join('\n    '));
    expect.soft(loaded, failure.what).toBe(kernels[failure.loads]);
    if (failure.doctor)
      expect.soft(found, failure.what).toContainEqual(expect.stringMatching(failure.doctor));
    await broken(guest, failure.mend ?? '');
    await guest.must('shootdown refresh');
  }
});

it('the dump is saved: after a kernel that kexec refused, without our scripts, and where no record can be saved', async () => {
  const first = await start('wrapped-failures-crash');
  const { machine, release, wrapped } = first;
  let { guest } = first;
  await broken(guest, `${NO_KERNEL}; ${NO_PROGRAM}`);
  await guest.must('systemctl restart kdump-tools');
  await crash(machine, guest, 'wrapped kernel that kexec refuses', PLAIN_KERNEL);

  guest = await machine.boot({ release });
  expect(await crashKernelOf(guest), 'refused at boot, too').toBe(PLAIN_KERNEL);
  await broken(guest, `${PROGRAM_BACK}; mv $LIB $LIB.away`);
  await guest.must('systemctl restart kdump-tools');
  await crash(machine, guest, 'scripts gone', PLAIN_KERNEL);

  guest = await machine.boot({ release });
  expect(await crashKernelOf(guest), 'no scripts at boot').toBe(PLAIN_KERNEL);
  await broken(guest, "mv $LIB.away $LIB; echo 'if (' >$LIB/save-flight");
  await guest.must('systemctl restart kdump-tools');
  await crash(machine, guest, 'save-flight with a syntax error', wrapped);
});

async function start(name: string) {
  const store = await systemStore();
  const machine = await SystemMachine.create({ store, image: await shootdownImage(store), name });
  last = machine;
  const guest = await machine.boot();
  await guest.must('shootdown install kdump');
  const release = (await guest.must('uname -r')).trim();
  return { machine, guest, release, wrapped: wrappedKernel(release) };
}

function broken(guest: SystemGuest, script: string): Promise<string> {
  return guest.must(`${NAMES}${script}`);
}

/** The dump is saved, whatever the kernel, with no record; the count of the strays tells the kernels apart. */
async function crash(
  machine: SystemMachine,
  guest: SystemGuest,
  what: string,
  kernel: string,
): Promise<void> {
  expect(await crashKernelOf(guest), what).toBe(kernel);
  const before = (await guest.must('ls /var/crash')).match(/^\d{12}$/gm)?.length ?? 0;
  await guest.networkLoad();
  const { stray, ended } = await guest.crash();
  const dumps = await savedDumps(machine.disk);
  const dump = dumps.at(-1);
  console.error(
    `${what}: ${kernel}: ${stray.landed} stray of ${stray.sent} sent; ${ended}; ${dump?.folder}: ${dump?.names.join(' ')}`,
  );
  expect(ended, what).toBe('guest-reset');
  expect(dumps.length, what).toBe(before + 1);
  expect(dump?.header, what).toBe('makedumpfile');
  expect(stray.aliveBefore, what).toBe(true);
  if (kernel === PLAIN_KERNEL) expect(stray.landed, what).toBeGreaterThan(0);
  else expect(stray.landed, what).toBe(0);
  expect((await savedFlights(machine.disk)).size, what).toBe(0);
}
