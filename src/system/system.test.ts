import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { openSystem } from './system.js';

const { run } = openSystem('', true);
const sh = (script: string, timeoutMs?: number) =>
  run('sh', ['-c', script], timeoutMs === undefined ? {} : { timeoutMs });
afterEach(() => {
  vi.unstubAllEnvs();
});

describe('a program that is run', () => {
  it('tells how it ended', async () => {
    expect(await sh('echo out; echo err >&2; exit 3')).toEqual({
      status: 3,
      stdout: 'out\n',
      stderr: 'err\n',
    });
    expect(await sh('kill -9 $$')).toMatchObject({ status: 128 });
    expect(await run('/no/such/program', [])).toMatchObject({ status: 127 });
  });

  it('ends after its time with all that it has started', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'shootdown-run-'));
    try {
      const late = join(folder, 'late');
      // The one that waits is not the one that is started.
      const result = await sh(`echo begun; sh -c "sleep 2; touch ${late}"; :`, 300);
      expect(result).toEqual({ status: 124, stdout: 'begun\n', stderr: 'not done within 0.3 s' });
      await sh('sleep 2.5');
      expect(existsSync(late)).toBe(false);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('is not waited for beyond its time where what it left behind holds its output', async () => {
    const result = await sh('echo out; (sleep 2; echo late) & exit 3', 500);
    expect(result).toEqual({ status: 3, stdout: 'out\n', stderr: '' });
  });

  it("finds the administrator's programs, also after su", async () => {
    vi.stubEnv('PATH', '/opt/first:/usr/bin:/bin');
    const { stdout } = await sh('echo "$PATH"');
    expect(stdout).toMatch(/^\/opt\/first:\/usr\/bin:\/bin:.*\/usr\/sbin.*:\/sbin/);
    expect(stdout.match(/\/usr\/bin/g)).toHaveLength(1);
    vi.stubEnv('PATH', '');
    expect((await sh('echo here')).stdout).toBe('here\n');
  });
});
