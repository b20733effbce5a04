import { describe, expect, it } from 'vitest';
import { command } from './command.js';

describe('a program of this machine', () => {
  it('gives what it printed', async () => {
    expect((await command('printf', ['a\\nb'])).toString()).toBe('a\nb');
  });

  it('fails with the end of what it said', async () => {
    await expect(command('sh', ['-c', 'echo no >&2; exit 3'])).rejects.toMatchObject({
      code: 'io',
      message: 'sh -c echo no >&2; exit 3: no',
    });
  });

  it('is given up within a bound, whatever its children hold open', async () => {
    await expect(command('sh', ['-c', 'sleep 20 & wait'], { timeoutMs: 100 })).rejects.toMatchObject({
      code: 'timeout',
      message: 'sh -c sleep 20 & wait: not done within 0.1 s',
    });
  });

  it('ends when it is told to', async () => {
    const stop = new AbortController();
    const running = command('sleep', ['60'], { signal: stop.signal });
    stop.abort();
    await expect(running).rejects.toMatchObject({ code: 'refused', message: 'sleep: stopped' });
  });

  it('that is not there is named with what helps', async () => {
    const nowhere = { ...process.env };
    process.env['PATH'] = '/nonexistent';
    try {
      await expect(command('apt-cache', [])).rejects.toThrow(
        /^apt-cache is not installed: .* Debian's packages: run lab prepare on Debian/,
      );
      await expect(command('nonsense', [])).rejects.toThrow(/^nonsense is not installed$/);
    } finally {
      process.env['PATH'] = nowhere['PATH'];
    }
  });
});
