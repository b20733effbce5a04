import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { SCENARIOS } from './scenarios.js';

describe('the scenarios', () => {
  it('have scripts that a shell can parse', () => {
    for (const { name, setup = ':', alive = ':', after = ':' } of SCENARIOS) {
      for (const script of [setup, alive, after]) {
        const { status, stderr } = spawnSync('sh', ['-n'], { input: script, encoding: 'utf8' });
        expect(stderr, name).toBe('');
        expect(status, name).toBe(0);
      }
    }
  });

  it('prove that the disk is busy when the kernel goes', () => {
    const disks = SCENARIOS.filter(({ qemu = [] }) => qemu.some((word) => word.includes('latency-ns=')));
    expect(disks.map(({ name }) => name)).toEqual(['normal-nvme', 'crash-nvme', 'normal-ahci', 'crash-ahci']);
    for (const { alive } of disks) expect(alive).toContain('/stat');
  });

  it('direct an MSI to a page that neither kernel uses', () => {
    for (const { cmdline, oracle } of SCENARIOS) {
      if (oracle.kind !== 'edu-interrupt') continue;
      expect(cmdline?.first).toMatch(/^memmap=/);
      expect(cmdline?.next).toBe(cmdline?.first);
    }
  });
});
