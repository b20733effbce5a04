import { afterEach, describe, expect, it } from 'vitest';
import { debianAround, debianSystem, filesOf, OTHER, RUNNING } from '../../test/support/debian-system.js';
import { addToTree, type FakeSystem, failingSystem, removeTree } from '../../test/support/system-tree.js';
import { performInstall, planInstall, type Surroundings } from './install.js';
import { PLACES_OF } from './places.js';
import { PARTS, type Part, readChanges } from './state.js';
import { performUninstall, planUninstall } from './uninstall.js';
import { type UpdatedParts, updateParts } from './update.js';

const UNIT = '/etc/systemd/system/shootdown-refresh.service';
const LINK = '/etc/systemd/system/multi-user.target.wants/shootdown-refresh.service';
const POSTINST = '/etc/kernel/postinst.d/zz-shootdown';
const HOOK = '/etc/initramfs-tools/hooks/shootdown';
const MAKE = `/etc/kernel/postinst.d/kdump-tools ${RUNNING}`;

let system: FakeSystem;
afterEach(() => removeTree(system.root));

async function installed(...parts: readonly Part[]) {
  // One of the places is taken already: that is what uninstall has to give back.
  system = debianSystem({ [UNIT]: 'somebody else’s\n' });
  const before = filesOf(system);
  for (const part of parts) {
    const around = debianAround(system);
    await performInstall(around, await planInstall(around, { part }));
  }
  system.ran.length = 0;
  return before;
}

/** As the next version would have it: other texts in all files of these names, and a further one for the kexec part. */
function nextVersion(names: RegExp, of: Surroundings['system'] = system): Surroundings {
  const around = debianAround(of, { tool: '1.3.0' });
  const { read } = around.integration;
  const later = (name: string) => `${read(name)}${names.test(name) ? '# the next version\n' : ''}`;
  return { ...around, integration: { ...around.integration, read: later } };
}

const changed = ({ steps }: UpdatedParts) =>
  steps.flatMap((step) => (step.action === 'put' ? [step.change.path] : []));
const text = (path: string) => system.read(path)?.toString() ?? '';
const nothing = { steps: [], notes: [], toRun: [], problems: [] };

describe('parts that are installed, after an upgrade', () => {
  it('are brought up to the new version once, and uninstalled byte for byte', async () => {
    const before = await installed('kdump', 'hook');
    const around = nextVersion(/./);
    const done = await updateParts(around);
    expect(done).toMatchObject({ notes: [], problems: [], toRun: [] });
    expect(changed(done)).toEqual(expect.arrayContaining([UNIT, POSTINST, HOOK]));
    for (const path of [UNIT, POSTINST, HOOK]) expect(text(path)).toMatch(/# the next version\n$/);
    expect(system.ran).toEqual(expect.arrayContaining(['systemctl daemon-reload', MAKE]));
    expect(readChanges(system)?.tool).toBe('1.3.0');
    system.ran.length = 0;
    expect(await updateParts(around)).toEqual(nothing);
    expect(system.ran).toEqual([]);
    const undone = await performUninstall(around, planUninstall(around, PARTS));
    expect(undone.problems).toEqual([]);
    expect(filesOf(system)).toEqual(before);
    expect(text(UNIT)).toBe('somebody else’s\n');
  });

  it('do not come to others that were not, nor to a system without any', async () => {
    await installed('kexec');
    await updateParts(nextVersion(/./));
    expect(new Set(readChanges(system)?.entries.flatMap(({ parts }) => parts))).toEqual(new Set(['kexec']));
    expect(system.exists(HOOK)).toBe(false);
    removeTree(system.root);
    const before = await installed();
    expect(await updateParts(nextVersion(/./))).toEqual(nothing);
    expect(filesOf(system)).toEqual(before);
  });

  it('have an initramfs made only where that would have something else in it', async () => {
    await installed('kdump', 'hook');
    await updateParts(nextVersion(/refresh\.service/));
    expect(system.ran).toEqual(['systemctl daemon-reload']);
    // A kernel that came since has the hook already.
    addToTree(system.root, '/boot/vmlinuz-6.1.0-27-amd64', 'x');
    system.ran.length = 0;
    expect(changed(await updateParts(nextVersion(/tidy/)))).toHaveLength(2);
    expect(system.ran).not.toContain(MAKE);
    // The script in the initramfs is not itself a file that install writes.
    system.ran.length = 0;
    expect(changed(await updateParts(nextVersion(/lib\/gate|tidy/)))).toEqual([HOOK]);
    expect(system.ran).toContain(MAKE);
  });

  it('keep what somebody changed or removed since, and say so', async () => {
    await installed('kdump');
    addToTree(system.root, POSTINST, '#!/bin/sh\n# mine\n');
    system.remove(LINK);
    const done = await updateParts(nextVersion(/./));
    expect(done.problems).toEqual([]);
    expect(done.notes).toEqual([
      `${LINK} was removed since, and stays so: shootdown install kdump puts it back`,
      `${POSTINST} was changed since, and is left as it is`,
    ]);
    expect(text(POSTINST)).toBe('#!/bin/sh\n# mine\n');
    expect(system.exists(LINK)).toBe(false);
    expect(text(UNIT)).toContain('# the next version');
  });

  it('lose what the new version does without', async () => {
    await installed('kdump');
    const journal = text(PLACES_OF.changes);
    addToTree(system.root, '/etc/systemd/system/shootdown-old.service', 'old\n');
    const [entry] =
      readChanges(system)
        ?.entries.filter(({ kind }) => kind === 'file')
        .slice(1) ?? [];
    const sha256 = '57f35f5fd6d0a1e3b7a6a6a2a1ef9e6bd3a2fc2b3f8f04f8ed6dcb8d6d0a0b0c';
    const old = {
      ...entry,
      path: '/etc/systemd/system/shootdown-old.service',
      before: { kind: 'absent' },
      after: [sha256],
      generated: true,
    };
    const { entries, ...rest } = JSON.parse(journal);
    addToTree(system.root, PLACES_OF.changes, JSON.stringify({ ...rest, entries: [...entries, old] }));
    const { problems } = await updateParts(nextVersion(/none/));
    expect(problems).toEqual([]);
    expect(system.exists('/etc/systemd/system/shootdown-old.service')).toBe(false);
  });

  it('that cannot be written are a problem, and the next try mends it', async () => {
    const before = await installed('kdump');
    for (const at of [0, 1, 2, 3, 5]) {
      const full = nextVersion(/./, failingSystem(system, at, 'ENOSPC'));
      const { problems } = await updateParts(full);
      expect(problems).toEqual([expect.stringMatching(/^kdump: .*ENOSPC/)]);
    }
    const around = nextVersion(/./);
    expect((await updateParts(around)).problems).toEqual([]);
    expect(await updateParts(around)).toEqual(nothing);
    expect((await performUninstall(around, planUninstall(around, PARTS))).problems).toEqual([]);
    expect(filesOf(system)).toEqual(before);
    expect(system.exists(`/boot/vmlinuz-${OTHER}`)).toBe(true);
  });

  it('are only files in a chroot', async () => {
    await installed('hook');
    const folder = { ...system, live: false };
    const done = await updateParts(nextVersion(/./, folder));
    expect(done.toRun).toContainEqual(expect.objectContaining({ args: [RUNNING] }));
    expect(system.ran).toEqual([]);
  });
});
