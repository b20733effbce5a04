import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hasCommand, run, SHOOTDOWN, shootdown } from './support/cli.js';
import { encodeFunction } from './support/encode.js';
import { buildFakeSysfs, type FakeSysfs } from './support/fake-sysfs.js';

const NIC = { classCode: 0x020000, command: 0x0006, interruptPin: 1 } as const;
const CAPABILITIES = [{ kind: 'msix', enable: true, tableSize: 4 }, { kind: 'express' }] as const;
const MSI = [{ kind: 'msi', enable: true }] as const;
/** strace counts each on its own. */
const WRITES = ['write', 'pwrite64', 'writev', 'pwritev'];
/** More than a run makes; the loop ends at the first run that was not killed. */
const CALLS_MAX = 200;

function machine(): FakeSysfs {
  const root = encodeFunction({ classCode: 0x060400, command: 7, bridge: { secondary: 1 } });
  return buildFakeSysfs({
    functions: [
      { slot: '0000:00:1c.0', config: root },
      {
        slot: '0000:01:00.0',
        parent: '0000:00:1c.0',
        config: encodeFunction({ ...NIC, capabilities: CAPABILITIES }),
      },
      { slot: '0000:01:00.1', parent: '0000:00:1c.0', config: encodeFunction({ ...NIC, capabilities: MSI }) },
      { slot: '0000:00:1f.0', config: encodeFunction({ ...NIC, command: 0x0107 }) },
    ],
  });
}

const bytesOf = (tree: FakeSysfs) =>
  Object.fromEntries([...tree.snapshot()].map(([slot, bytes]) => [slot, Buffer.from(bytes).toString('hex')]));

describe.skipIf(!hasCommand('strace', 'strace'))('apply, killed at every system call that writes', () => {
  let folder = '';
  let tree: FakeSysfs;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'shootdown-kill-'));
    tree = machine();
  });
  afterEach(() => {
    tree.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  it('is taken back by restore to the byte', { timeout: 300_000 }, () => {
    const before = bytesOf(tree);
    const states = new Set<string>();
    for (const write of WRITES) {
      for (let call = 1; call <= CALLS_MAX; call++) {
        const journal = `${write}-${call}.ndjson`;
        const { status } = applyUnderStrace(
          `inject=${write}:signal=KILL:when=${call}`,
          join(folder, journal),
        );
        states.add(JSON.stringify(bytesOf(tree)));
        if (readdirSync(folder).includes(journal)) {
          const restored = shootdown(['restore', join(folder, journal), '--host', `sysfs:${tree.root}`]);
          expect(restored, `restore after a kill at ${write} ${call}`).toMatchObject({ status: 0 });
        }
        expect(bytesOf(tree), `after a kill at ${write} ${call}`).toEqual(before);
        if (status === 0) break;
        expect(call).toBeLessThan(CALLS_MAX);
      }
    }
    // Untouched, after each of three gates and of two MSI registers: a kill has fallen between all of them.
    expect(states.size).toBe(6);
  });

  it('says so when the disk is full, and leaves what restores or nothing', { timeout: 120_000 }, () => {
    const before = bytesOf(tree);
    const journal = join(folder, 'j.ndjson');
    // The first write is the header, the second the records with the end.
    for (const [call, status] of [
      [1, 1],
      [2, 3],
    ]) {
      const result = applyUnderStrace(`inject=write:error=ENOSPC:when=${call}+`, journal, ['-P', journal]);
      expect(result).toMatchObject({
        status,
        stderr: expect.stringContaining('the disk is full: free some room'),
      });
      expect(readdirSync(folder)).toEqual(status === 3 ? ['j.ndjson'] : []);
      expect(result.stderr.includes(`journal: ${journal}\n`)).toBe(status === 3);
      if (status === 1) expect(bytesOf(tree)).toEqual(before);
      else expect(bytesOf(tree)).not.toEqual(before);
    }
    expect(shootdown(['restore', journal, '--host', `sysfs:${tree.root}`])).toMatchObject({ status: 0 });
    expect(bytesOf(tree)).toEqual(before);
  });

  function applyUnderStrace(inject: string, journal: string, more: readonly string[] = []) {
    const strace = ['-f', '-qq', '-o', '/dev/null', '-e', `trace=${WRITES.join(',')}`, '-e', inject];
    const apply = ['apply', '--host', `sysfs:${tree.root}`, '--journal', journal];
    return run('strace', [...more, ...strace, process.execPath, SHOOTDOWN, ...apply]);
  }
});
