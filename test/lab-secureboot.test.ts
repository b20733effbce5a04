import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { systemClock as clock } from '../src/host/clock.js';
import { parseFlight } from '../src/image/flight.js';
import { Closing } from '../src/lab/closing.js';
import { cpioArchive } from '../src/lab/cpio.js';
import { CONSOLE_CMDLINE, Guest } from '../src/lab/guest.js';
import { readFlight, traceAgrees, tracedWrites } from '../src/lab/guest-flight.js';
import { buildInitramfs, modulePath, NEXT_INITRAMFS, NEXT_KERNEL } from '../src/lab/initramfs.js';
import { openMaster } from '../src/lab/master.js';
import { openFrameSource } from '../src/lab/qemu-net.js';
import { readTrace } from '../src/lab/qemu-trace.js';
import { NETDEV } from '../src/lab/scenario.js';
import { scenarioNamed } from '../src/lab/scenarios.js';
import { wrappedKernel } from '../src/lab/wrapped.js';
import { hasCommand, run } from './support/cli.js';
import { ALL_GUESTS, labParts, labWanted, onlyIfAll } from './support/lab.js';
import { espArguments, hasOvmf, ovmfArguments, SNAKEOIL } from './support/ovmf.js';

// Secure Boot on, the first kernel found on a disk and verified by firmware, the kernel locked down: what is signed
// with a key that the firmware trusts is loaded, wrapped or not, and nothing else.

const SCENARIO = scenarioNamed('crash-e1000');
/** With less, firmware leaves no room for a crash kernel in one piece. */
const MEMORY_MIB = 1024;
const TIMEOUT_MS = 600_000;
const NEXT_TIMEOUT_MS = 180_000;
const UNSIGNED = '/next/unsigned';
const LOCKDOWN = 'mount -t securityfs none /sys/kernel/security; cat /sys/kernel/security/lockdown';

/** The others only if guests that take long are wanted. */
const ALWAYS = '6.12';
const there =
  labWanted() && hasOvmf() && hasCommand('sbsign', 'sbsigntool') && hasCommand('openssl', 'openssl');
const closing = new Closing();

function signer(folder: string): (from: string, to: string) => void {
  const key = join(folder, 'key');
  const must = (command: string, ...args: string[]) => {
    const { status, stderr } = run(command, args);
    expect(status, stderr).toBe(0);
  };
  must('openssl', 'rsa', '-in', SNAKEOIL.key, '-passin', `pass:${SNAKEOIL.passphrase}`, '-out', key);
  return (from, to) => must('sbsign', '--key', key, '--cert', SNAKEOIL.certificate, '--output', to, from);
}

/** A guest with traffic, whose first kernel firmware has verified; the wrapped kernel lies in it, signed and not. */
async function start(series: string) {
  const folder = mkdtempSync(join(tmpdir(), 'shootdown-secure-'));
  closing.add(async () => rmSync(folder, { recursive: true, force: true }));
  const parts = await labParts(series);
  const wrapped = await wrappedKernel(parts.store, parts.kernel);
  const [disk, signed] = [join(folder, 'disk'), join(folder, 'signed')];
  mkdirSync(disk);
  const sign = signer(folder);
  sign(parts.kernel.image, join(disk, 'vmlinuz.efi'));
  sign(wrapped, signed);
  const { path: initramfs } = await buildInitramfs(parts, { next: signed });
  copyFileSync(initramfs, join(disk, 'initramfs'));
  const unsigned = { path: UNSIGNED.slice(1), kind: 'file' as const, bytes: readFileSync(wrapped) };
  writeFileSync(join(disk, 'initramfs'), cpioArchive([unsigned]), { flag: 'a' });

  const source = await openFrameSource(NETDEV);
  closing.add(() => source.close());
  const entry = {
    path: '\\vmlinuz.efi',
    cmdline: `initrd=\\initramfs ${CONSOLE_CMDLINE} shootdown.boot=0 crashkernel=192M`,
  };
  const variables = join(folder, 'variables');
  const trace = join(folder, 'trace');
  const guest = await Guest.boot({
    machine: {
      chipset: 'q35',
      memoryMiB: MEMORY_MIB,
      devices: SCENARIO.devices,
      netdevs: [source.options],
      traces: ['pci_cfg_write'],
    },
    qemu: [...ovmfArguments({ variables, secure: true, entry }), ...espArguments(disk)],
    boot: null,
    onConsole: () => {},
    clock,
    trace,
  });
  closing.add(() => guest.stop());
  const seed = randomBytes(12);
  const master = openMaster(SCENARIO.oracle, { source, seed, clock, memoryMiB: MEMORY_MIB });
  closing.add(() => master.close());
  return { parts, guest, master, writes: () => tracedWrites(readTrace(trace)) };
}

function loadCrashKernel(guest: Guest, call: '-s' | '-c', image: string) {
  const words = `${CONSOLE_CMDLINE} shootdown.boot=1`;
  return guest.run(`kexec ${call} -p ${image} --initrd=${NEXT_INITRAMFS} --command-line='${words}' 2>&1
cat /sys/kernel/kexec_crash_loaded`);
}

describe.skipIf(!there)('under Secure Boot', () => {
  afterEach(() => closing.close());

  for (const series of ['6.1', '6.12']) {
    const wanted = series === ALWAYS;
    it.skipIf(!(wanted || ALL_GUESTS))(
      `${series}: the signed wrapped kernel is loaded and stops the card, the unsigned one is refused${onlyIfAll(wanted)}`,
      async () => {
        const { parts, guest, master, writes } = await start(series);
        expect(await guest.must(LOCKDOWN)).toContain('[integrity]');
        const keys = await guest.must('cat /proc/keys; dmesg | grep -i "secure boot enabled"');
        expect(keys).toMatch(/keyring +\.platform: 1/);
        expect(keys).toMatch(/asymmetri SnakeOil: /);

        for (const { name } of await parts.kernel.modules(SCENARIO.modules))
          await guest.must(`insmod ${modulePath(name)}`);
        await guest.must(SCENARIO.setup ?? '');
        await master.start(guest);
        await guest.must(SCENARIO.alive ?? '');
        await master.pause();

        const unsigned = await loadCrashKernel(guest, '-s', UNSIGNED);
        expect(unsigned.output.trimEnd()).toMatch(/\n0$/);
        expect(await guest.must('dmesg')).toMatch(/Enforced kernel signature verification failed/);
        // Without a signature that somebody checks there is no loading at all.
        expect((await loadCrashKernel(guest, '-c', NEXT_KERNEL)).output.trimEnd()).toMatch(/\n0$/);
        expect((await loadCrashKernel(guest, '-s', NEXT_KERNEL)).output.trim()).toBe('1');

        const from = guest.console.text.length;
        await master.jump();
        guest.send('echo c >/proc/sysrq-trigger');
        expect(await guest.console.find(/Linux version/, { from, ms: NEXT_TIMEOUT_MS, clock })).toBeDefined();
        await master.after();
        expect(await guest.ready(NEXT_TIMEOUT_MS)).toMatchObject({ boot: 1, release: parts.kernel.release });
        await master.ready();
        expect(await guest.must(LOCKDOWN)).toContain('[integrity]');
        const record = parseFlight((await readFlight(guest)) ?? new Uint8Array());
        expect(record).toMatchObject({ jump: 'crash', end: 'complete', observe: false });
        expect(record.entries).toContainEqual(
          expect.objectContaining({ slot: '0000:00:03.0', outcome: 'done' }),
        );
        expect(traceAgrees(writes(), record)).toBe(true);
        const stray = await master.judge();
        expect(stray).toMatchObject({ sent: 100, landed: 0, later: { landed: 0 }, aliveBefore: true });
      },
      TIMEOUT_MS,
    );
  }
});
