import { strict as assert } from 'node:assert';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { basename, join } from 'node:path';
import { audits } from './audits.js';
import { collection } from './collection.js';
import { COLLECTION, Controller, commitOf } from './controller.js';
import { FAKES, failures } from './failures.js';
import { Fleet, type FleetHost, must } from './fleet.js';
import { furnish } from './machine.js';
import { TrialRecord } from './record.js';
import { rollback, rollout, states } from './rollout.js';
import { HOSTS, type HostName, type Scene, STRANGE } from './scene.js';

// The collection as an administrator uses it, on a fleet of network namespaces. Started by scripts/trial-ansible.mjs, as
// root and in namespaces of its own: FOLDER PROJECT [--write].

const [given = '', project = '', ...options] = process.argv.slice(2);
const DUMPS: Partial<Record<HostName, string>> = { gamma: 'q35-desktop-vv-nn-k-xxx.txt' };
const PACKAGES = `---
- name: The packages alone, everywhere
  hosts: fleet:liars
  gather_facts: false
  tasks:
    - name: Install them
      ansible.builtin.import_role:
        name: shootdown.kexec.shootdown
        tasks_from: package
`;

/** One host has a repository at hand instead. */
const FROM_REPOSITORY = `---
shootdown_packages: []
shootdown_apt_repository: "deb [trusted=yes] file:/srv/shootdown ./"
`;

// What is mounted here is seen by nobody else. What of /run and /sys a mistake could reach is not there.
must('mount', ['--make-rprivate', '/']);
must('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
must('mount', ['-t', 'tmpfs', '-o', 'ro', 'tmpfs', '/sys']);
const commit = commitOf(project);
const fleet = new Fleet('/run/trial');
try {
  const scene = await prepared();
  const before = await states(scene);
  await collection(scene.controller, scene.record);
  await rollout(scene, before);
  await audits(scene);
  await failures(scene);
  await rollback(scene, before);
  if (options.includes('--write'))
    writeFileSync(join(project, 'docs/ansible-trial.md'), await document(scene));
  console.log('trial: all is as it was expected');
} finally {
  fleet.close();
}

async function prepared(): Promise<Scene> {
  const [archive = ''] = readdirSync(join(given, 'kdump-tools'));
  const kdumpTools = join(given, 'kdump-tools-unpacked');
  must('dpkg-deb', ['-x', join(given, 'kdump-tools', archive), kdumpTools]);
  const hosts: Partial<Record<HostName, FleetHost>> = {};
  for (const name of [...HOSTS, ...STRANGE]) {
    const host = fleet.add(name);
    hosts[name] = host;
    if (name === 'gone') continue;
    if (name === 'dark') {
      must('ip', ['-n', name, 'link', 'set', 'eth0', 'down']);
      continue;
    }
    const dump = DUMPS[name] ?? 'q35-server-xxxx.txt';
    await furnish({ name, dump, files: FAKES }, host.root, { kdumpTools, release: release(), project });
    await fleet.start(host);
    must('ssh', [...fleet.sshArguments(), `root@${host.address}`, 'systemctl restart kdump-tools']);
  }
  const controller = new Controller({
    folder: '/run/trial/controller',
    home: '/run/trial/home',
    collection: join(project, COLLECTION),
    // What stays open ends with the namespaces.
    ssh: [...fleet.sshArguments(), '-o', 'ControlMaster=auto', '-o', 'ControlPersist=600'],
  });
  const scene = {
    controller,
    record: new TrialRecord(),
    hosts: hosts as Record<HostName, FleetHost>,
    release: release(),
    project,
  };
  writeFileSync(join(controller.folder, 'hosts'), inventory(scene.hosts));
  writeFileSync(join(controller.folder, 'package.yml'), PACKAGES);
  for (const name of ['group_vars', 'host_vars']) mkdirSync(join(controller.folder, name));
  writeFileSync(join(controller.folder, 'host_vars/gamma.yml'), FROM_REPOSITORY);
  const debs = readdirSync(join(given, 'debs')).map((name) => join(given, 'debs', name));
  writeFileSync(
    join(controller.folder, 'group_vars/all.yml'),
    `---\nshootdown_packages: ${JSON.stringify(debs)}\n`,
  );
  for (const deb of debs) addRepository(scene.hosts.gamma, deb);
  return scene;
}

/** A repository in a folder of the host, with one package. */
function addRepository({ root }: FleetHost, deb: string): void {
  const folder = join(root, 'srv/shootdown');
  mkdirSync(folder, { recursive: true });
  const bytes = readFileSync(deb);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  writeFileSync(join(folder, basename(deb)), bytes);
  const fields = [`Filename: ./${basename(deb)}`, `Size: ${bytes.length}`, `SHA256: ${sha256}`];
  writeFileSync(join(folder, 'Packages'), `${must('dpkg-deb', ['-f', deb])}${fields.join('\n')}\n`);
}

function inventory(hosts: Readonly<Record<HostName, FleetHost>>): string {
  const line = (name: HostName, variables = '') => `${name} ansible_host=${hosts[name].address}${variables}`;
  const other = (name: HostName) => line(name, ` shootdown_command=/usr/local/bin/shootdown-${name}`);
  return `[canaries]
${line('alpha')}

[fleet]
alpha
${line('beta')}
${line('delta')}
${line('gamma')}

[liars]
${other('liar')}
${other('fibber')}
${other('babbler')}

[lost]
${line('gone')}
${line('dark')}
`;
}

async function document({ controller, record }: Scene): Promise<string> {
  const version = /core (\S+)\]/.exec(await controller.must('ansible', ['--version']))?.[1];
  assert.ok(version);
  const date = new Date().toISOString().slice(0, 10);
  return `# The Ansible collection, tried

Written by \`npm run trial:ansible -- --write\` on ${date}, at commit ${commit}, with ansible-core ${version} of Debian 12. The output is that of the run, without tasks that changed nothing.

Every machine is a network namespace on a bridge that leads nowhere else, with an sshd of its own, a root folder of its own (a layer over this machine's), and a \`/sys\` made of a dump in \`dumps/\`. shootdown is installed there from its Debian package and runs as it does anywhere. The scripts of kdump-tools are Debian's; what stands in for others is small: a \`kexec\` that loads nothing, a \`systemctl\` that knows \`kdump-tools\` alone, a hook of kdump-tools that makes no initramfs, and a kernel of a few KiB. Flight records are made up. \`test/system/ansible.system.ts\` has guests that really crash ([\`system-tests.md\`](system-tests.md)).

${record}`;
}
