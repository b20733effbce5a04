import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createConnection, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openQtest } from '../src/host/qtest.js';
import type { QemuMachine } from '../src/lab/machine.js';
import { startMachine } from '../src/lab/machine-start.js';
import { startQemu } from '../src/lab/qemu.js';
import { readTrace } from '../src/lab/qemu-trace.js';
import { Qmp } from '../src/lab/qmp.js';
import { ShootdownError } from '../src/pci/error.js';
import { hasCommand, run, SHOOTDOWN, shootdown } from './support/cli.js';
import { sleep } from './support/dma.js';
import { configWrites, connected, driveAll, haveQemu, withMachine } from './support/machines.js';
import { haveSmallDisk, onSmallDisk } from './support/small-disk.js';

// Each breakage must end within a bounded time with the right message, and leave no process and no file.

const SMALL: QemuMachine = {
  chipset: 'q35',
  devices: [{ model: 'e1000' }, { model: 'edu' }, { model: 'rtl8139' }, { model: 'lsi53c895a' }],
};

let folder: string;
let tmpBefore: string | undefined;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'shootdown-breakages-'));
  // What is left over here is ours.
  tmpBefore = process.env['TMPDIR'];
  process.env['TMPDIR'] = folder;
});
afterAll(() => {
  if (tmpBefore === undefined) delete process.env['TMPDIR'];
  else process.env['TMPDIR'] = tmpBefore;
  rmSync(folder, { recursive: true });
});
let files = 0;
const file = (what: string) => join(folder, `${files++}-${what}`);
beforeEach(() => {
  files++;
});

/** Processes whose command line names our folder: QEMU, its supervisor, and what they started. */
function processes(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(folder);
      } catch {
        return false;
      }
    });
}

function expectNothingLeft(): void {
  expect(processes()).toEqual([]);
  expect(readdirSync(folder).filter((name) => name.startsWith('shootdown-qemu-'))).toEqual([]);
}

async function refusal(promise: Promise<unknown>): Promise<ShootdownError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ShootdownError)) throw new Error(`not a ShootdownError: ${String(error)}`);
  expect(error.message).not.toMatch(/[\u0000-\u001f]/);
  return error;
}

/** Passes everything through until a line matches; that one goes through as well, and then `happens`. */
async function between(
  target: string,
  when: RegExp,
  happens: (cut: () => void) => void,
): Promise<[string, Server]> {
  const path = file('proxy');
  const server = createServer((client) => {
    const qemu = createConnection(target);
    for (const socket of [client, qemu]) socket.on('error', () => {});
    qemu.pipe(client);
    qemu.on('close', () => client.destroy());
    client.on('close', () => qemu.destroy());
    client.on('data', (data) => {
      qemu.write(data);
      if (when.test(data.toString())) happens(() => client.destroy());
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return [path, server];
}

const once = (action: () => void) => {
  let done = false;
  return () => {
    if (!done) action();
    done = true;
  };
};

/** Runs the bundle while this process goes on. */
function running(
  args: readonly string[],
): Promise<{ status: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [SHOOTDOWN, ...args]);
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (data) => {
    stdout += data;
  });
  child.stderr.on('data', (data) => {
    stderr += data;
  });
  return new Promise((resolve) => child.on('close', (status) => resolve({ status, stdout, stderr })));
}

/** An executable that stands in for QEMU. */
function impostor(script: string): string {
  const path = file('qemu');
  writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return path;
}

const VERSION = 'if [ "$1" = --version ]; then echo "QEMU emulator version 7.2.1"; exit; fi';

describe.skipIf(!haveQemu())('breakages of a running machine', () => {
  it('QEMU killed while it is audited', async () => {
    await withMachine(SMALL, async ({ qemu, qtest }) => {
      const [proxy, server] = await between(
        qtest,
        /b64read/,
        once(() => process.kill(qemu.pid, 'SIGKILL')),
      );
      const { status, stderr } = await running(['audit', '--host', `qtest:${proxy}`]);
      server.close();
      expect(stderr).toMatch(
        /^shootdown: qtest:.*: QEMU closed the connection: it has ended, or was ended\n$/,
      );
      expect(status).toBe(1);
      expect((await qemu.ended).status).toBe(128 + 9);
    });
    expectNothingLeft();
  });

  it('QEMU killed at the second write of apply', async () => {
    await withMachine(SMALL, async (machine) => {
      await connected(machine, driveAll);
      let writes = 0;
      const [proxy, server] = await between(machine.qtest, /writew/, () => {
        if (++writes === 2) process.kill(machine.qemu.pid, 'SIGKILL');
      });
      const journal = file('journal');
      const { status, stdout, stderr } = await running([
        ...['apply', '--host', `qtest:${proxy}`, '--journal', journal],
      ]);
      server.close();
      expect(status, stdout + stderr).toBe(3);
      expect(stdout).toMatch(/QEMU closed the\s+connection/);
      expect(stderr).toContain(journal);
      expect(readFileSync(journal, 'utf8')).toContain('shootdown.journal-file/1');
    });
    expectNothingLeft();
  });

  it('the connection cut in the middle, QEMU alive: the next run goes on', async () => {
    await withMachine(SMALL, async (machine) => {
      const [proxy, server] = await between(machine.qtest, /b64read/, (cut) => cut());
      const cut = await running(['audit', '--host', `qtest:${proxy}`]);
      server.close();
      expect(cut.stderr).toMatch(/QEMU closed the connection/);
      expect(cut.status).toBe(1);
      expect(shootdown(['audit', '--host', `qtest:${machine.qtest}`, '--json']).stderr).toBe('');
    });
    expectNothingLeft();
  });

  it('two at a time', async () => {
    await withMachine(SMALL, (machine) =>
      connected(machine, async () => {
        const error = await refusal(openQtest(machine.qtest, { timeoutMs: 300 }));
        expect(error.code).toBe('timeout');
        expect(error.message).toMatch(/QEMU hangs, or serves another client/);
      }),
    );
  });

  it('a machine that is stopped, not dead', async () => {
    await withMachine(SMALL, async ({ qemu, qtest }) => {
      process.kill(qemu.pid, 'SIGSTOP');
      expect((await refusal(openQtest(qtest, { timeoutMs: 300 }))).code).toBe('timeout');
    });
    expectNothingLeft();
  });

  it('the supervisor killed', async () => {
    await withMachine(SMALL, async ({ qemu, stop }) => {
      const supervisor = readFileSync(`/proc/${qemu.pid}/stat`, 'latin1').split(' ')[3];
      process.kill(Number(supervisor), 'SIGKILL');
      await stop();
      expect((await qemu.ended).status).toBe(128 + 9);
    });
    expectNothingLeft();
  });

  it('the wrong socket', async () => {
    await withMachine(SMALL, async ({ qemu, qtest }) => {
      qemu.qmp.close();
      await sleep(50);
      const asQtest = shootdown(['audit', '--host', `qtest:${qemu.path('qmp')}`]);
      expect(asQtest.stderr).toMatch(/this is a QMP socket: name that of -qtest/);
      expect(asQtest.status).toBe(1);
      const error = await refusal(Qmp.connect(qtest, { timeoutMs: 1000 }));
      expect(error.message).toMatch(/no QMP socket/);
    });
    expectNothingLeft();
  });

  it('commands that QEMU refuses', async () => {
    await withMachine(SMALL, async ({ qemu }) => {
      const error = await refusal(qemu.qmp.execute('no-such-command'));
      expect(error.code).toBe('unsupported');
      expect(error.message).toMatch(
        /QEMU refuses no-such-command: The command no-such-command has not been found/,
      );
      expect((await refusal(qemu.qmp.nextEvent('NEVER', 50))).code).toBe('timeout');
      const shutdown = qemu.qmp.nextEvent('SHUTDOWN', 5000);
      await qemu.qmp.execute('quit');
      expect((await shutdown).data).toMatchObject({ guest: false });
      expect((await qemu.ended).status).toBe(0);
      await sleep(20);
      expect((await refusal(qemu.qmp.human('info pci'))).message).toMatch(/QEMU closed the connection/);
    });
    expectNothingLeft();
  });
});

/** A program of our sources that `main` is the body of, with QEMU's private folders in `folder`. */
async function program(main: string): Promise<string> {
  const path = file('main.mjs');
  await build({
    stdin: {
      contents: `
      import { startMachine } from './src/lab/machine-start.js';
      import { ShootdownError } from './src/pci/error.js';
      const machine = ${JSON.stringify({ ...SMALL, traces: ['pci_cfg_write'] })};
      ${main}`,
      resolveDir: join(import.meta.dirname, '..'),
      loader: 'ts',
    },
    ...{ outfile: path, bundle: true, platform: 'node', format: 'esm', logLevel: 'warning' },
  });
  return path;
}

describe.skipIf(!haveQemu())('breakages of a disk', () => {
  it.skipIf(!hasCommand('strace', 'strace'))(
    'the one with the journal is full: nothing is written',
    async () => {
      await withMachine({ ...SMALL, traces: ['pci_cfg_write'] }, async (machine) => {
        await connected(machine, driveAll);
        const before = machine.trace();
        const journal = file('journal');
        const strace = ['-f', '-qq', '-o', '/dev/null', '-P', journal, '-e', 'trace=write'];
        const inject = ['-e', 'inject=write:error=ENOSPC:when=1+'];
        const apply = ['apply', '--host', `qtest:${machine.qtest}`, '--journal', journal];
        const { status, stderr } = run('strace', [
          ...strace,
          ...inject,
          process.execPath,
          SHOOTDOWN,
          ...apply,
        ]);
        expect(stderr).toMatch(/the disk is full: free some room/);
        expect(status).toBe(1);
        expect(existsSync(journal)).toBe(false);
        expect(configWrites(machine.trace())).toEqual(configWrites(before));
      });
      expectNothingLeft();
    },
  );

  describe.skipIf(!haveSmallDisk())('that has no room', () => {
    const caught = `catch (error) {
      if (!(error instanceof ShootdownError)) throw error;
      console.log(error.code + ' ' + error.message);
    }`;
    const broken = async (size: string, main: string) => {
      const disk = join(folder, 'small');
      const command = [process.execPath, await program(main)];
      const { stdout, stderr, status } = await onSmallDisk(size, disk, command, { TMPDIR: disk });
      expect(stderr).toBe('');
      expect(status).toBe(0);
      expectNothingLeft();
      return stdout;
    };

    it('for a look at memory', async () => {
      const said = await broken(
        '2m',
        `const { qemu, stop } = await startMachine(machine);
        console.log((await qemu.readMemory(0, 4096)).length);
        try { await qemu.readMemory(0, 64 * 1024 * 1024); } ${caught}
        console.log((await qemu.readMemory(0, 4096)).length);
        await stop();`,
      );
      expect(said).toMatch(
        /^4096\nio .*: no space left on its disk: .* needs 64 MiB there, 1 MiB are free: .*TMPDIR.*\n4096\n$/,
      );
    });

    it('for the firmware to say that it is done', async () => {
      const said = await broken('8k', `try { await startMachine(machine); } ${caught}`);
      expect(said).toMatch(/^io .*: no space left on its disk: the firmware's log needs/);
    });

    it('for the whole trace', async () => {
      const said = await broken(
        '1m',
        `import { statfsSync, writeFileSync } from 'node:fs';
        const { qemu, trace, stop } = await startMachine(machine);
        console.log(trace().length > 0);
        const { bavail, bsize } = statfsSync(qemu.folder);
        writeFileSync(qemu.path('ballast'), new Uint8Array(bavail * bsize));
        try { trace(); } ${caught}
        await stop();`,
      );
      expect(said).toMatch(/^true\nio .*: QEMU's trace is cut off: its disk is full: .*TMPDIR/);
    });
  });

  it('something that QEMU cannot write to stands where memory is to go', async () => {
    await withMachine(SMALL, async ({ qemu }) => {
      // What QEMU says of a disk that has become full only since it was looked at.
      symlinkSync('/dev/full', qemu.path('memory-0'));
      const error = await refusal(qemu.readMemory(0, 1024 * 1024));
      expect(error.code).toBe('io');
      expect(error.message).toMatch(/no space left on its disk: .* needs 1 MiB there/);
      expect(await qemu.readMemory(0, 4096)).toHaveLength(4096);
    });
    expectNothingLeft();
  });

  it('a trace that ends in the middle of a line', async () => {
    const path = file('trace');
    writeFileSync(path, 'pci_cfg_write edu 00:03.0 @0x4 <- 0x107\npci_cfg_wri');
    const error = await refusal((async () => readTrace(path))());
    expect(error.message).toMatch(/QEMU's trace is cut off: its last line is not whole/);
    rmSync(path);
  });
});

describe.skipIf(!haveQemu())('breakages at the start', () => {
  const start = (binary: string, startTimeoutMs = 5000) =>
    startQemu({ binary, startTimeoutMs, args: () => ['-machine', 'none', '-display', 'none'] });

  it('no QEMU', async () => {
    const before = process.env['PATH'];
    process.env['PATH'] = folder;
    try {
      const error = await refusal(startMachine(SMALL));
      expect(error.code).toBe('not-found');
      expect(error.message).toBe('qemu-system-x86_64 is not installed: apt-get install qemu-system-x86');
    } finally {
      process.env['PATH'] = before;
    }
    expectNothingLeft();
  });

  it('an old QEMU, and something else', async () => {
    const old = await refusal(start(impostor('echo "QEMU emulator version 5.2.0 (Debian 1:5.2)"')));
    expect(old.code).toBe('unsupported');
    expect(old.message).toMatch(/is version 5\.2: 7\.2 or newer is needed/);
    expect((await refusal(start(impostor('echo hello')))).message).toMatch(/does not say a version/);
    expect((await refusal(start(impostor('exit 3')))).message).toMatch(/--version failed/);
    expectNothingLeft();
  });

  it('QEMU that ends at once says why', async () => {
    const error = await refusal(startQemu({ args: () => ['-device', 'no-such-device'] }));
    expect(error.code).toBe('io');
    expect(error.message).toMatch(/ended with status 1 .*'no-such-device' is not a valid device model name/);
    expectNothingLeft();
  });

  it('QEMU that ends before it answers', async () => {
    const error = await refusal(start(impostor(`${VERSION}\necho "thinking ($0)" >&2; exec sleep 60 "$0"`)));
    expect(error.code).toBe('io');
    expectNothingLeft();
  });

  it('QEMU that never answers', async () => {
    // Long enough for a shell on a busy machine to say something.
    const silent = await refusal(start(impostor(`${VERSION}\necho thinking >&2; exec sleep 60`), 2000));
    expect(silent.code).toBe('timeout');
    expect(silent.message).toBe('QEMU does not answer within 2000 ms: thinking');
    expectNothingLeft();
  });

  it('no folder for temporary files', async () => {
    const before = process.env['TMPDIR'];
    const plain = file('plain');
    writeFileSync(plain, '');
    try {
      for (const [path, why] of [
        [join(folder, 'missing'), 'it is not there'],
        [plain, 'it is no folder'],
      ] as const) {
        process.env['TMPDIR'] = path;
        expect((await refusal(startMachine(SMALL))).message).toBe(
          `no folder can be made in ${path}: ${why}: set TMPDIR to a folder that can be written`,
        );
      }
    } finally {
      process.env['TMPDIR'] = before;
    }
    rmSync(plain);
    expectNothingLeft();
  });

  it('a folder for temporary files that is too long for sockets', async () => {
    const long = join(folder, 'x'.repeat(100));
    const before = process.env['TMPDIR'];
    const { mkdirSync } = await import('node:fs');
    mkdirSync(long);
    process.env['TMPDIR'] = long;
    try {
      expect((await refusal(startMachine(SMALL))).message).toMatch(/choose a shorter TMPDIR/);
    } finally {
      process.env['TMPDIR'] = before;
    }
    expect(readdirSync(long)).toEqual([]);
    expectNothingLeft();
  });

  it.each(['SIGKILL', 'SIGTERM', 'SIGINT'] as const)(
    'the program that started it ended by %s',
    async (signal) => {
      const main = await program(`
        const { qemu } = await startMachine(machine);
        console.log(qemu.pid + ' ' + qemu.folder);
        await new Promise((resolve) => setTimeout(resolve, 60_000));`);
      const child = spawn(process.execPath, [main], { stdio: ['ignore', 'pipe', 'inherit'] });
      const line = await new Promise<string>((resolve) =>
        child.stdout.once('data', (data) => resolve(String(data))),
      );
      const [pid, private_] = line.trim().split(' ') as [string, string];
      expect(existsSync(`/proc/${pid}`) && existsSync(private_)).toBe(true);
      child.kill(signal);
      for (let i = 0; i < 1000 && (processes().length > 0 || existsSync(private_)); i++) await sleep(20);
      expectNothingLeft();
    },
  );
});
