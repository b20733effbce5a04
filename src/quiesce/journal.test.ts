import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { memoryHost, testClock } from '../../test/support/memory-host.js';
import { scan } from '../host/scan.js';
import { ShootdownError } from '../pci/error.js';
import { defaultPolicy } from './default-policy.js';
import { type JournalSink, parseJournal } from './journal.js';
import { fileSink, type JournalFiles } from './journal-file.js';
import { acquireLock } from './lock.js';
import { perform } from './perform.js';
import { makePlan } from './plan.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shootdown-journal-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function performTo(journal: JournalSink) {
  const nic = { classCode: 0x020000, command: 6, interruptPin: 1 };
  const host = memoryHost({ '00:02.0': nic, '00:03.0': nic });
  const machine = await scan(host);
  const plan = makePlan(machine, defaultPolicy(), { at: 'before' });
  return perform(host, plan, { machine, journal, clock: testClock(), tool: 'test', started: 'now' });
}

describe('a journal file', () => {
  it('reads back as it was performed', async () => {
    const path = join(folder, 'deep/er/j.ndjson');
    const journal = await performTo(fileSink(path));
    expect(parseJournal(readFileSync(path, 'utf8'), path)).toEqual(journal);
  });

  it('is never written over', async () => {
    const path = join(folder, 'j.ndjson');
    writeFileSync(path, 'precious');
    await expect(performTo(fileSink(path))).rejects.toThrow(/it exists already/);
    expect(readFileSync(path, 'utf8')).toBe('precious');
  });

  it('reads at whatever byte it was cut, and refuses what is not a journal', async () => {
    const path = join(folder, 'j.ndjson');
    await performTo(fileSink(path));
    const text = readFileSync(path, 'utf8');
    const header = text.indexOf('\n');
    fc.assert(
      fc.property(fc.nat(text.length), (cut) => {
        const journal = parseJournal(text.slice(0, cut), path);
        expect(journal !== undefined).toBe(cut > header);
        if (cut < text.length) expect(journal?.end).toBeUndefined();
      }),
    );
    for (const bad of ['hello\n', '{}\n', '{"schema":"other/1"}\n', `${text.slice(0, header)}\nnonsense\n`]) {
      expect(() => parseJournal(bad, 'j')).toThrow(ShootdownError);
    }
  });

  it('syncs twice, whatever the number of functions', async () => {
    const { files, calls } = fakeFiles(Number.MAX_SAFE_INTEGER);
    await performTo(fileSink('j', files));
    expect(calls.filter((call) => call === 'sync')).toHaveLength(2);
    expect(calls.indexOf('sync')).toBeLessThan(calls.lastIndexOf('write'));
  });

  it('leaves nothing behind on a disk that is full from the start, and says what to do', async () => {
    const { files, calls } = fakeFiles(100);
    await expect(performTo(fileSink('j', files))).rejects.toThrow(
      /disk is full: free some room or name another place/,
    );
    expect(calls.slice(-2)).toEqual(['close', 'remove']);
  });

  it('keeps what it has when the disk fills up later', async () => {
    const whole = fakeFiles(Number.MAX_SAFE_INTEGER);
    await performTo(fileSink('j', whole.files));
    const { files, calls } = fakeFiles(whole.written() - 10);
    await expect(performTo(fileSink('j', files))).rejects.toMatchObject({ code: 'incomplete' });
    expect(calls.at(-1)).toBe('close');
    expect(calls).not.toContain('remove');
  });
});

/** A disk with room for so many bytes, which writes at most 1000 at a time. */
function fakeFiles(room: number): { files: JournalFiles; calls: string[]; written(): number } {
  const calls: string[] = [];
  let left = room;
  const files: JournalFiles = {
    open: () => {
      calls.push('open');
      return 3;
    },
    write: (_fd, bytes) => {
      calls.push('write');
      const count = Math.min(bytes.length, 1000, left);
      if (count === 0) throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
      left -= count;
      return count;
    },
    sync: () => {
      calls.push('sync');
    },
    close: () => {
      calls.push('close');
    },
    remove: () => {
      calls.push('remove');
    },
  };
  return { files, calls, written: () => room - left };
}

describe('the lock', () => {
  it('lets one run at a time onto a machine', async () => {
    const release = await acquireLock(`test-${process.pid}`);
    await expect(acquireLock(`test-${process.pid}`)).rejects.toMatchObject({ code: 'busy' });
    await release();
    await (await acquireLock(`test-${process.pid}`))();
  });
});
