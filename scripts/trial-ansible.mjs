// npm run trial:ansible: the Ansible collection on a fleet of network namespaces, with real sshd, Ansible, ansible-lint
// and shootdown. Needs root and Debian; installs what it needs. See test/ansible/.
//
//   --write   also writes docs/ansible-trial.md
//
// All of it runs in mount, process and network namespaces of its own, which end with it, whatever happens: nothing is
// left running or mounted, and /etc, /boot and /sys of this machine are not reachable for writing.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { install, root } from './install.mjs';

const PACKAGES = [
  'ansible-core',
  'ansible-lint',
  'file',
  'git',
  'iproute2',
  'openssh-client',
  'openssh-server',
  'python3-apt',
  'util-linux',
];
const POLICY = '/usr/sbin/policy-rc.d';

const run = (command, args, options = {}) =>
  spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'], ...options });

function must(command, args, options) {
  const { status } = run(command, args, options);
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: status ${status}`);
}

/** Debian starts sshd when it is installed, unless this says no. */
function withoutServices(action) {
  const ours = !existsSync(POLICY);
  if (ours) writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    action();
  } finally {
    if (ours) rmSync(POLICY, { force: true });
  }
}

function installPackages() {
  const missing = PACKAGES.filter((name) => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg's own
    const { stdout } = spawnSync('dpkg-query', ['--show', '--showformat', '${db:Status-Status}', name]);
    return stdout?.toString() !== 'installed';
  });
  if (missing.length === 0) return;
  console.error(`installing ${missing.join(' ')}`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const get = () =>
    run('apt-get', ['-qq', 'install', '-y', '--no-install-recommends', ...missing], { env }).status;
  withoutServices(() => {
    if (get() === 0) return;
    must('apt-get', ['-qq', 'update'], { env });
    if (get() !== 0) throw new Error(`apt-get cannot install ${missing.join(' ')}`);
  });
}

if (process.getuid?.() !== 0 || !existsSync('/etc/debian_version')) {
  console.error('trial: needs root on Debian: it makes namespaces and installs packages');
  process.exit(1);
}
install();
const folder = mkdtempSync(join(tmpdir(), 'shootdown-trial-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));
try {
  installPackages();
  must(process.execPath, [join(root, 'scripts/deb.mjs'), '--no-runtime', '--out', join(folder, 'debs')]);
  // Its scripts are used as they are; its kexec is not: see test/ansible/machine.ts.
  mkdirSync(join(folder, 'kdump-tools'));
  must('apt-get', ['-qq', '-o', 'APT::Sandbox::User=root', 'download', 'kdump-tools'], {
    cwd: join(folder, 'kdump-tools'),
  });
  process.exitCode = await apart([folder, root, ...process.argv.slice(2)]);
} catch (error) {
  console.error(`trial: ${error.message}`);
  process.exitCode = 1;
}

/** Runs the trial in namespaces of its own, which end with this process, however that ends. Not in one step: signals are heard. */
function apart(args) {
  const namespaces = [
    '--mount',
    '--net',
    '--pid',
    '--ipc',
    '--uts',
    '--fork',
    '--kill-child',
    '--mount-proc',
  ];
  const trial = [
    process.execPath,
    join(root, 'scripts/run.mjs'),
    join(root, 'test/ansible/trial.ts'),
    ...args,
  ];
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', ...namespaces, ...trial], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (status) => resolve(status ?? 1));
  });
}
