import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { repeatScript } from './repeat.js';

const folder = mkdtempSync(join(tmpdir(), 'shootdown-repeat-'));
afterAll(() => rmSync(folder, { recursive: true }));

function repeat(needs: readonly string[]) {
  const script = repeatScript({
    command: ['printf', '%s|', 'unix:/tmp/qemu-1/qmp', "it's", '/runs/a/pci_cfg_write.trace'],
    folders: ['/tmp/qemu-1', '/runs/a'],
    needs,
    again: "shootdown lab run 'x'",
  });
  return spawnSync('sh', ['-c', script], { encoding: 'utf8' });
}

it('repeats a command word by word, in a folder of its own', () => {
  const { status, stdout } = repeat(['/dev/null']);
  const [own, words] = stdout.split('\n');
  rmSync(own ?? '', { recursive: true });
  expect(status).toBe(0);
  expect(words).toBe(`unix:${own}/qmp|it's|${own}/pci_cfg_write.trace|`);
});

it('says what makes a file anew that the store has no longer', () => {
  const there = join(folder, 'there');
  writeFileSync(there, '');
  const { status, stdout, stderr } = repeat([there, join(folder, 'gone')]);
  expect(status).toBe(1);
  expect(stdout).toBe('');
  expect(stderr).toBe(
    `${folder}/gone is no longer in the lab's store; what makes it anew: shootdown lab run 'x'\n`,
  );
});
