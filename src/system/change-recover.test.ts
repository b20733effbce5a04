import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { debianAround, debianSystems, filesOf, RUNNING } from '../../test/support/debian-system.js';
import { addToTree } from '../../test/support/system-tree.js';
import { openOrRecover } from './change-recover.js';
import { performInstall, planInstall, type Surroundings } from './install.js';
import { kdumpLine } from './kdump-settings.js';
import { PLACES_OF } from './places.js';
import { type ChangeEntry, kernelFiles, PARTS, type Part, readChanges } from './state.js';
import { nothingToUndo, performUninstall, planUninstall } from './uninstall.js';

const debian = debianSystems();

const install = async (around: Surroundings, part: Part) =>
  performInstall(around, await planInstall(around, { part }));
const uninstall = (around: Surroundings) => performUninstall(around, planUninstall(around, PARTS));

describe('the list of changes', () => {
  it('is opened as it is, and empty where nothing was installed', async () => {
    const system = debian();
    const around = debianAround(system);
    expect(openOrRecover(around)).toMatchObject({ journal: { entries: [] }, notes: [] });
    await install(around, 'kdump');
    const { journal, notes } = openOrRecover(around);
    expect({ entries: journal.entries, notes }).toEqual({ entries: readChanges(system)?.entries, notes: [] });
  });

  it('is made again of what is there, which is not written before something is taken back', async () => {
    const system = debian();
    const around = debianAround(system);
    for (const part of PARTS) await install(around, part);
    const placed = (entries: readonly ChangeEntry[] = []) =>
      entries.flatMap((entry) => (entry.kind === 'command' ? [] : `${entry.kind} ${entry.path}`)).sort();
    const before = placed(readChanges(system)?.entries);
    system.remove(PLACES_OF.changes);
    const { journal, notes } = openOrRecover(around);
    expect(placed(journal.entries)).toEqual(before);
    expect(notes).toEqual([expect.stringMatching(/changes\.json\) is lost or damaged/)]);
    expect(system.exists(PLACES_OF.changes)).toBe(false);
  });

  it('has all taken back where files were lost, it among them', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.subarray([...PARTS], { minLength: 1 }),
        fc.array(fc.nat(30)),
        async (parts, lost) => {
          const system = debian();
          // Of an empty folder nobody knows whose it was once the list is lost.
          const files = () =>
            Object.entries(filesOf(system)).filter(([, what]) => !what.startsWith('folder'));
          const before = files();
          const around = debianAround(system);
          for (const part of parts) await install(around, part);
          const entries = readChanges(system)?.entries ?? [];
          const ours = entries.flatMap((entry) =>
            entry.kind === 'command' || entry.kind === 'line' ? [] : [entry.path],
          );
          const all = [...ours, PLACES_OF.changes, ...Object.values(kernelFiles(RUNNING)).slice(1)];
          for (const n of lost) system.remove(all[n % all.length] ?? '');
          expect(await uninstall(around)).toMatchObject({ problems: [] });
          expect(files()).toEqual(before);
          expect(nothingToUndo(planUninstall(around, PARTS))).toBe(true);
        },
      ),
      { numRuns: 15 },
    );
  });

  it('has no image made anew for a hook that was never there, and has it for one that was', async () => {
    for (const [part, made] of [
      ['kdump', false],
      ['hook', true],
    ] as const) {
      const system = debian();
      const around = debianAround(system);
      await install(around, part);
      system.remove(PLACES_OF.changes);
      const commands = openOrRecover(around).journal.entries.flatMap((entry) =>
        entry.kind === 'command' ? [[entry.command, ...entry.args].join(' ')] : [],
      );
      expect(commands.some((line) => /kdump-tools|dracut|update-initramfs/.test(line))).toBe(made);
      expect(commands.filter((line) => line.includes('dracut'))).toEqual([]);
    }
  });

  it('takes back a line of any version, and names what it does not know', async () => {
    const system = debian();
    const around = debianAround(system);
    await install(around, 'kdump');
    addToTree(system.root, PLACES_OF.changes, '{ "half');
    addToTree(system.root, '/etc/default/kdump-tools', `A=1\n${kdumpLine('/opt/old/lib')}\n`);
    addToTree(system.root, '/etc/systemd/system/shootdown-flight.service', 'edited');
    const { notes, problems } = await uninstall(around);
    expect(problems).toEqual([]);
    expect(notes.join('\n')).toMatch(
      /lost or damaged[\s\S]*shootdown-flight\.service is not as this version writes it/,
    );
    expect(system.read('/etc/default/kdump-tools')?.toString()).toBe('A=1\n');
    expect(system.exists(PLACES_OF.state)).toBe(false);
    expect(system.exists('/etc/systemd/system/shootdown-refresh.service')).toBe(false);
  });
});
