import { spawn } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock as clock } from '../src/host/clock.js';
import { CONSOLE_CMDLINE, Guest } from '../src/lab/guest.js';
import { buildInitramfs, type GuestParts } from '../src/lab/initramfs.js';
import { preparedParts } from '../src/lab/prepare.js';
import { Store } from '../src/lab/store.js';
import { type CliResult, SHOOTDOWN, shootdown } from './support/cli.js';
import { type CutSocket, cutSocket } from './support/cut-socket.js';
import { labWanted, shootdownAsync } from './support/lab.js';
import { haveSmallDisk, onSmallDisk } from './support/small-disk.js';

// Each breakage ends within a bound, with the right words, and leaves no process and no file.

const KERNEL = '6.1';
const TIMEOUT_MS = 180_000;
const SMALL_DISK = labWanted() && haveSmallDisk();

/** Of this test alone: what is left over in it is ours. */
let scratch: string;
/** TMPDIR of all that is run here. */
let temporary: string;
/** The lab's store: kernels and programs are those that were prepared, the rest is its own. */
let cache: string;
let parts: GuestParts;
let initramfs: string;
let tmpBefore: string | undefined;
const guests: Guest[] = [];
const sockets: CutSocket[] = [];

/** Links to what `lab prepare` has got, so that nothing is got twice and nothing is left where the user's runs are. */
function linkedStore(at: string): string {
  const theirs = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'shootdown/lab');
  const store = join(at, 'shootdown/lab');
  mkdirSync(store, { recursive: true });
  for (const name of ['packages', 'trees']) symlinkSync(join(theirs, name), join(store, name));
  copyFileSync(join(theirs, 'catalog.json'), join(store, 'catalog.json'));
  return store;
}

async function ownCache(): Promise<void> {
  const prepared = await shootdownAsync(['lab', 'prepare', '--kernel', KERNEL]);
  expect(prepared.stderr).toBe('');
  const folder = linkedStore(cache);
  const store = new Store({ folder, clock, offline: true, progress: () => () => {} });
  parts = await preparedParts(store, KERNEL);
  initramfs = (await buildInitramfs(parts)).path;
}

async function boot(cmdline: string): Promise<Guest> {
  const guest = await Guest.boot({
    machine: { chipset: 'q35', memoryMiB: 256, devices: [] },
    qemu: [],
    boot: { kernel: parts.kernel.image, initramfs, cmdline: `${CONSOLE_CMDLINE} ${cmdline}` },
    onConsole: () => {},
    clock,
  });
  guests.push(guest);
  return guest;
}

/** Processes of this machine whose command line has this text. */
function processesWith(text: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(text);
      } catch {
        return false;
      }
    });
}

/** QEMUs of this test: nobody else's has our folder on its command line. */
function qemus(): string[] {
  return processesWith(temporary).filter((pid) => {
    try {
      return /^qemu-system/.test(readFileSync(`/proc/${pid}/comm`, 'latin1'));
    } catch {
      return false;
    }
  });
}

async function eventually(what: () => boolean): Promise<void> {
  const until = clock.now() + 60_000;
  while (!what()) {
    if (clock.now() > until) throw new Error(`never: ${what}`);
    await clock.sleep(50);
  }
}

const RUN = (scenario: string) => ['lab', 'run', scenario, '--kernel', KERNEL, '--offline'];
const ours = () => ({ XDG_CACHE_HOME: cache });

/** A run of the command line that has come as far as its QEMU. */
async function runningLab() {
  const child = spawn(process.execPath, [SHOOTDOWN, ...RUN('crash-e1000')], {
    env: { ...process.env, ...ours() },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  await eventually(() => qemus().length > 0);
  return { child, ended, said: () => stderr };
}

/** What the guest of a run has said so far. */
function consoleOf(pid: number | undefined): string {
  const runs = join(cache, 'shootdown/lab/runs');
  const name = readdirSync(runs).find((one) => one.includes(`-${pid}-`)) ?? '';
  const file = join(runs, name, 'guest_console.txt');
  return existsSync(file) ? readFileSync(file, 'latin1') : '';
}

/** A run whose connection to one of QEMU's sockets is cut when `when` passes through it, while QEMU goes on. */
async function runCut(scenario: string, socket: string, when: RegExp): Promise<CliResult> {
  const proxy = cutSocket(mkdtempSync(join(scratch, 'cut-')), socket, when);
  sockets.push(proxy);
  const PATH = `${proxy.bin}:${process.env['PATH']}`;
  const result = await shootdownAsync(RUN(scenario), { ...ours(), PATH });
  expect(proxy.cut()).toBe(true);
  return result;
}

function onFullDisk(
  size: string,
  folder: string,
  args: readonly string[],
  XDG_CACHE_HOME = cache,
): Promise<CliResult> {
  return onSmallDisk(size, folder, [process.execPath, SHOOTDOWN, ...args], { XDG_CACHE_HOME });
}

/** One line, told as an error of ours and not as one in the program. */
function expectFailure({ status, stderr }: Pick<CliResult, 'status' | 'stderr'>, message: RegExp): void {
  expect(stderr).toMatch(message);
  expect(stderr).not.toMatch(/internal error|^ +at /m);
  expect(status).toBe(1);
}

interface Breakage {
  readonly what: string;
  /** Needs a disk that is soon full. */
  readonly smallDisk?: true;
  readonly happens: () => Promise<void>;
}

const BREAKAGES: readonly Breakage[] = [
  {
    what: 'QEMU is not installed',
    happens: async () => {
      const result = shootdown(RUN('crash-e1000'), { ...ours(), PATH: '/nonexistent' });
      expectFailure(result, /qemu-system-x86_64 is not installed: apt-get install qemu-system-x86/);
    },
  },
  {
    what: 'apt is not installed',
    happens: async () => {
      const result = shootdown(['lab', 'prepare'], { ...ours(), PATH: '/nonexistent' });
      expectFailure(result, /apt-cache is not installed/);
    },
  },
  {
    what: 'TMPDIR is not there',
    happens: async () => {
      const missing = join(scratch, 'missing');
      const result = await shootdownAsync(RUN('crash-e1000'), { ...ours(), TMPDIR: missing });
      expectFailure(
        result,
        /no folder can be made in .*missing: it is not there: set TMPDIR to a folder that/,
      );
    },
  },
  {
    what: 'the guest panics while it boots',
    happens: async () => {
      await expect(boot('rdinit=/nothing root=/dev/nothing')).rejects.toThrow(
        /^QEMU has ended; the guest did not come up; Kernel panic - not syncing: .*; the console's last lines: /,
      );
    },
  },
  {
    what: 'a command in the guest hangs',
    happens: async () => {
      const guest = await boot('shootdown.boot=0');
      await expect(guest.run('sleep 60', 300)).rejects.toThrow(
        /^no answer within 0.3 s to: sleep 60; the console's last lines: /,
      );
      await guest.stop();
    },
  },
  {
    what: 'QEMU is killed under a command',
    happens: async () => {
      const guest = await boot('shootdown.boot=0');
      const waiting = expect(guest.run('sleep 60', 60_000)).rejects.toThrow(
        /^QEMU has ended; the guest has ended/,
      );
      process.kill(guest.qemu.pid, 'SIGKILL');
      await waiting;
      await guest.stop();
    },
  },
  {
    what: 'QEMU is killed under a run, which says where it lies',
    happens: async () => {
      const lab = await runningLab();
      await eventually(() => consoleOf(lab.child.pid).includes('Linux version'));
      for (const pid of qemus()) process.kill(Number(pid), 'SIGKILL');
      const status = await lab.ended;
      expectFailure(
        { status, stderr: lab.said() },
        /shootdown: QEMU has ended; .*the console's last lines: /,
      );
      expect(lab.said()).toMatch(/run: .*crash-e1000-6\.1-none/);
    },
  },
  {
    what: 'the run is interrupted',
    happens: async () => {
      const lab = await runningLab();
      lab.child.kill('SIGINT');
      const status = await lab.ended;
      expectFailure({ status, stderr: lab.said() }, /shootdown: stopped/);
    },
  },
  {
    what: 'the run is killed',
    happens: async () => {
      const lab = await runningLab();
      lab.child.kill('SIGKILL');
      await lab.ended;
      await eventually(() => processesWith(temporary).length === 0 && readdirSync(temporary).length === 0);
    },
  },
  {
    what: "the console's socket is closed under a run",
    happens: async () => {
      const result = await runCut('normal-edu', 'console', /Linux version/);
      expectFailure(
        result,
        /shootdown: QEMU goes on, but somebody has closed the socket of the console; .*the console's last/,
      );
    },
  },
  {
    what: "QMP's socket is closed while memory is searched",
    happens: async () => {
      const result = await runCut('crash-e1000', 'qmp', /pmemsave/);
      expectFailure(result, /shootdown: qmp:.*: QEMU closed the connection/);
    },
  },
  {
    what: 'no room in TMPDIR for a search of the memory',
    smallDisk: true,
    happens: async () => {
      const result = await onFullDisk('20m', temporary, RUN('crash-e1000'));
      expectFailure(
        result,
        /no space left on its disk: the search of the memory needs 64 MiB there, \d+ MiB are free: .*TMPDIR/,
      );
      expect(result.stderr.trimEnd()).toMatch(/TMPDIR to a folder on another disk$|run: .*$/);
    },
  },
  {
    what: "no room for a run's record",
    smallDisk: true,
    happens: async () => {
      const result = await onFullDisk('64k', join(cache, 'shootdown/lab/runs'), RUN('normal-edu'));
      expectFailure(result, /no space left on its disk|trace is cut off: its disk is full/);
    },
  },
  {
    what: 'no room for an image',
    smallDisk: true,
    happens: async () => {
      const empty = join(scratch, 'empty-cache');
      const store = linkedStore(empty);
      const prepare = ['lab', 'prepare', '--kernel', KERNEL, '--offline'];
      const result = await onFullDisk('1m', join(store, 'temporary'), prepare, empty);
      expectFailure(result, /images\/initramfs-6\.1_[0-9a-f]+: no space left on its disk\n$/);
    },
  },
];

describe.skipIf(!labWanted())('a broken lab', () => {
  beforeAll(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'shootdown-lab-test-'));
    cache = join(scratch, 'cache');
    temporary = join(scratch, 'tmp');
    mkdirSync(temporary);
    await ownCache();
    tmpBefore = process.env['TMPDIR'];
    process.env['TMPDIR'] = temporary;
  }, TIMEOUT_MS);
  afterEach(async () => {
    for (const guest of guests.splice(0)) await guest.stop();
    for (const proxy of sockets.splice(0)) proxy.close();
  });
  afterAll(() => {
    if (tmpBefore === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = tmpBefore;
    rmSync(scratch, { recursive: true, force: true });
  });

  it('is tried in more than ten ways', () => {
    expect(new Set(BREAKAGES.map(({ what }) => what)).size).toBe(14);
  });

  for (const { what, smallDisk, happens } of BREAKAGES) {
    it.skipIf(smallDisk && !SMALL_DISK)(
      what,
      async () => {
        await happens();
        expect(processesWith(scratch)).toEqual([]);
        expect(readdirSync(temporary)).toEqual([]);
        const made = join(cache, 'shootdown/lab/temporary');
        expect(existsSync(made) ? readdirSync(made) : []).toEqual([]);
      },
      TIMEOUT_MS,
    );
  }
});
