import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { command } from '../../src/lab/command.js';
import { COLLECTION, Controller, type Ran } from '../ansible/controller.js';
import { shortened } from '../ansible/record.js';
import { freePort, haveAnsible, managedRecipe, sshForward } from './ansible.js';
import { nicInFlight, savedFlights } from './flight.js';
import type { CrashSeen, SystemGuest } from './guest.js';
import { guestImage } from './image.js';
import { SystemMachine } from './machine.js';
import { withFolder } from './prepared.js';
import { crashKernelOf, shootdownPackages, wrappedKernel } from './shootdown.js';
import { systemStore } from './store.js';

// The collection's rollout on guests that really crash; on namespaces, and everything around it: npm run trial:ansible.

const NAMES = ['canary', 'other'] as const;
type Name = (typeof NAMES)[number];

interface Managed {
  readonly machine: SystemMachine;
  readonly port: number;
  guest: SystemGuest | undefined;
}

const managed = new Map<Name, Managed>();
afterEach(async () => {
  for (const { machine } of managed.values()) await machine.close();
  managed.clear();
});

/** It looks at all buses, for which 1 ms is not enough: the walk ends early, and the record says so. */
const HURRIED = {
  schema: 'shootdown.policy/1',
  name: 'hurried',
  rules: [],
  otherwise: { action: 'gate', reason: 'a test of walks that end early' },
  between: { walkTimeoutMs: 1, scan: 'all' },
};
const HURRIED_AT = '/etc/hurried.json';

it.skipIf(!haveAnsible())(
  'a rollout observes, stops on a bad flight record, acts on the canary, and then on the rest',
  () =>
    withFolder(async (folder) => {
      const store = await systemStore();
      const image = await guestImage(store, await managedRecipe());
      const { folder: debs } = await shootdownPackages(store);
      const key = join(folder, 'key');
      await command('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'test', '-f', key]);
      for (const name of NAMES) {
        const machine = await SystemMachine.create({ store, image, name: `ansible-${name}` });
        managed.set(name, { machine, port: await freePort(), guest: undefined });
      }
      const controller = await controllerIn(folder, debs);
      await each(async (name) => {
        const guest = await boot(name);
        await guest.must(`install -d -m 700 /root/.ssh
echo '${(await readFile(`${key}.pub`, 'utf8')).trim()}' >/root/.ssh/authorized_keys`);
        if (name === 'other') await guest.must(`cat >${HURRIED_AT} <<'END'\n${JSON.stringify(HURRIED)}\nEND`);
      });
      const rollout = (...more: string[]) => playbook(controller, 'rollout', more);

      expect(changedOn(await rollout('-e', 'shootdown_until=observe'))).toEqual(['canary', 'other']);
      expect(changedOn(await rollout('-e', 'shootdown_until=observe'))).toEqual([]);
      await each(async (name) => expect(await modeOf(name)).toBe('observe'));
      const seen = await each((name) => crash(name));
      await each(boot);
      expect(seen.map(({ stray }) => stray.landed > 0)).toEqual([true, true]);

      const stopped = await rollout('-e', 'shootdown_until=canaries');
      expect(stopped.status).toBe(2);
      expect(stopped.output).toMatch(/the last crash went wrong: the walk ended early: time/);
      await each(async (name) => expect(await modeOf(name)).toBe('observe'));

      // Somebody has understood it: the policy's bound was too small.
      await guestOf('other').must(
        `rm -r /var/crash/2*; sed -i 's/"walkTimeoutMs":1,/"walkTimeoutMs":250,/' ${HURRIED_AT}`,
      );
      expect(changedOn(await rollout('-e', 'shootdown_until=canaries'))).toContain('canary');
      expect(await modeOf('canary')).toBe('act');
      expect(await modeOf('other')).toBe('observe');
      const acted = await crash('canary');
      expect(acted.stray).toMatchObject({ aliveBefore: true, landed: 0 });
      await boot('canary');

      expect(changedOn(await rollout())).toEqual(['other']);
      await each(async (name) => expect(await modeOf(name)).toBe('act'));
      expect(
        changedOn(await playbook(controller, 'rollback', ['-e', 'shootdown_remove_package=true'])),
      ).toEqual(['canary', 'other']);
      await each(async (name) => expect(await modeOf(name)).toBe('plain'));
      await each(async (name) => {
        const left = await guestOf(name).must("find / -xdev -iname '*shootdown*' -not -path '/var/crash/*'");
        expect(left).toBe('');
      });
    }),
);

/** Does something with all guests at the same time. */
function each<T>(action: (name: Name) => Promise<T>): Promise<T[]> {
  return Promise.all(NAMES.map(action));
}

function managedOf(name: Name): Managed {
  const found = managed.get(name);
  if (!found) throw new Error(`${name} was not made`);
  return found;
}

function guestOf(name: Name): SystemGuest {
  const { guest } = managedOf(name);
  if (!guest) throw new Error(`${name} does not run`);
  return guest;
}

async function boot(name: Name): Promise<SystemGuest> {
  const one = managedOf(name);
  one.guest = await one.machine.boot({ qemu: sshForward(one.port) });
  return one.guest;
}

/** With frames coming in; what was seen of it, and said. */
async function crash(name: Name): Promise<CrashSeen> {
  const guest = guestOf(name);
  await guest.networkLoad();
  const seen = await guest.crash();
  const flights = await savedFlights(managedOf(name).machine.disk);
  const { landed, sent } = seen.stray;
  const nics = [...flights.values()].map((record) => `${record.end}, the NIC: ${nicInFlight(record)}`);
  console.error(`${name}: ${landed} stray of ${sent} sent; ${seen.ended}; records: ${nics.join('; ')}`);
  expect(seen.ended).toBe('guest-reset');
  expect(flights.size).toBeGreaterThan(0);
  return seen;
}

/** What waits for a crash: the plain kernel, or ours, which only looks or acts. */
async function modeOf(name: Name): Promise<'plain' | 'observe' | 'act' | null> {
  const guest = guestOf(name);
  const kernel = await crashKernelOf(guest);
  if (kernel !== wrappedKernel((await guest.must('uname -r')).trim()))
    return kernel === null ? null : 'plain';
  return (await guest.must('cat /var/crash/kexec_cmd')).includes(' shootdown=observe') ? 'observe' : 'act';
}

async function controllerIn(folder: string, debs: string): Promise<Controller> {
  const options = {
    IdentityFile: join(folder, 'key'),
    UserKnownHostsFile: join(folder, 'known_hosts'),
    StrictHostKeyChecking: 'accept-new',
    ControlMaster: 'no',
    BatchMode: 'yes',
  };
  const controller = new Controller({
    folder: join(folder, 'controller'),
    home: join(folder, 'home'),
    collection: join(import.meta.dirname, '../..', COLLECTION),
    ssh: [
      '-F',
      '/dev/null',
      ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
    ],
  });
  const host = (name: Name, more = '') =>
    `${name} ansible_host=127.0.0.1 ansible_port=${managedOf(name).port} ansible_timeout=120${more}`;
  await writeFile(
    join(controller.folder, 'hosts'),
    `[canaries]\n${host('canary')}\n\n[rest]\n${host('other', ` shootdown_policy=${HURRIED_AT}`)}\n`,
  );
  await mkdir(join(controller.folder, 'group_vars'));
  const names = (await command('ls', [debs])).toString('utf8').trim().split('\n');
  // The runtime first: shootdown needs a Node that Debian 12 does not have.
  const paths = names.filter((name) => name.endsWith('.deb'));
  paths.sort((a, b) => Number(b.includes('runtime')) - Number(a.includes('runtime')));
  const list = JSON.stringify(paths.map((name) => join(debs, name)));
  await writeFile(join(controller.folder, 'group_vars/all.yml'), `---\nshootdown_packages: ${list}\n`);
  await controller.install();
  return controller;
}

async function playbook(controller: Controller, name: string, more: readonly string[]): Promise<Ran> {
  const ran = await controller.run('ansible-playbook', [`shootdown.kexec.${name}`, ...more]);
  console.error(`${name} ${more.join(' ')}: status ${ran.status}\n${shortened(ran.output)}`);
  return ran;
}

/** The guests that a playbook which succeeded has changed something on. */
function changedOn({ status, output, recap }: Ran): readonly string[] {
  expect(status, output).toBe(0);
  return NAMES.filter((name) => (recap.get(name)?.changed ?? 0) > 0);
}
