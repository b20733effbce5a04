import { describe, expect, it } from 'vitest';
import { ShootdownError } from '../pci/error.js';
import { type Io, processIo } from './io.js';
import { type JumpOptions, jumpStories } from './report-jumps.js';

const io: Io = processIo(new AbortController().signal);

const refused = (options: JumpOptions & { readonly file?: string }) =>
  jumpStories(options, io).then(
    () => 'read',
    (error: unknown) => (error instanceof ShootdownError ? `${error.code}: ${error.message}` : 'thrown'),
  );

describe('the options that name jumps', () => {
  it('refuse what does not go together', async () => {
    const two = ['none', 'none'] as const;
    const five = ['none', 'linux', 'before', 'after', 'ours'] as const;
    expect(await refused({ scenario: 'live-rings', jump: ['x'] })).toMatch(/^usage: .*give one of them/);
    expect(await refused({ seed: 3, jump: ['x'] })).toMatch(/^usage: --seed is for --scenario/);
    expect(await refused({ policies: two })).toMatch(/^usage: --policies is for --scenario/);
    expect(await refused({ scenario: 'live-rings', policies: two })).toMatch(/^usage: .*one of them twice/);
    expect(await refused({ scenario: 'live-rings', policies: five })).toMatch(/^usage: .*at most 4/);
    expect(await refused({ jump: ['-', '-'] })).toMatch(/^usage: .*one standard input/);
    expect(await refused({ jump: ['-'], file: '-' })).toMatch(/^usage: .*not both/);
    expect(await refused({ scenario: 'none-such' })).toMatch(/^usage: no scenario is called none-such/);
    expect(await refused({ jump: ['/nowhere/at-all.json'] })).toMatch(/^not-found: /);
  });

  it('play a scenario on its own machine, and on the path that is asked for', async () => {
    const { stories, played } = await jumpStories({ scenario: 'live-rings', path: 'crash', seed: 7 }, io);
    expect(stories.map(({ policy, path }) => [policy, path])).toEqual([
      ['none', 'crash'],
      ['ours', 'crash'],
    ]);
    expect(played?.path).toBe('crash');
    expect(played?.machine.topology.nodes.size).toBeGreaterThan(2);
    expect(stories[0]?.about).toContain('This is the crash path');
    expect(stories[0]?.lanes.find(({ label }) => label === '01:00.0')?.note).toBe('mlxsw_spectrum');
    expect(await jumpStories({}, io)).toEqual({ stories: [] });
  });
});
