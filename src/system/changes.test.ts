import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import {
  addToTree,
  Ended,
  failingSystem,
  fakeSystem,
  makeTree,
  removeTree,
  snapshot,
  type TreeEntry,
} from '../../test/support/system-tree.js';
import type { Change } from './change.js';
import { applyChanges, undoChanges } from './change-apply.js';
import { JournalFile } from './change-journal.js';
import { isVisible, planChanges, planUndo } from './change-plan.js';
import type { Part } from './state.js';
import type { System } from './system.js';

const roots: string[] = [];
afterEach(() => {
  for (const root of roots.splice(0)) removeTree(root);
});
const tree = (entries: Record<string, TreeEntry>) => {
  const root = makeTree({ '/var/lib': 'folder/', ...entries });
  roots.push(root);
  return root;
};

async function install(system: System, changes: readonly Change[], part: Part = 'kdump') {
  const journal = JournalFile.open(system, 'test');
  const steps = planChanges(system, journal.entries, part, changes);
  return applyChanges(system, journal, part, steps);
}

async function uninstall(system: System, parts: readonly Part[] = ['kdump', 'kexec', 'hook']) {
  const journal = JournalFile.open(system, 'test');
  const performed = await undoChanges(system, journal, planUndo(system, journal.entries, parts));
  if (performed.problems.length === 0 && journal.entries.length === 0) journal.end();
  return performed;
}

const pending = (system: System, changes: readonly Change[], part: Part = 'kdump') =>
  planChanges(system, JournalFile.open(system, 'test').entries, part, changes).filter(isVisible);

const why = 'test';
const file = (path: string, content: string, mode = 0o644): Change => ({
  kind: 'file',
  path,
  content,
  mode,
  why,
});
const line = (path: string, text: string): Change => ({ kind: 'line', path, line: text, why });
const reload: Change = {
  kind: 'command',
  command: 'reload',
  args: [],
  why,
  undo: { command: 'reload', args: ['again'] },
};
const MARK = 'eval something # shootdown';

const ALL: readonly Change[] = [
  file('/etc/a/b/unit', 'ours\n'),
  file('/etc/a/hook', '#!/bin/sh\n', 0o755),
  { kind: 'link', path: '/etc/a/wants/unit', target: '/etc/a/b/unit', why },
  line('/etc/default/tool', MARK),
  reload,
];

const textArb = fc.oneof(
  fc.constantFrom('', '\n', 'A=1', 'A=1\n', 'A=1\n\n', 'A=1\r\n', '# shootdown\n', 'x\n\ny'),
  fc.string({ maxLength: 20 }),
);
const entryArb: fc.Arbitrary<TreeEntry> = fc.oneof(
  fc.record({ text: textArb, mode: fc.constantFrom(0o644, 0o600, 0o755, 0o440, 0o4755) }),
  fc.constant({ link: '/etc/elsewhere' }),
);
/** A tree in which each of the places may be taken already. */
const treeArb = fc
  .record(
    {
      '/etc/a/b/unit': entryArb,
      '/etc/a/hook': entryArb,
      '/etc/a/wants/unit': entryArb,
      '/etc/default/tool': entryArb,
      '/etc/a/b/other': entryArb,
      '/etc/elsewhere': fc.record({ text: textArb, mode: fc.constant(0o644) }),
      '/etc/a/wants': fc.constant('folder/' as const),
    },
    { requiredKeys: ['/etc/elsewhere'] },
  )
  .map((entries) => entries as Record<string, TreeEntry>);

describe('a plan of changes', () => {
  it('is undone byte for byte, whatever was there', async () => {
    await fc.assert(
      fc.asyncProperty(treeArb, async (entries) => {
        const root = tree(entries);
        const system = fakeSystem(root);
        const before = snapshot(root);
        await install(system, ALL);
        expect(pending(system, ALL)).toEqual([]);
        expect(system.read('/etc/a/b/unit')?.toString()).toBe('ours\n');
        expect(system.entry('/etc/a/hook')?.mode).toBe(0o755);
        const installed = snapshot(root);
        await install(system, ALL);
        expect(snapshot(root)).toEqual(installed);
        expect(system.ran).toEqual(['reload']);
        expect(await uninstall(system)).toMatchObject({ problems: [], notes: [] });
        expect(system.ran).toEqual(['reload', 'reload again']);
        expect(snapshot(root)).toEqual(before);
      }),
      { numRuns: 60 },
    );
  });

  it('is undone, or made whole, after it ended at any step', async () => {
    await fc.assert(
      fc.asyncProperty(
        treeArb,
        fc.nat(60),
        fc.constantFrom('end before' as const, 'end after' as const),
        fc.boolean(),
        async (entries, at, how, again) => {
          const root = tree(entries);
          const system = fakeSystem(root);
          const before = snapshot(root);
          const broken = failingSystem(system, at, how);
          const done = await install(broken, ALL).catch((error) => error);
          if (broken.count() > at) expect(done).toBeInstanceOf(Ended);
          // What the writer leaves when it is killed.
          const { entries: noted } = JournalFile.open(system, 'test');
          if (noted.some((entry) => entry.kind === 'file' && entry.path === '/etc/a/hook'))
            addToTree(root, '/etc/a/.hook.123.tmp', 'half');
          if (again) {
            await install(system, ALL);
            expect(pending(system, ALL)).toEqual([]);
            expect(system.ran).toContain('reload');
          }
          expect((await uninstall(system)).problems).toEqual([]);
          expect(snapshot(root)).toEqual(before);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('is undone by a second run when the first ended at any step', async () => {
    await fc.assert(
      fc.asyncProperty(
        treeArb,
        fc.nat(40),
        fc.constantFrom('end before', 'end after', 'ENOSPC', 'EROFS', 'EACCES'),
        fc.nat(8),
        async (entries, at, how, lasts) => {
          const root = tree(entries);
          const system = fakeSystem(root);
          const before = snapshot(root);
          await install(system, ALL);
          const broken = failingSystem(system, at, how as 'EROFS', lasts + 1);
          await uninstall(broken).catch(() => {});
          expect((await uninstall(system)).problems).toEqual([]);
          expect(snapshot(root)).toEqual(before);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('leaves nothing when a step fails once, and says so when it cannot', async () => {
    await fc.assert(
      fc.asyncProperty(
        treeArb,
        fc.nat(40),
        fc.constantFrom('ENOSPC', 'EROFS', 'EACCES'),
        fc.constantFrom(1, 1, 3, 1000),
        async (entries, at, how, lasts) => {
          const root = tree(entries);
          const system = fakeSystem(root);
          const before = snapshot(root);
          const broken = failingSystem(system, at, how as 'EROFS', lasts);
          const error = await install(broken, ALL).then(
            () => undefined,
            (failed) => failed,
          );
          if (broken.count() <= at) {
            expect(error).toBeUndefined();
            return;
          }
          expect(error?.message).toContain(how);
          if (lasts === 1) expect(error.code).not.toBe('incomplete');
          if (error.code !== 'incomplete') expect(snapshot(root)).toEqual(before);
          await uninstall(system);
          expect(snapshot(root)).toEqual(before);
        },
      ),
      { numRuns: 80 },
    );
  });
});

describe('parts', () => {
  it('share what both need, until the last of them goes', async () => {
    const root = tree({ '/etc/default/tool': 'A=1' });
    const system = fakeSystem(root);
    const before = snapshot(root);
    const shared = file('/etc/a/shared', 'ours');
    await install(system, [file('/etc/a/x', '1'), shared], 'kdump');
    await install(system, [shared, line('/etc/default/tool', MARK)], 'kexec');
    await uninstall(system, ['kdump']);
    expect(system.exists('/etc/a/x')).toBe(false);
    expect(system.exists('/etc/a/shared')).toBe(true);
    await uninstall(system, ['kexec']);
    expect(snapshot(root)).toEqual(before);
  });

  it('of a newer version replace those of the older one, and take back what is not asked for any more', async () => {
    const root = tree({ '/etc/default/tool': 'A=1', '/etc/a': { text: 'theirs', mode: 0o600 } });
    const system = fakeSystem(root);
    const before = snapshot(root);
    await install(system, [file('/etc/a', 'one'), file('/etc/gone', 'x'), line('/etc/default/tool', 'old')]);
    await install(system, [file('/etc/a', 'two'), line('/etc/default/tool', 'new')]);
    expect(system.read('/etc/a')?.toString()).toBe('two');
    expect(system.read('/etc/default/tool')?.toString()).toBe('A=1\nnew\n');
    expect(system.exists('/etc/gone')).toBe(false);
    await uninstall(system);
    expect(snapshot(root)).toEqual(before);
  });
});

describe('what somebody changed since', () => {
  it('is left as it is, with a word, and the original stays to be had', async () => {
    const root = tree({ '/etc/a': 'theirs' });
    const system = fakeSystem(root);
    await install(system, [file('/etc/a', 'ours')]);
    addToTree(root, '/etc/a', 'edited');
    expect(() => pending(system, [file('/etc/a', 'newer')])).toThrow(/was changed after shootdown wrote it/);
    const { notes } = await uninstall(system);
    expect(notes).toEqual([expect.stringMatching(/\/etc\/a was changed since .* as it was before: (\S+)$/)]);
    expect(system.read('/etc/a')?.toString()).toBe('edited');
    expect(system.read(/(\S+)$/.exec(notes[0] ?? '')?.[1] ?? '')?.toString()).toBe('theirs');
    await uninstall(system);
    expect(system.read(/(\S+)$/.exec(notes[0] ?? '')?.[1] ?? '')?.toString()).toBe('theirs');
  });

  it('keeps its other lines', async () => {
    const root = tree({ '/etc/default/tool': { text: 'A=1', mode: 0o640 } });
    const system = fakeSystem(root);
    await install(system, [line('/etc/default/tool', MARK)]);
    addToTree(root, '/etc/default/tool', { text: `A=2\n${MARK}\nB=1\n`, mode: 0o600 });
    expect(await uninstall(system)).toMatchObject({ notes: [] });
    expect(system.read('/etc/default/tool')?.toString()).toBe('A=2\nB=1\n');
    expect(system.entry('/etc/default/tool')?.mode).toBe(0o600);
  });

  it('may be gone', async () => {
    const root = tree({ '/etc/default/tool': 'A=1\n', '/etc/a/hook': 'theirs' });
    const system = fakeSystem(root);
    const before = snapshot(root);
    await install(system, ALL);
    for (const path of ['/etc/a/hook', '/etc/a/b/unit', '/etc/a/wants/unit']) system.remove(path);
    expect(await uninstall(system)).toMatchObject({ problems: [], notes: [] });
    expect(snapshot(root)).toEqual(before);
  });
});

describe('a program that fails', () => {
  it('takes the part back', async () => {
    const root = tree({ '/etc/default/tool': 'A=1\n' });
    const before = snapshot(root);
    const system = fakeSystem(root, (run) => (run === 'reload' ? { status: 1, stderr: 'no room\n' } : {}));
    await expect(install(system, ALL)).rejects.toThrow(/^reload: no room; all is as it was before$/);
    expect(snapshot(root)).toEqual(before);
    expect(system.ran).toEqual(['reload', 'reload again']);
  });

  it('is only named for a system that does not run', async () => {
    const root = tree({});
    const system = { ...fakeSystem(root), live: false };
    expect((await install(system, ALL)).toRun).toMatchObject([{ command: 'reload' }]);
    expect((await uninstall(system)).toRun).toMatchObject([{ command: 'reload', args: ['again'] }]);
    expect(system.ran).toEqual([]);
    expect(Object.keys(snapshot(root))).toEqual(['var', 'var/lib']);
  });
});
