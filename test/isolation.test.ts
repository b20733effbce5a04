import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { openSysfs } from '../src/host/sysfs.js';
import { ShootdownError } from '../src/pci/error.js';

const isRoot = process.getuid?.() === 0;
// Set by scripts/test.mjs: whether it made /sys read-only, or was allowed to go without.
const run = process.env['SHOOTDOWN_TEST_RUN'];

/** Options of every mount of a kind, by where it is. */
function mountsOf(type: string): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const line of readFileSync('/proc/self/mountinfo', 'utf8').split('\n')) {
    const [left = '', right = ''] = line.split(' - ');
    const words = left.split(' ');
    // What was mounted later at a place hides what was there.
    if (right.split(' ')[0] === type) found.set(words[4] ?? '', (words[5] ?? '').split(','));
  }
  return found;
}

it.skipIf(!isRoot || run !== 'isolated')('root cannot write to the machine it tests on', () => {
  const mounts = mountsOf('sysfs');
  expect(mounts.has('/sys')).toBe(true);
  for (const [at, options] of mounts) expect(options, at).toContain('ro');
});

it('the running machine cannot be opened for writing by mistake', () => {
  for (const options of [{ write: true }, { root: '/sys', write: true, writeRealSys: false }]) {
    try {
      openSysfs(options);
      expect.unreachable('it was opened for writing');
    } catch (error) {
      if (!(error instanceof ShootdownError)) throw error;
      expect(['refused', 'not-found']).toContain(error.code);
    }
  }
});
