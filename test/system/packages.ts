import { command } from '../../src/lab/command.js';
import { type DebianPackage, describePackages } from '../../src/lab/debian.js';
import type { Store } from '../../src/lab/store.js';

/** What is needed by everything: with these patterns apt gives what `Essential: yes` stands for. */
const ESSENTIAL = ['?essential', 'apt', 'usrmerge-'];

/** Packages in groups, each with all that it needs and that is not in those before: as apt would install them one after the other. */
export async function closures(
  store: Store,
  groups: readonly (readonly string[])[],
): Promise<readonly (readonly DebianPackage[])[]> {
  const before = new Set<string>();
  const found: (readonly DebianPackage[])[] = [];
  for (const at of groups.keys()) {
    const all = await simulated(store, groups.slice(0, at + 1).flat());
    const more = all.filter((name) => !before.has(name));
    for (const name of more) before.add(name);
    found.push(await describePackages(more));
  }
  return found;
}

/** What apt would install on a machine that has nothing yet. */
async function simulated(store: Store, names: readonly string[]): Promise<readonly string[]> {
  const nothing = await store.temporaryFile('dpkg-status', new Uint8Array());
  const said = await command('apt-get', [
    '--simulate',
    '--no-install-recommends',
    ...['-o', `Dir::State::status=${nothing}`],
    'install',
    ...ESSENTIAL,
    ...names,
  ]).finally(() => store.discard(nothing));
  return [...said.toString('utf8').matchAll(/^Inst (\S+) /gm)].map((match) => match[1] ?? '');
}
