import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { RunFolder } from './run-folder.js';

it('does not throw at what comes by itself, and says later what went wrong', () => {
  const path = join(mkdtempSync(join(tmpdir(), 'shootdown-run-')), 'run');
  const folder = new RunFolder(path);
  folder.append('guest_console.txt', 'Linux ');
  folder.append('guest_console.txt', 'version');
  expect(readFileSync(join(path, 'guest_console.txt'), 'utf8')).toBe('Linux version');
  rmSync(path, { recursive: true });
  folder.append('guest_console.txt', 'lost');
  folder.append('guest_console.txt', 'lost, too');
  expect(() => folder.write('verdict.json', '{}')).toThrow(/guest_console\.txt: ENOENT/);
  rmSync(join(path, '..'), { recursive: true });
});

it('says where no folder can be made', () => {
  expect(() => new RunFolder('/dev/null/run')).toThrow(/^\/dev\/null\/run: ENOTDIR/);
});
