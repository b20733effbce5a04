import {
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeFunction } from '../../test/support/encode.js';
import { buildFakeSysfs, type FakeMachine, type FakeSysfs } from '../../test/support/fake-sysfs.js';
import { runAsNobody } from '../../test/support/run-as-nobody.js';
import { ShootdownError } from '../pci/error.js';
import type { Slot } from '../pci/slot.js';
import type { Host } from './port.js';
import { openSysfs, type SysfsOptions } from './sysfs.js';
import { plainFacts } from './sysfs-facts.js';
import { nodeFiles, SYSFS_MAGIC, type SysfsFiles } from './sysfs-files.js';

const NIC = '0000:01:00.0' as Slot;
const PORT = '0000:00:1c.0' as Slot;
const nic = encodeFunction({ command: 6, capabilities: [{ kind: 'pm' }, { kind: 'express', flr: true }] });
const port = encodeFunction({ command: 7, bridge: { secondary: 1 } });
const SIMPLE: FakeMachine = {
  functions: [
    { slot: PORT, config: port, driver: 'pcieport' },
    {
      slot: NIC,
      config: nic,
      parent: PORT,
      driver: 'e1000e',
      module: 'e1000e',
      resetMethods: ['flr', 'bus'],
    },
  ],
};

const onLinuxPci = existsSync('/sys/bus/pci/devices');

const cleanUps: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

function build(machine: FakeMachine): FakeSysfs {
  const fake = buildFakeSysfs(machine);
  cleanUps.push(fake.remove);
  return fake;
}

function open(options: SysfsOptions): Host {
  const host = openSysfs(options);
  cleanUps.push(() => host.close());
  return host;
}

async function failure(promise: Promise<unknown> | (() => unknown)): Promise<ShootdownError> {
  try {
    await (typeof promise === 'function' ? promise() : promise);
  } catch (error) {
    if (error instanceof ShootdownError) return error;
    throw error;
  }
  throw new Error('it did not fail');
}

function errno(code: string): () => never {
  return () => {
    throw Object.assign(new Error(code), { code });
  };
}

/** Counts what is done to config files. */
function counting(): { files: SysfsFiles; counts: { open: number; close: number; most: number } } {
  const counts = { open: 0, close: 0, most: 0 };
  const config = new Set<number>();
  const files: SysfsFiles = {
    ...nodeFiles,
    open: (path, access) => {
      const fd = nodeFiles.open(path, access);
      if (path.endsWith('/config')) {
        counts.open++;
        config.add(fd);
        counts.most = Math.max(counts.most, config.size);
      }
      return fd;
    },
    close: (fd) => {
      if (config.delete(fd)) counts.close++;
      nodeFiles.close(fd);
    },
  };
  return { files, counts };
}

describe('files held open', () => {
  const functions = Array.from({ length: 8 }, (_, i) => ({ slot: `0000:0${i}:00.0`, config: nic }));

  async function pass(host: Host): Promise<void> {
    for (const slot of await host.slots()) {
      await host.visibleBytes(slot);
      await host.readRange?.(slot, 0, 64);
      await host.read(slot, 4, 2);
    }
  }

  it('opens each once over several passes', async () => {
    const { files, counts } = counting();
    const host = open({ root: build({ functions }).root, files });
    for (let i = 0; i < 3; i++) await pass(host);
    expect(counts).toEqual({ open: 8, close: 0, most: 8 });
    await host.close();
    expect(counts.close).toBe(8);
    expect((await failure(host.read('0000:00:00.0' as Slot, 0, 4))).code).toBe('usage');
  });

  it('keeps those that fit and opens the others once in each pass', async () => {
    const { files, counts } = counting();
    const host = open({ root: build({ functions }).root, files, openFileLimit: 64 + 5 });
    for (let i = 0; i < 3; i++) await pass(host);
    expect(counts.open).toBe(5 + 3 * 3);
    expect(counts.most).toBeLessThanOrEqual(6);
  });

  it('lets go of what is released, to the benefit of others', async () => {
    const { files, counts } = counting();
    const host = open({ root: build({ functions }).root, files, openFileLimit: 64 + 5 });
    const slots = await host.slots();
    for (const slot of slots) {
      await host.read(slot, 0, 4);
      host.release?.(slot);
    }
    expect(counts).toEqual({ open: 8, close: 8, most: 1 });
  });

  it('makes do with fewer files than the limit promised', async () => {
    let left = 6;
    const { files, counts } = counting();
    const scarce: SysfsFiles = {
      ...files,
      open: (path, access) => {
        if (left === 0) return errno('EMFILE')();
        left--;
        return files.open(path, access);
      },
      close: (fd) => {
        left++;
        files.close(fd);
      },
    };
    const host = open({ root: build({ functions }).root, files: scarce, openFileLimit: 1000 });
    await pass(host);
    await pass(host);
    expect(counts.most).toBeLessThanOrEqual(6);
    expect(counts.open).toBeGreaterThan(8);
  });
});

describe('writing', () => {
  it('writes to the file, and no more than the register', async () => {
    const fake = build(SIMPLE);
    const host = open({ root: fake.root, write: true });
    await host.write(NIC, 4, 2, 0x0402);
    expect([...fake.config(NIC).slice(2, 8)]).toEqual([0x34, 0x12, 0x02, 0x04, 0x10, 0]);
    expect(fake.config(NIC)).toHaveLength(256);
  });

  it('says what lockdown refuses, and what can be done', async () => {
    const files = { ...nodeFiles, pwrite: errno('EPERM') };
    const locked = open({ root: build({ ...SIMPLE, lockdown: 'integrity' }).root, write: true, files });
    const error = await failure(locked.write(NIC, 4, 2, 0));
    expect(error.code).toBe('lockdown');
    expect(error.message).toMatch(/locked down \(integrity\).*wrap the next kernel/);
    expect(error.register).toBe('04');
    const free = open({ root: build({ ...SIMPLE, lockdown: 'none' }).root, write: true, files });
    expect((await failure(free.write(NIC, 4, 2, 0))).message).toMatch(/run as root/);
    expect((await failure(free.write(NIC, 4, 2, 0))).code).toBe('no-permission');
  });

  it('knows a short write and each errno', async () => {
    const fake = build(SIMPLE);
    const codes = { ENODEV: 'vanished', EIO: 'io', EROFS: 'no-permission', EACCES: 'no-permission' } as const;
    for (const [name, code] of Object.entries(codes)) {
      const host = open({ root: fake.root, write: true, files: { ...nodeFiles, pwrite: errno(name) } });
      expect((await failure(host.write(NIC, 4, 2, 0))).code).toBe(code);
    }
    const short = open({ root: fake.root, write: true, files: { ...nodeFiles, pwrite: () => 1 } });
    expect((await failure(short.write(NIC, 4, 2, 0))).message).toMatch(/1 of 2 bytes/);
  });

  it('reads where it may not write', async () => {
    for (const [name, message] of [
      ['EACCES', /run as root/],
      ['EROFS', /read-only/],
    ] as const) {
      const files: SysfsFiles = {
        ...nodeFiles,
        open: (path, access) => (access === 'read-write' ? errno(name)() : nodeFiles.open(path, access)),
      };
      const host = open({ root: build(SIMPLE).root, write: true, files });
      expect(await host.read(NIC, 4, 2)).toBe(6);
      const error = await failure(host.write(NIC, 4, 2, 0));
      expect(error.code).toBe('no-permission');
      expect(error.message).toMatch(message);
    }
  });

  it.skipIf(!onLinuxPci)(
    'refuses the running machine without its flag, whatever path leads there',
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'shootdown-link-'));
      cleanUps.push(() => rmSync(folder, { recursive: true }));
      symlinkSync('/sys', join(folder, 'copy'));
      for (const root of ['/sys', '/sys/../sys/', '/proc/self/root/sys', join(folder, 'copy')]) {
        const error = await failure(() => openSysfs({ root, write: true }));
        expect(error.code).toBe('refused');
        expect(error.message).toMatch(/--write-real-pci-devices/);
      }
      expect((await failure(() => openSysfs({ write: true }))).code).toBe('refused');
    },
  );

  it('refuses a link out of a copied tree into the running kernel', async () => {
    const fake = build(SIMPLE);
    const files: SysfsFiles = {
      ...nodeFiles,
      fileSystem: (target) => (typeof target === 'number' ? SYSFS_MAGIC : nodeFiles.fileSystem(target)),
    };
    const host = open({ root: fake.root, write: true, files });
    expect((await failure(host.write(NIC, 4, 2, 0))).code).toBe('refused');
    expect([...fake.config(NIC)]).toEqual([...nic]);
    await open({ root: fake.root, write: true, writeRealSys: true, files }).write(NIC, 4, 2, 0);
    expect(fake.config(NIC)[4]).toBe(0);
  });

  it('refuses a link out of a copied tree after files that may be written', async () => {
    const fake = build({ functions: [...SIMPLE.functions, { slot: '0000:02:00.0', config: nic }] });
    unlinkSync(fake.configPath(NIC));
    // A file of the kernel's own that does no harm.
    symlinkSync('/proc/self/comm', fake.configPath(NIC));
    let asked = 0;
    const files: SysfsFiles = {
      ...nodeFiles,
      fileSystem: (target) => {
        if (typeof target === 'number') asked++;
        return nodeFiles.fileSystem(target);
      },
    };
    const host = open({ root: fake.root, write: true, files });
    await host.write(PORT, 4, 2, 3);
    expect((await failure(host.write(NIC, 4, 2, 0))).code).toBe('refused');
    await host.write('0000:02:00.0' as Slot, 4, 2, 2);
    expect([fake.config(PORT)[4], fake.config('0000:02:00.0')[4], asked]).toEqual([3, 2, 2]);
  });
});

describe('what is not there', () => {
  it('tells a vanished function from one that cannot be seen', async () => {
    const fake = build(SIMPLE);
    const host = open({ root: fake.root });
    await host.slots();
    unlinkSync(fake.configPath(NIC));
    const error = await failure(host.read(NIC, 0, 4));
    expect(error.code).toBe('vanished');
    expect(error.slot).toBe(NIC);
    truncateSync(fake.configPath(PORT), 0);
    expect((await failure(host.read(PORT, 0, 4))).code).toBe('vanished');
    expect(
      (await failure(open({ root: fake.root }).readRange?.(PORT, 0, 64) ?? Promise.resolve())).code,
    ).toBe('vanished');
    expect(await host.facts?.('0000:01:00.0' as Slot)).toBeDefined();
  });

  it('opens a vanished function anew when it is back', async () => {
    const fake = build(SIMPLE);
    let gone = false;
    const files: SysfsFiles = {
      ...nodeFiles,
      pread: (...args) => (gone ? errno('ENODEV')() : nodeFiles.pread(...args)),
    };
    const host = open({ root: fake.root, files });
    await host.slots();
    gone = true;
    expect((await failure(host.read(NIC, 0, 4))).code).toBe('vanished');
    gone = false;
    expect(await host.read(NIC, 4, 2)).toBe(6);
  });

  it('says that there is no such tree, or nothing in it', async () => {
    const empty = mkdtempSync(join(tmpdir(), 'shootdown-empty-'));
    cleanUps.push(() => rmSync(empty, { recursive: true }));
    expect((await failure(() => openSysfs({ root: empty }))).message).toMatch(/has a PCI function/);
    expect((await failure(() => openSysfs({ root: join(empty, 'no\u001b[31m') }))).code).toBe('not-found');
  });

  it('reads folders that were copied without their links', async () => {
    const root = mkdtempSync(join(tmpdir(), 'shootdown-plain-'));
    cleanUps.push(() => rmSync(root, { recursive: true }));
    mkdirSync(join(root, 'devices/10000:00:04.0'), { recursive: true });
    writeFileSync(join(root, 'devices/10000:00:04.0/config'), nic.slice(0, 64));
    const host = open({ root });
    const [slot] = await host.slots();
    expect(slot).toBe('10000:00:04.0');
    const facts = await host.facts?.(slot as Slot);
    expect(facts && plainFacts(facts)).toEqual({});
    expect(await host.machineFacts?.()).toEqual({ liveKernel: false });
    expect(await host.visibleBytes(slot as Slot)).toBe(64);
  });

  it('notes what is in the folder and is no function', async () => {
    const fake = build(SIMPLE);
    writeFileSync(join(fake.root, 'bus/pci/devices/\u001b[2Jx'), '');
    const host = open({ root: fake.root });
    expect(await host.slots()).toEqual([PORT, NIC]);
    expect(host.notes).toEqual([expect.stringMatching(/\?\[2Jx is no PCI function$/)]);
  });
});

describe('seeing', () => {
  it('rounds the size of a file down to what it can hold', async () => {
    const sizes = [10, 64, 128, 256, 300, 4096, 5000];
    const functions = sizes.map((size, i) => ({ slot: `0000:00:0${i}.0`, config: new Uint8Array(size) }));
    const host = open({ root: build({ functions }).root });
    const visible = await Promise.all((await host.slots()).map((slot) => host.visibleBytes(slot)));
    expect(visible).toEqual([64, 64, 64, 256, 256, 4096, 4096]);
  });

  it('believes a short read more than the size', async () => {
    const files: SysfsFiles = {
      ...nodeFiles,
      pread: (fd, buffer, length, position) =>
        nodeFiles.stat(fd).size === 256 && position >= 64 ? 0 : nodeFiles.pread(fd, buffer, length, position),
    };
    const host = open({ root: build(SIMPLE).root, files });
    expect(await host.visibleBytes(NIC)).toBe(256);
    expect((await failure(host.read(NIC, 0x40, 4))).code).toBe('usage');
    expect(await host.visibleBytes(NIC)).toBe(64);
    expect(host.notes).toEqual([expect.stringMatching(/only 64 bytes of 1 functions/)]);
  });

  it.skipIf(!onLinuxPci)('shows the running kernel to somebody who is not root', async () => {
    const result = (await runAsNobody(`
      import { openSysfs } from './src/host/sysfs.ts';
      import { scan } from './src/host/scan.ts';
      const host = openSysfs();
      const machine = await scan(host);
      const visible = await Promise.all((await host.slots()).map((slot) => host.visibleBytes(slot)));
      let refused;
      try { openSysfs({ write: true }); } catch (error) { refused = error.code; }
      console.log(JSON.stringify({ slots: machine.facts.size, visible, notes: machine.notes, refused }));
    `)) as { slots: number; visible: number[]; notes: string[]; refused: string };
    expect(new Set(result.visible)).toEqual(new Set(result.slots > 0 ? [64] : []));
    if (result.slots > 0) expect(result.notes.join()).toMatch(/run as root/);
    expect(result.refused).toBe('refused');
  });

  it.skipIf(!onLinuxPci)('shows the running kernel, and changes nothing', async () => {
    const host = open({});
    for (const slot of await host.slots()) {
      expect(await host.visibleBytes(slot)).toBeGreaterThanOrEqual(64);
      expect(plainFacts((await host.facts?.(slot)) ?? {})).toHaveProperty('driver');
    }
    expect((await host.machineFacts?.())?.liveKernel).toBe(true);
    expect(host.writable).toBe(false);
  });
});

describe('acting', () => {
  it('unbinds, binds and resets by writing to the files for it', async () => {
    const fake = build(SIMPLE);
    const host = open({ root: fake.root, write: true });
    await host.actions?.unbind(NIC, 'e1000e');
    await host.actions?.bind(NIC, 'e1000e');
    await host.actions?.reset(NIC);
    expect(fake.read('bus/pci/drivers/e1000e/unbind')).toBe(NIC);
    expect(fake.read('bus/pci/drivers/e1000e/bind')).toBe(NIC);
    expect(fake.read(`bus/pci/devices/${NIC}/reset`)).toBe('1');
  });

  it('refuses what would do something else', async () => {
    const fake = build({
      functions: [
        { slot: NIC, config: nic, driver: 'e1000e', resetMethods: ['pm', 'flr'] },
        { slot: '0000:02:00.0', config: nic },
      ],
    });
    const actions = open({ root: fake.root, write: true }).actions;
    if (!actions) throw new Error('no actions');
    expect((await failure(actions.unbind(NIC, 'igb'))).message).toMatch(/bound to e1000e, not to igb/);
    expect((await failure(actions.reset(NIC))).message).toMatch(/by pm, which is no function-level reset/);
    const other = '0000:02:00.0' as Slot;
    expect((await failure(actions.reset(other))).message).toMatch(/does not say how/);
    expect((await failure(actions.unbind(other, 'igb'))).message).toMatch(/bound to no driver/);
    expect((await failure(actions.bind(other, '../../x'))).code).toBe('usage');
    expect((await failure(actions.bind(other, 'gone'))).code).toBe('vanished');
    expect((await failure(actions.bind('0000:09:00.0' as Slot, 'igb'))).code).toBe('usage');
  });

  it('lets the process end although the kernel does not answer', async () => {
    // A pipe that nobody reads stands for a driver whose removal hangs.
    const { folder, unbind, outcome } = (await runAsNobody(`
      import { execFileSync } from 'node:child_process';
      import { rmSync } from 'node:fs';
      import { join } from 'node:path';
      import { openSysfs } from './src/host/sysfs.ts';
      import { buildFakeSysfs } from './test/support/fake-sysfs.ts';
      const slot = '0000:01:00.0';
      const fake = buildFakeSysfs({ functions: [{ slot, config: new Uint8Array(64), driver: 'stuck' }] });
      const unbind = join(fake.root, 'bus/pci/drivers/stuck/unbind');
      rmSync(unbind);
      execFileSync('mkfifo', [unbind]);
      const host = openSysfs({ root: fake.root, write: true });
      const waited = new Promise((resolve) => setTimeout(() => resolve('waiting'), 300));
      const outcome = await Promise.race([host.actions.unbind(slot, 'stuck').then(() => 'done'), waited]);
      console.log(JSON.stringify({ folder: join(fake.root, '..'), unbind, outcome }));
      process.exit(0);
    `)) as { folder: string; unbind: string; outcome: string };
    expect(outcome).toBe('waiting');
    const fd = openSync(unbind, constants.O_RDONLY | constants.O_NONBLOCK);
    closeSync(fd);
    rmSync(folder, { recursive: true });
  });

  it('refuses to act on the running kernel behind a link', async () => {
    const fake = build(SIMPLE);
    const files: SysfsFiles = {
      ...nodeFiles,
      fileSystem: (target) =>
        typeof target === 'string' && target.endsWith('unbind') ? SYSFS_MAGIC : nodeFiles.fileSystem(target),
    };
    const host = open({ root: fake.root, write: true, files });
    expect((await failure(host.actions?.unbind(NIC, 'e1000e') ?? Promise.resolve())).code).toBe('refused');
    expect(fake.read('bus/pci/drivers/e1000e/unbind')).toBe('');
  });
});

it.skipIf(!onLinuxPci)('names one machine by one name', () => {
  const a = build(SIMPLE);
  const b = build(SIMPLE);
  const link = `${a.root}-link`;
  symlinkSync(a.root, link);
  const names = [a.root, link, b.root].map((root) => open({ root }).lockName);
  expect(names[0]).toBe(names[1]);
  expect(names[0]).not.toBe(names[2]);
  expect(open({}).lockName).toBe(open({ root: '/sys/../sys' }).lockName);
});
