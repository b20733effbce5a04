import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must } from './fleet.js';

/** How an Ansible command ended. */
export interface Ran {
  readonly status: number | null;
  /** Both streams, paths of the controller's folder left out. */
  readonly output: string;
  /** Of PLAY RECAP, by host; empty where there is none. */
  readonly recap: ReadonlyMap<string, Recap>;
}

export type Recap = Readonly<
  Record<'ok' | 'changed' | 'unreachable' | 'failed' | 'rescued' | 'ignored', number>
>;

export interface ControllerOptions {
  /** An empty one: where its inventory is. */
  readonly folder: string;
  /** Of Ansible's own files. */
  readonly home: string;
  /** The collection's folder in the project. */
  readonly collection: string;
  /** Arguments for ssh, each a plain word. */
  readonly ssh: readonly string[];
}

/** In the project. */
export const COLLECTION = 'integrations/ansible/ansible_collections/shootdown/kexec';
/** A playbook on guests that run without KVM takes its time. */
const TIMEOUT_MS = 3_600_000;

/** Where an administrator works: a folder with an inventory, and the collection installed as they would install it. */
export class Controller {
  readonly folder: string;
  /** The collection's sources, in a folder that ansible-lint knows for one. */
  readonly copy: string;
  readonly #env: NodeJS.ProcessEnv;

  constructor({ folder, home, collection, ssh }: ControllerOptions) {
    this.folder = folder;
    this.copy = join(folder, 'ansible_collections/shootdown/kexec');
    for (const path of [folder, home]) mkdirSync(path, { recursive: true });
    this.#env = {
      PATH: '/usr/sbin:/usr/bin:/sbin:/bin',
      HOME: home,
      TMPDIR: home,
      LC_ALL: 'C.UTF-8',
      NO_COLOR: '1',
      ANSIBLE_CONFIG: join(folder, 'ansible.cfg'),
    };
    writeFileSync(join(folder, 'ansible.cfg'), configuration(ssh, home));
    cpSync(collection, this.copy, { recursive: true });
  }

  /** Builds the collection and installs it, as others would; gives what that said. */
  async install(): Promise<string> {
    await this.must('ansible-galaxy', ['collection', 'build', '--output-path', this.folder], this.copy);
    return this.must('ansible-galaxy', ['collection', 'install', 'shootdown-kexec-1.0.0.tar.gz']);
  }

  /** Runs a program in the controller's folder, or below it. */
  run(command: string, args: readonly string[], cwd = this.folder): Promise<Ran> {
    return new Promise((resolve, reject) => {
      const child = spawn(command, args, {
        cwd,
        stdio: ['ignore', 'pipe', 'pipe'],
        // As a shell would have it: lookup('env', 'PWD') of the playbooks.
        env: { ...this.#env, PWD: cwd },
        timeout: TIMEOUT_MS,
      });
      let all = '';
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding('utf8').on('data', (text: string) => {
          all += text;
        });
      child.on('error', reject);
      child.on('close', (status) => {
        const output = all.replaceAll(`${this.folder}/`, '');
        resolve({ status, output, recap: recapOf(output) });
      });
    });
  }

  /** As `run`; must succeed. */
  async must(command: string, args: readonly string[], cwd = this.folder): Promise<string> {
    const { status, output } = await this.run(command, args, cwd);
    if (status !== 0) throw new Error(`${command} ${args.join(' ')}: status ${status}\n${output}`);
    return output;
  }
}

function configuration(ssh: readonly string[], home: string): string {
  return `[defaults]
inventory = hosts
forks = 4
timeout = 8
remote_user = root
interpreter_python = /usr/bin/python3
callback_result_format = yaml
local_tmp = ${home}/local
collections_path = ${home}/collections
nocows = 1

[ssh_connection]
pipelining = True
ssh_args = -C ${ssh.join(' ')}
control_path_dir = ${home}/cp
`;
}

const RECAP =
  /^(\S+)\s+: ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)\s+skipped=\d+\s+rescued=(\d+)\s+ignored=(\d+)/gm;

function recapOf(output: string): ReadonlyMap<string, Recap> {
  const lines = [...output.matchAll(RECAP)];
  return new Map(
    lines.map(([, host = '', ...numbers]) => {
      const [ok = 0, changed = 0, unreachable = 0, failed = 0, rescued = 0, ignored = 0] =
        numbers.map(Number);
      return [host, { ok, changed, unreachable, failed, rescued, ignored }];
    }),
  );
}

/** `git rev-parse`, and whether the collection or the trial differ from that. */
export function commitOf(project: string): string {
  const git = (...args: string[]) => must('git', ['-c', 'safe.directory=*', '-C', project, ...args]).trim();
  const changed = git('status', '--porcelain', '--', 'integrations', 'src', 'test/ansible', 'packaging');
  return `${git('rev-parse', '--short', 'HEAD')}${changed === '' ? '' : ' with changes that were not committed yet'}`;
}
