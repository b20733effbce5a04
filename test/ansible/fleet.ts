import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A host of the fleet: an address of its own in a network namespace, and its root folder seen from outside. */
export interface FleetHost {
  readonly name: string;
  readonly address: string;
  readonly root: string;
}

const PORT = 22;
const START_TIMEOUT_MS = 30_000;

/** What a process in a host may do as root; nothing of it reaches the kernel's modules, kexec, reboot or mounts. */
const CAPABILITIES = [
  'chown',
  'dac_override',
  'fowner',
  'fsetid',
  'kill',
  'net_bind_service',
  'setgid',
  'setpcap',
  'setuid',
  'sys_chroot',
];

/**
 * A host's first process, in namespaces of its own. Its root is a layer over this machine's, its /sys a made-up tree;
 * of this machine's /proc it can write nothing.
 */
const INIT = `set -eu
root=$1 name=$2
mount --make-rprivate /
hostname "$name"
mount -t proc proc "$root/proc"
mount --bind "$root/trial/sys" "$root/sys"
mount --bind "$root/trial/cmdline" "$root/proc/cmdline"
[ ! -e "$root/proc/sysrq-trigger" ] || mount --bind "$root/trial/sysrq-trigger" "$root/proc/sysrq-trigger"
for part in sys bus irq fs; do
  [ ! -d "$root/proc/$part" ] || mount --bind "$root/proc/$part" "$root/proc/$part"
  [ ! -d "$root/proc/$part" ] || mount -o remount,bind,ro "$root/proc/$part"
done
for part in run tmp dev; do mount -t tmpfs tmpfs "$root/$part"; done
chmod 1777 "$root/tmp"
mkdir -p "$root/dev/pts" "$root/run/sshd" "$root/run/systemd/system"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
mknod -m 666 "$root/dev/null" c 1 3
mknod -m 666 "$root/dev/zero" c 1 5
mknod -m 444 "$root/dev/urandom" c 1 9
mknod -m 444 "$root/dev/random" c 1 8
mknod -m 666 "$root/dev/tty" c 5 0
ip link set lo up
cd "$root"
mkdir -p trial/old
pivot_root . trial/old
exec setpriv --bounding-set "-all$3" --inh-caps "-all" sh -c '
  umount -l /trial/old
  rmdir /trial/old
  /usr/sbin/sshd -D -e -f /etc/trial/sshd_config 2>/trial/sshd.log &
  wait'
`;

const SSHD = `Port ${PORT}
HostKey /etc/trial/host_key
AuthorizedKeysFile /etc/trial/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
UsePAM no
StrictModes no
PidFile none
Subsystem sftp internal-sftp
`;

/** Runs a program to its end; throws with what it said if it fails. */
export function must(command: string, args: readonly string[], env?: NodeJS.ProcessEnv): string {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', env: env ?? process.env });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: status ${status}: ${stderr}`);
  return stdout;
}

/**
 * Hosts on a bridge in this network namespace, which leads nowhere else. To be used in namespaces of one's own: what is
 * mounted and started here ends with them.
 */
export class Fleet {
  readonly folder: string;
  readonly #children: ChildProcess[] = [];
  #count = 0;

  /** `folder`: for everything that the hosts write; a tmpfs of its own is mounted there. */
  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
    must('mount', ['-t', 'tmpfs', '-o', 'mode=0755', 'tmpfs', folder]);
    must('ip', ['link', 'set', 'lo', 'up']);
    must('ip', ['link', 'add', 'br0', 'type', 'bridge']);
    must('ip', ['address', 'add', '192.0.2.1/24', 'dev', 'br0']);
    must('ip', ['link', 'set', 'br0', 'up']);
    for (const key of ['host_key', 'user_key'])
      must('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', key, '-f', join(folder, key)]);
  }

  /** A network namespace with an address, and a root folder for its host, in which nothing runs. */
  add(name: string): FleetHost {
    const number = 10 + this.#count++;
    const address = `192.0.2.${number}`;
    must('ip', ['netns', 'add', name]);
    must('ip', ['link', 'add', `v${number}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name]);
    must('ip', ['link', 'set', `v${number}`, 'master', 'br0', 'up']);
    must('ip', ['-n', name, 'address', 'add', `${address}/24`, 'dev', 'eth0']);
    must('ip', ['-n', name, 'link', 'set', 'eth0', 'up']);
    const home = join(this.folder, 'hosts', name);
    const [upper, work, root] = ['upper', 'work', 'root'].map((part) => join(home, part)) as [
      string,
      string,
      string,
    ];
    for (const path of [upper, work, root]) mkdirSync(path, { recursive: true });
    must('mount', ['-t', 'overlay', 'overlay', '-o', `lowerdir=/,upperdir=${upper},workdir=${work}`, root]);
    return { name, address, root };
  }

  /** Starts a host's sshd; what else runs there is started through it. */
  async start({ name, address, root }: FleetHost): Promise<void> {
    const trial = join(root, 'etc/trial');
    mkdirSync(trial, { recursive: true });
    writeFileSync(join(trial, 'sshd_config'), SSHD);
    writeFileSync(join(trial, 'host_key'), readFileSync(join(this.folder, 'host_key')), { mode: 0o600 });
    writeFileSync(join(trial, 'authorized_keys'), readFileSync(join(this.folder, 'user_key.pub')));
    const child = spawn(
      'nsenter',
      [
        `--net=/run/netns/${name}`,
        ...['unshare', '--mount', '--pid', '--uts', '--ipc', '--fork', '--kill-child'],
        ...['sh', '-c', INIT, 'sh', root, name, CAPABILITIES.map((each) => `,+${each}`).join('')],
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    this.#children.push(child);
    const key = readFileSync(join(this.folder, 'host_key.pub'), 'utf8').split(' ').slice(0, 2).join(' ');
    appendFileSync(join(this.folder, 'known_hosts'), `${address} ${key}\n`);
    const until = Date.now() + START_TIMEOUT_MS;
    while (spawnSync('ssh', [...this.sshArguments(), `root@${address}`, 'true']).status !== 0) {
      if (child.exitCode !== null || Date.now() > until)
        throw new Error(`${name}: no sshd: ${said}${readLog(join(root, 'trial/sshd.log'))}`);
      await sleep(200);
    }
  }

  sshArguments(): string[] {
    const options = {
      IdentityFile: join(this.folder, 'user_key'),
      UserKnownHostsFile: join(this.folder, 'known_hosts'),
      BatchMode: 'yes',
    };
    return [
      '-F',
      '/dev/null',
      ...Object.entries(options).flatMap(([name, value]) => ['-o', `${name}=${value}`]),
    ];
  }

  /** Ends what was started here; the namespaces end the rest. */
  close(): void {
    for (const child of this.#children) child.kill('SIGKILL');
  }
}

function readLog(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
