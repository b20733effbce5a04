import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { shootdown } from './support/cli.js';
import { debianSystem } from './support/debian-system.js';
import { addToTree, type FakeSystem, removeTree, snapshot } from './support/system-tree.js';

// On a system that lies in a folder: nothing of this machine is looked at.

let system: FakeSystem;
beforeEach(() => {
  system = debianSystem({
    '/usr/bin/shootdown': 'x',
    '/etc/systemd/system/basic.target.wants/kdump-tools.service': { link: '/lib/x' },
    '/boot/initrd.img-6.1.0-25-amd64': 'x',
    '/lib/modules/6.1.0-25-amd64': 'folder/',
    '/lib/modules/6.1.0-26-amd64': 'folder/',
  });
});
afterEach(() => removeTree(system.root));

const run = (args: string[], env: NodeJS.ProcessEnv = {}) =>
  shootdown([...args, '--root', system.root], { SHOOTDOWN_PROGRAM: '/usr/bin/shootdown', ...env });

interface Report {
  readonly counts: Record<string, number>;
  readonly results: { id: string; state: string; text: string; advice: string | null }[];
}

describe('doctor', () => {
  it('tells people what is wrong first, within the terminal, and changes nothing', () => {
    expect(run(['install', 'kexec']).status).toBe(0);
    addToTree(system.root, '/etc/default/kexec', 'USE_GRUB_CONFIG=true\n');
    const before = snapshot(system.root);
    for (const width of [60, 100]) {
      const { status, stdout, stderr } = run(['doctor'], { COLUMNS: String(width) });
      expect({ status, stderr }).toEqual({ status: 2, stderr: '' });
      const lines = stdout.split('\n');
      expect(lines[0]).toMatch(/^.*\d+ warnings?; \d+ ok\.$/);
      expect(lines[3]).toMatch(/^(problem|warning)\s+\S+\.\S+/);
      for (const line of lines) expect(line.length).toBeLessThanOrEqual(width);
      expect(stdout).toMatch(/\nwarning +kexec\.config +USE_GRUB_CONFIG=true/);
      expect(stdout).toMatch(/→ set USE_GRUB_CONFIG=false/);
      expect(stdout).toMatch(/\nok +kexec\.tools/);
    }
    expect(snapshot(system.root)).toEqual(before);
  });

  it('prints JSON, and its exit status is for monitoring', () => {
    const bare = run(['doctor', '--json']);
    const report = JSON.parse(bare.stdout) as Report;
    expect(report).toMatchObject({
      schema: 'shootdown.doctor/1',
      root: system.root,
      counts: { problem: 0, warning: 1 },
    });
    expect(report.results[0]).toEqual({
      id: 'install.parts',
      state: 'warning',
      text: 'nothing of shootdown is installed on this system',
      advice: expect.stringContaining('shootdown install kdump') as string,
    });
    expect(bare.status).toBe(2);
    expect(run(['doctor', '--fail-on', 'problem']).status).toBe(0);
    expect(run(['doctor', '--fail-on', 'never']).status).toBe(64);
    addToTree(system.root, '/etc/default/kdump-tools', 'USE_KDUMP=0\n');
    addToTree(system.root, '/etc/shootdown/install.json', 'x');
    expect(run(['doctor', '--fail-on', 'problem']).status).toBe(2);
  });

  it('exits 1 where there is no such system', () => {
    const { status, stderr } = shootdown(['doctor', '--root', `${system.root}/nowhere`]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/no such folder\n$/);
  });
});
