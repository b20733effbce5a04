import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { shootdown } from './support/cli.js';
import { DEBIAN, debianSystem } from './support/debian-system.js';
import { addToTree, type FakeSystem, removeTree, snapshot } from './support/system-tree.js';

// The whole program on a system that lies in a folder: nothing of this machine is looked at or changed.

let system: FakeSystem;
beforeEach(() => {
  system = debianSystem({ '/usr/bin/shootdown': 'x' });
});
afterEach(() => removeTree(system.root));

const run = (...args: string[]) =>
  shootdown([...args, '--root', system.root], { SHOOTDOWN_PROGRAM: '/usr/bin/shootdown' });
const json = (text: string) => JSON.parse(text) as Record<string, unknown>;

describe('install and uninstall', () => {
  it('say what they will change, change it, and take it back', () => {
    const before = snapshot(system.root);
    const dry = run('install', 'kdump', '--dry-run');
    expect(dry.status).toBe(2);
    expect(dry.stdout).toContain('add to /etc/default/kdump-tools the line  eval "$(');
    expect(dry.stdout).toContain('make /etc/kernel/postinst.d/zz-shootdown (0755)');
    expect(snapshot(system.root)).toEqual(before);

    const installed = run('install', 'kdump');
    expect(installed).toMatchObject({ status: 0, stderr: '' });
    expect(installed.stdout.startsWith(dry.stdout)).toBe(true);
    expect(installed.stdout).toMatch(/integrations\/lib is not in .*\nkdump is installed/);
    expect(run('install', 'kdump')).toMatchObject({
      status: 0,
      stdout: 'kdump is installed: nothing to change\n',
    });
    expect(run('install', 'kdump', '--dry-run').status).toBe(0);

    expect(run('uninstall', 'all', '--dry-run').status).toBe(2);
    const undone = run('uninstall', 'all');
    expect(undone).toMatchObject({ status: 0, stderr: '' });
    expect(undone.stdout).toContain('take the line of shootdown out of /etc/default/kdump-tools');
    expect(snapshot(system.root)).toEqual(before);
    expect(run('uninstall', 'all')).toMatchObject({ status: 0, stdout: 'nothing to take back\n' });
  });

  it('print JSON', () => {
    const dry = json(run('install', 'hook', '--dry-run', '--json').stdout);
    expect(dry).toMatchObject({
      schema: 'shootdown.install-report/1',
      part: 'hook',
      performed: false,
      install: { parts: { hook: { when: 'crash', generator: 'initramfs-tools' } } },
    });
    const done = json(run('install', 'hook', '--json').stdout);
    expect(done).toMatchObject({
      performed: true,
      steps: dry['steps'],
      toRun: [{ command: ['/etc/kernel/postinst.d/kdump-tools', '6.1.0-26-amd64'] }],
    });
    expect(json(run('uninstall', 'hook', '--json').stdout)).toMatchObject({
      schema: 'shootdown.uninstall-report/1',
      performed: true,
      rest: [],
      problems: [],
    });
  });

  it('refuse in one line, and change nothing', () => {
    const before = snapshot(system.root);
    const cases: [string[], number, RegExp][] = [
      [['install', 'kdump', '--sign-key', 'k'], 64, /go together/],
      [['install', 'kdump', '--when', 'always'], 64, /--when is for the hook/],
      [['install', 'everything'], 64, /Allowed choices are kdump, kexec, hook/],
      [['uninstall'], 64, /missing required argument/],
      [
        ['install', 'kdump', '--policy', '/nowhere.json'],
        1,
        /^shootdown: \/nowhere.json: the policy is not there\n$/,
      ],
    ];
    for (const [args, status, message] of cases) {
      const result = run(...args);
      expect(result).toMatchObject({ status, stdout: '' });
      expect(result.stderr).toMatch(message);
    }
    expect(snapshot(system.root)).toEqual(before);
  });

  it('refuse where the program may be gone when it is needed', () => {
    const { status, stderr } = shootdown(['install', 'kdump', '--root', system.root]);
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /^shootdown: this shootdown is in a checkout of its source .*npm pack there[^\n]*\n$/,
    );
  });

  it('leave what somebody changed, and say so', () => {
    run('install', 'kexec');
    addToTree(system.root, '/etc/default/kexec.d/shootdown', 'edited');
    const again = run('install', 'kexec');
    expect(again).toMatchObject({ status: 1, stdout: '' });
    expect(again.stderr).toMatch(/kexec\.d\/shootdown was changed after shootdown wrote it/);
    expect(run('uninstall', 'kexec').stdout).toMatch(
      /kexec\.d\/shootdown was changed since .* left as it is/,
    );
    expect(Object.keys(DEBIAN)).not.toContain('/etc/default/kexec.d/shootdown');
    expect(system.read('/etc/default/kexec.d/shootdown')?.toString()).toBe('edited');
  });
});

describe('hook-table and refresh', () => {
  it('compile a table for no machine in particular', () => {
    const { status, stdout } = shootdown(['hook-table', '--for', 'any', '--when', 'always']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^shootdown-gate 1\n[\s\S]*\nwhen always\n[\s\S]*\nend \d+\n$/);
    expect(shootdown(['hook-table', '--for', 'sim:server']).stdout).toMatch(/\nknown 0000:/);
    expect(shootdown(['hook-table', '--for', '/nowhere']).status).toBe(1);
  });

  it('in a chroot look at no machine, and wrap nothing for the one that builds it', () => {
    const chroot = { SYSTEMD_OFFLINE: '1' };
    const table = shootdown(['hook-table'], chroot);
    expect(table).toMatchObject({
      status: 0,
      stderr: expect.stringMatching(/^shootdown: SYSTEMD_OFFLINE is set: /),
    });
    expect(table.stdout).not.toMatch(/^known /m);
    expect(table.stdout).toMatch(/^rule /m);
    expect(shootdown(['doctor', '--json'], chroot).stdout).not.toContain('machine.');
    if (process.getuid?.() !== 0) return;
    const refresh = shootdown(['refresh'], chroot);
    expect(refresh).toMatchObject({ status: 0, stdout: 'kernels are wrapped when this system boots\n' });
  });

  it('take only what can be a version', () => {
    expect(shootdown(['refresh', '--kernel', '../../etc/passwd']).status).toBe(64);
    expect(shootdown(['refresh', '--kernel', '6.1', '--remove', '6.1']).status).toBe(64);
    expect(shootdown(['refresh', '--boot', '--remove', '6.1']).status).toBe(64);
    expect(shootdown(['refresh', '--parts', '--boot']).status).toBe(64);
  });
});
