import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
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

it('replaces a file at once, adds to another, and says why there is no verdict', () => {
  const path = mkdtempSync(join(tmpdir(), 'shootdown-run-'));
  const folder = new RunFolder(path);
  folder.write('verdict.json', '{}');
  folder.write('verdict.json', '{"a":1}');
  folder.add('jumps.ndjson', '{"number":1}\n');
  folder.add('jumps.ndjson', '{"number":2}\n');
  folder.fail('the guest hangs');
  const text = (name: string) => readFileSync(join(path, name), 'utf8');
  expect(readdirSync(path).sort()).toEqual(['failure.txt', 'jumps.ndjson', 'verdict.json']);
  expect(text('verdict.json')).toBe('{"a":1}');
  expect(text('jumps.ndjson')).toBe('{"number":1}\n{"number":2}\n');
  expect(text('failure.txt')).toBe('the guest hangs\n');
  rmSync(path, { recursive: true });
  folder.fail('the guest hangs');
});
