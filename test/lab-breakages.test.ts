import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemClock as clock } from '../src/host/clock.js';
import { CONSOLE_CMDLINE, Guest } from '../src/lab/guest.js';
import { buildInitramfs, type GuestParts } from '../src/lab/initramfs.js';
import { preparedParts } from '../src/lab/prepare.js';
import { Store } from '../src/lab/store.js';
import { SHOOTDOWN, shootdown } from './support/cli.js';
import { labWanted, shootdownAsync } from './support/lab.js';

// Each breakage ends within a bound, with the right words, and leaves no process and no file.

const KERNEL = '6.1';
const TIMEOUT_MS = 180_000;

let parts: GuestParts;
let initramfs: string;
let folder: string;
let tmpBefore: string | undefined;
const guests: Guest[] = [];

async function boot(cmdline: string): Promise<Guest> {
  const guest = await Guest.boot({
    machine: { chipset: 'q35', memoryMiB: 256, devices: [] },
    qemu: [],
    kernel: parts.kernel.image,
    initramfs,
    cmdline: `${CONSOLE_CMDLINE} ${cmdline}`,
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
  return processesWith(folder).filter((pid) =>
    /^qemu-system/.test(readFileSync(`/proc/${pid}/comm`, 'latin1')),
  );
}

async function eventually(what: () => boolean): Promise<void> {
  const until = clock.now() + 20_000;
  while (!what()) {
    if (clock.now() > until) throw new Error(`never: ${what}`);
    await clock.sleep(50);
  }
}

/** A run of the command line that has come as far as its QEMU. */
async function runningLab() {
  const args = [SHOOTDOWN, 'lab', 'run', 'crash-e1000', '--kernel', KERNEL, '--offline'];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  await eventually(() => qemus().length > 0);
  return { child, ended, said: () => stderr };
}

function nothingLeft(): void {
  expect(processesWith(folder)).toEqual([]);
  expect(readdirSync(folder)).toEqual([]);
}

describe.skipIf(!labWanted())('a broken lab', () => {
  beforeAll(async () => {
    const prepared = await shootdownAsync(['lab', 'prepare', '--kernel', KERNEL]);
    expect(prepared.stderr).toBe('');
    const cache = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
    const store = new Store({
      folder: join(cache, 'shootdown/lab'),
      clock,
      offline: true,
      progress: () => () => {},
    });
    parts = await preparedParts(store, KERNEL);
    initramfs = (await buildInitramfs(parts)).path;
    folder = mkdtempSync(join(tmpdir(), 'shootdown-lab-test-'));
    tmpBefore = process.env['TMPDIR'];
    process.env['TMPDIR'] = folder;
  }, TIMEOUT_MS);
  afterEach(async () => {
    for (const guest of guests.splice(0)) await guest.stop();
  });
  afterAll(() => {
    if (tmpBefore === undefined) delete process.env['TMPDIR'];
    else process.env['TMPDIR'] = tmpBefore;
    rmSync(folder, { recursive: true, force: true });
  });

  it('says that QEMU is missing', () => {
    const env = { PATH: '/nonexistent' };
    const { status, stderr } = shootdown(['lab', 'run', 'crash-e1000', '--kernel', KERNEL, '--offline'], env);
    expect(status).toBe(1);
    expect(stderr).toMatch(/qemu-system-x86_64 is not installed: apt-get install qemu-system-x86/);
  });

  it('says that apt is missing', () => {
    const { status, stderr } = shootdown(['lab', 'prepare'], { PATH: '/nonexistent' });
    expect(status).toBe(1);
    expect(stderr).toMatch(/apt-cache is not installed/);
  });

  it(
    'says what a guest said that did not come up',
    async () => {
      await expect(boot('rdinit=/nothing root=/dev/nothing')).rejects.toThrow(
        /^QEMU has ended; the guest did not come up; Kernel panic - not syncing: .*; the console's last lines: /,
      );
      nothingLeft();
    },
    TIMEOUT_MS,
  );

  it(
    'gives up a command that hangs, and notices a QEMU that was killed',
    async () => {
      const guest = await boot('shootdown.boot=0');
      await expect(guest.run('sleep 60', 300)).rejects.toThrow(
        /^no answer within 0.3 s to: sleep 60; the console's last lines: /,
      );
      const waiting = expect(guest.run('true', 60_000)).rejects.toThrow(
        /^QEMU has ended; the guest has ended/,
      );
      process.kill(guest.qemu.pid, 'SIGKILL');
      await waiting;
      await guest.stop();
      nothingLeft();
    },
    TIMEOUT_MS,
  );

  it(
    'ends its QEMU when it is interrupted',
    async () => {
      const lab = await runningLab();
      lab.child.kill('SIGINT');
      expect(await lab.ended).toBe(1);
      expect(lab.said()).toMatch(/shootdown: stopped/);
      nothingLeft();
    },
    TIMEOUT_MS,
  );

  it(
    'says that QEMU has ended under a run, and where the run lies',
    async () => {
      const lab = await runningLab();
      await clock.sleep(1500);
      for (const pid of qemus()) process.kill(Number(pid), 'SIGKILL');
      expect(await lab.ended).toBe(1);
      expect(lab.said()).toMatch(/run: .*crash-e1000-6\.1-none/);
      expect(lab.said()).toMatch(/shootdown: QEMU has ended; .*the console's last lines: /);
      nothingLeft();
    },
    TIMEOUT_MS,
  );

  it(
    'leaves no QEMU when it is killed itself',
    async () => {
      const lab = await runningLab();
      lab.child.kill('SIGKILL');
      await lab.ended;
      await eventually(() => processesWith(folder).length === 0 && readdirSync(folder).length === 0);
    },
    TIMEOUT_MS,
  );
});
