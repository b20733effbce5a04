import { strict as assert } from 'node:assert';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { treeChanges } from '../system/tree.js';
import { leaveCrash, OBSERVED, removeCrash, STAYED_LIVE, STOPPED } from './crash.js';
import {
  changedBy,
  expectOf,
  failedOn,
  HOSTS,
  type HostState,
  playbook,
  type Scene,
  stateOf,
  waiting,
} from './scene.js';

const FLEET = ['-e', 'shootdown_hosts=fleet'];
const ONE_BY_ONE = ['-e', '{"shootdown_waves": [1]}'];
const until = (stage: string) => ['-e', `shootdown_until=${stage}`];

export const states = (scene: Scene): Promise<readonly HostState[]> =>
  Promise.all(HOSTS.map((name) => stateOf(scene.hosts[name])));

const modes = ({ hosts }: Scene) => HOSTS.map((name) => waiting(hosts[name]));

export async function rollout(scene: Scene, before: readonly HostState[]): Promise<void> {
  const { record, controller } = scene;
  record.section(
    'Check mode',
    'Nothing is installed yet, so check mode gets as far as the packages. With the packages there it shows what the part would change.',
  );
  assert.deepEqual(
    changedBy(
      await playbook(scene, 'rollout', [
        ...FLEET,
        ...until('observe'),
        '--check',
        '--limit',
        'alpha,localhost',
      ]),
    ),
    ['alpha'],
  );
  assert.deepEqual(treeChanges(before[0] ?? new Map(), await stateOf(scene.hosts.alpha)), []);
  const packages = await controller.run('ansible-playbook', ['package.yml']);
  expectOf(packages, 0);
  const there = await states(scene);
  const dry = await playbook(scene, 'rollout', [
    ...FLEET,
    ...until('observe'),
    '--check',
    '--diff',
    '--limit',
    'alpha,localhost',
  ]);
  assert.deepEqual(changedBy(dry), ['alpha']);
  assert.match(dry.output, /^\+.*\/etc\/default\/kdump-tools: with the line {2}eval/m);
  assert.deepEqual(treeChanges(there[0] ?? new Map(), await stateOf(scene.hosts.alpha)), []);
  record.said('Compared afterwards: no file of `alpha` had changed.');
  await observe(scene);
  await act(scene);
}

async function observe(scene: Scene): Promise<void> {
  const { record, hosts } = scene;
  const args = [...FLEET, ...until('observe')];
  record.section(
    'A bad flight record stops a wave',
    '`delta` has a record of a crash in which a function stayed live. In waves of one machine (`alpha`, `beta`, `delta`, `gamma`) the first two are set up, `delta` and `gamma` are left as they were.',
  );
  leaveCrash(hosts.delta, '202611010830', STAYED_LIVE);
  const stopped = await playbook(scene, 'rollout', [...args, ...ONE_BY_ONE]);
  expectOf(stopped, 2);
  assert.deepEqual(failedOn(stopped), ['delta']);
  assert.equal(stopped.recap.has('gamma'), false);
  assert.deepEqual(modes(scene), ['observe', 'observe', 'plain', 'plain']);
  expectOf(
    stopped,
    stopped.status ?? -1,
    /the last crash went wrong: 1 failed; 0000:01:00\.0: live, ignored/,
  );

  record.section(
    'Observe everywhere',
    'Once somebody has understood that record and removed its folder, the same command goes on from where it was.',
  );
  removeCrash(hosts.delta, '202611010830');
  assert.deepEqual(changedBy(await playbook(scene, 'rollout', args)), ['delta', 'gamma']);
  assert.deepEqual(modes(scene), Array(4).fill('observe'));
  const settings = readFileSync(join(hosts.beta.root, 'etc/default/kdump-tools'), 'utf8');
  record.said(
    `The end of \`/etc/default/kdump-tools\` on \`beta\`:\n\n\`\`\`sh\n${settings.split('\n').slice(-5).join('\n')}\`\`\``,
  );
  record.said('Once more:');
  assert.deepEqual(changedBy(await playbook(scene, 'rollout', args)), []);
}

async function act(scene: Scene): Promise<void> {
  const { record, hosts } = scene;
  const canaries = [...FLEET, ...until('canaries')];
  record.section('The canary', '`alpha` has to have crashed while it observed.');
  const early = await playbook(scene, 'rollout', canaries);
  expectOf(early, 2, /alpha has no flight record of a crash/);
  record.said('It crashes, and its record says what would have been stopped:');
  leaveCrash(hosts.alpha, '202611020900', OBSERVED);
  assert.deepEqual(changedBy(await playbook(scene, 'rollout', canaries)), ['alpha']);
  assert.deepEqual(modes(scene), ['act', 'observe', 'observe', 'observe']);
  record.said(
    'The rest waits for a crash of the canary in which it acted; an older record of observing will not do:',
  );
  const rest = await playbook(scene, 'rollout', FLEET);
  expectOf(rest, 2, /the flight records of the canaries say observed/);
  record.said('It crashes again, and now a function stays live:');
  leaveCrash(hosts.alpha, '202611020930', STAYED_LIVE);
  const bad = await playbook(scene, 'rollout', FLEET);
  expectOf(bad, 2);
  assert.deepEqual(failedOn(bad), ['alpha']);
  assert.deepEqual(modes(scene), ['act', 'observe', 'observe', 'observe']);

  record.section('The rest', 'The canary was mended and has crashed once more, with all stopped.');
  leaveCrash(hosts.alpha, '202611021000', STOPPED);
  assert.deepEqual(changedBy(await playbook(scene, 'rollout', FLEET)), ['beta', 'delta', 'gamma']);
  assert.deepEqual(modes(scene), Array(4).fill('act'));
  record.said('Once more:');
  assert.deepEqual(changedBy(await playbook(scene, 'rollout', FLEET)), []);
}

export async function rollback(scene: Scene, before: readonly HostState[]): Promise<void> {
  const { record } = scene;
  record.section('Back', 'All that was set up is taken back, and the packages are purged.');
  const args = [...FLEET, '-e', 'shootdown_remove_package=true'];
  assert.deepEqual(changedBy(await playbook(scene, 'rollback', args)), [...HOSTS]);
  assert.deepEqual(modes(scene), Array(4).fill('plain'));
  for (const [index, after] of (await states(scene)).entries())
    assert.deepEqual(treeChanges(before[index] ?? new Map(), after), []);
  record.said(
    'Compared with how it was before the first command, on all four machines: every file below `/etc`, `/boot`, `/var/lib/kdump` and `/var/lib/shootdown` is the same, byte for byte, with its mode and owner. Once more:',
  );
  assert.deepEqual(changedBy(await playbook(scene, 'rollback', args)), []);
}
