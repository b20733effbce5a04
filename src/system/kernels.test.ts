import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { makeBzImage } from '../../test/support/bzimage.js';
import { debianAround, debianSystems, OTHER, RUNNING } from '../../test/support/debian-system.js';
import {
  addToTree,
  Ended,
  type FakeSystem,
  failingSystem,
  snapshot,
} from '../../test/support/system-tree.js';
import { unwrapImage } from '../image/wrap.js';
import { ShootdownError } from '../pci/error.js';
import { defaultPolicy } from '../quiesce/default-policy.js';
import { type RefreshOptions, refreshKernels, removeKernels, wrappedVersions } from './kernels.js';
import { PLACES_OF } from './places.js';
import { type Install, kernelFiles, readKernelRecord } from './state.js';
import type { System } from './system.js';

const debian = debianSystems();
const INSTALL: Install = { schema: 'shootdown.install/1', parts: { kdump: {} }, policy: null, sign: null };

async function refresh(system: System, changes: Partial<RefreshOptions> = {}) {
  const { machine, tool, now } = debianAround(system);
  const options = { install: INSTALL, policy: defaultPolicy(), machine, tool, now, ...changes };
  const results = await refreshKernels(system, options);
  return results.map(({ version, status }) => `${version} ${status}`);
}
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

describe('refresh', () => {
  it('wraps each kernel of /boot, and what it made can be checked and taken apart', async () => {
    const system = debian();
    expect(await refresh(system)).toEqual([`${OTHER} wrapped`, `${RUNNING} wrapped`]);
    const { original, wrapped, sums } = kernelFiles(RUNNING);
    const bytes = system.read(wrapped) ?? Buffer.alloc(0);
    expect(Buffer.compare(unwrapImage(bytes), system.read(original) ?? bytes)).toBe(0);
    expect(system.entry(kernelFiles(OTHER).wrapped)?.mode).toBe(0o600);
    expect(readKernelRecord(system, RUNNING)).toMatchObject({
      original: { path: original },
      wrapped: { sha256: sha256(bytes) },
      made: '2026-01-31T12:00:00.000Z',
    });
    // As sha256sum checks it, with the system's root in front.
    const text = (system.read(sums)?.toString() ?? '').replaceAll('  /', `  ${system.root}/`);
    expect(text.split('\n')).toHaveLength(3);
    expect(spawnSync('sha256sum', ['--check', '--strict'], { input: text }).status).toBe(0);
    expect(await refresh(system)).toEqual([`${OTHER} fresh`, `${RUNNING} fresh`]);
  });

  it.each<[string, (system: FakeSystem) => Partial<RefreshOptions>]>([
    ['the kernel', changed(`/boot/vmlinuz-${RUNNING}`, makeBzImage({ kernel: 'new' }))],
    ['the version of the tool', () => ({ tool: '2.0.0' })],
    ['the policy', () => ({ policy: { ...defaultPolicy(), onFailure: 'stop' as const } })],
    ['the machine', () => ({ machine: async () => ({ machine: await empty(), tscKhz: undefined }) })],
    ['the wrapped file', changed(kernelFiles(RUNNING).wrapped, 'damaged')],
    ['its sums', changed(kernelFiles(RUNNING).sums, '')],
    ['its record', changed(kernelFiles(RUNNING).record, '{')],
  ])('wraps again when %s changed', async (_, change) => {
    const system = debian({ [`/boot/vmlinuz-${OTHER}`]: null });
    await refresh(system);
    const options = change(system);
    expect(await refresh(system, options)).toEqual([`${RUNNING} wrapped`]);
    expect(await refresh(system, options)).toEqual([`${RUNNING} fresh`]);
  });

  it('removes those whose kernel is gone, and all when nothing needs them', async () => {
    const system = debian();
    await refresh(system);
    system.remove(`/boot/vmlinuz-${OTHER}`);
    expect(await refresh(system, { kernel: RUNNING })).toEqual([`${RUNNING} fresh`]);
    expect(await refresh(system)).toEqual([`${OTHER} removed`, `${RUNNING} fresh`]);
    expect(system.list(PLACES_OF.kernels)).toHaveLength(3);
    expect(await refresh(system, { install: { ...INSTALL, parts: {} } })).toEqual([`${RUNNING} removed`]);
    expect(system.exists(PLACES_OF.kernels)).toBe(false);
    expect(removeKernels(system, [RUNNING])).toEqual([]);
  });

  it('before drivers are there leaves one that was made for another machine, until they are', async () => {
    const system = debian({ [`/boot/vmlinuz-${OTHER}`]: null });
    const changed = { machine: async () => ({ machine: await empty(), tscKhz: undefined }) };
    expect(await refresh(system, { ...changed, early: true })).toEqual([`${RUNNING} wrapped`]);
    expect(await refresh(system, { ...changed, early: true })).toEqual([`${RUNNING} fresh`]);
    // What was made then is made again, though the functions are the same.
    expect(await refresh(system, changed)).toEqual([`${RUNNING} wrapped`]);
    expect(await refresh(system, changed)).toEqual([`${RUNNING} fresh`]);
    expect(await refresh(system, { early: true })).toEqual([`${RUNNING} fresh`]);
    expect(readKernelRecord(system, RUNNING)?.machine).toMatch(/^sha256:/);
    expect(await refresh(system, { early: true, tool: '2.0.0' })).toEqual([`${RUNNING} wrapped`]);
  });

  it('keeps what still fits when a new one cannot be made', async () => {
    const system = debian({ [`/boot/vmlinuz-${OTHER}`]: null });
    await refresh(system);
    const before = snapshot(`${system.root}/var/lib/shootdown`);
    const unread = () => Promise.reject(new ShootdownError('io', '0000:00:02.0: it cannot be read'));
    expect(await refresh(system, { machine: unread })).toEqual([`${RUNNING} failed`]);
    expect(snapshot(`${system.root}/var/lib/shootdown`)).toEqual(before);
    const full = { ...system, write: failingSystem(system, 0, 'ENOSPC').write };
    const [result] = await refreshKernels(full, {
      ...debianAround(system),
      install: INSTALL,
      policy: defaultPolicy(),
      tool: '2.0.0',
    });
    expect(result?.message).toMatch(/ENOSPC; the wrapped kernel of before stays$/);
    expect(snapshot(`${system.root}/var/lib/shootdown`)).toEqual(before);
    // Not with another policy.
    const policy = { ...defaultPolicy(), onFailure: 'stop' as const };
    const again = { ...system, write: failingSystem(system, 0, 'ENOSPC').write };
    expect(await refresh(again, { policy })).toEqual([`${RUNNING} failed`]);
    expect(wrappedVersions(system)).toEqual([]);
  });

  it('takes a stale one away when a new one cannot be made, and nothing else', async () => {
    const system = debian();
    await refresh(system);
    addToTree(system.root, `/boot/vmlinuz-${RUNNING}`, 'half an upgrade');
    expect(await refresh(system)).toEqual([`${OTHER} fresh`, `${RUNNING} failed`]);
    expect(wrappedVersions(system)).toEqual([OTHER]);
    const broken = () => Promise.reject(new ShootdownError('unsupported', 'a TDX guest'));
    expect(await refresh(system, { machine: broken })).toEqual([`${OTHER} failed`, `${RUNNING} failed`]);
    expect(wrappedVersions(system)).toEqual([]);
  });

  it('on a full disk leaves none that could be loaded by mistake', async () => {
    for (const at of [0, 1, 2, 3, 4]) {
      const system = debian({ [`/boot/vmlinuz-${OTHER}`]: null });
      await refresh(system);
      addToTree(system.root, `/boot/vmlinuz-${RUNNING}`, {
        text: makeBzImage({ kernel: 'new' }),
        mode: 0o644,
      });
      const writes = { ...system, write: failingSystem(system, at, 'ENOSPC').write };
      const results = await refresh(writes);
      expect(results).toEqual([`${RUNNING} ${at < 3 ? 'failed' : 'wrapped'}`]);
      expect(wrappedVersions(system)).toEqual(at < 3 ? [] : [RUNNING]);
    }
  });

  it('ended at any step leaves none that the sums let pass, and the next run mends it', async () => {
    for (let at = 0; at < 8; at++) {
      const system = debian({ [`/boot/vmlinuz-${OTHER}`]: null });
      await refresh(system);
      const image = makeBzImage({ kernel: 'new' });
      addToTree(system.root, `/boot/vmlinuz-${RUNNING}`, { text: image, mode: 0o644 });
      const ended = await refresh(failingSystem(system, at, 'end after')).catch((error) => error);
      if (!(ended instanceof Ended)) break;
      const files = kernelFiles(RUNNING);
      const wrapped = system.read(files.wrapped);
      const fits = wrapped && system.read(files.sums)?.toString().includes(sha256(wrapped));
      const isNew = fits && Buffer.compare(unwrapImage(wrapped), image) === 0;
      expect(fits ? isNew || !system.read(files.sums)?.includes(sha256(image)) : true).toBe(true);
      addToTree(system.root, `${PLACES_OF.kernels}/.vmlinuz-${RUNNING}.77.tmp`, 'half');
      await refresh(system);
      expect(await refresh(system)).toEqual([`${RUNNING} fresh`]);
      expect(system.list(PLACES_OF.kernels)).toHaveLength(3);
    }
  });

  it('signs where it was asked to, and leaves no file of that', async () => {
    const sign = { key: '/etc/key', cert: '/etc/cert' };
    const keys = { '/etc/key': 'k', '/etc/cert': 'c', '/usr/bin/sbverify': 'x' };
    const system = debian({ ...keys, [`/boot/vmlinuz-${OTHER}`]: null });
    const install = { ...INSTALL, sign };
    const signing: System = {
      ...system,
      run: (command, args) => {
        const at = (path = '') => path.slice(system.root.length);
        if (command === 'sbsign')
          system.write(at(args[5]), system.read(at(args[6])) ?? Buffer.alloc(0), 0o600);
        return system.run(command, args);
      },
    };
    expect(await refresh(signing, { install })).toEqual([`${RUNNING} wrapped`]);
    expect(system.ran.map((line) => line.split(' ')[0])).toEqual(['sbsign', 'sbverify']);
    expect(await refresh(signing, { install })).toEqual([`${RUNNING} fresh`]);
    expect(await refresh(signing)).toEqual([`${RUNNING} wrapped`]);
    expect(system.list(PLACES_OF.state)).toEqual(['kernels']);

    const failing: System = { ...system, run: async () => ({ status: 127, stdout: '', stderr: '' }) };
    const [result] = await refreshKernels(failing, {
      ...debianAround(system),
      install,
      policy: defaultPolicy(),
    });
    expect(result?.message).toMatch(/sbsign is not installed: apt install sbsigntool/);
    expect(snapshot(`${system.root}/var/lib/shootdown`)).toEqual({});
  });
});

function changed(path: string, text: string | Uint8Array) {
  return (system: FakeSystem) => {
    addToTree(system.root, path, { text, mode: 0o644 });
    return {};
  };
}

async function empty() {
  const { scan } = await import('../host/scan.js');
  const { memoryHost } = await import('../../test/support/memory-host.js');
  return scan(memoryHost({}));
}
