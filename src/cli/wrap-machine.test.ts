import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { scan } from '../host/scan.js';
import { audit } from '../quiesce/audit.js';
import { defaultPolicy } from '../quiesce/default-policy.js';
import { auditJson } from '../report/audit-json.js';
import { createMachine } from '../sim/index.js';
import { machineForWrap, tscKhzOf } from './wrap-machine.js';

const io = { progress: () => () => {} };
const CPUINFO = `processor\t: 0
model name\t: Some CPU @ 2.40GHz
cpu MHz\t\t: 800.025

processor\t: 1
model name\t: Some CPU @ 2.40GHz
cpu MHz\t\t: 1200.000
`;

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'shootdown-wrap-machine-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe('machineForWrap', () => {
  it('reads a host, and an audit of it as the same machine', async () => {
    const { machine, tscKhz } = await machineForWrap('sim:server', io);
    expect(tscKhz).toBeUndefined();
    const audited = audit(await scan(createMachine('server').host), defaultPolicy(), 'crash');
    const path = file('audit.json', JSON.stringify(auditJson(audited)));
    const again = await machineForWrap(path, io);
    expect(again.machine.host).toBe(machine.host);
    expect([...again.machine.topology.nodes.keys()]).toEqual([...machine.topology.nodes.keys()]);
  });

  it('reads a dump with and without its prefix', async () => {
    const dump = file('lspci.txt', `00:03.0 x\n00: 86 80 d3 10 06 00 10 00 00 00 00 02 00 00 00 00\n`);
    for (const spec of [dump, `dump:${dump}`]) {
      const { machine } = await machineForWrap(spec, io);
      expect([...machine.topology.nodes.keys()]).toEqual(['0000:00:03.0']);
    }
  });

  it('says what to do about a file that is neither', async () => {
    await expect(machineForWrap(file('text.txt', 'hello\n'), io)).rejects.toThrow(/lspci -x/);
    await expect(machineForWrap(join(folder, 'none'), io)).rejects.toMatchObject({ code: 'not-found' });
    await expect(machineForWrap(file('x.json', '{"schema":1}'), io)).rejects.toThrow(/not a valid audit/);
  });

  it('refuses this machine where the stub cannot run', async () => {
    const cpuinfo = file('cpuinfo', 'flags\t\t: fpu hypervisor tdx_guest\n');
    await expect(machineForWrap('this', io, { cpuinfo, tscFrequency: '' })).rejects.toMatchObject({
      code: 'unsupported',
    });
  });
});

describe('tscKhzOf', () => {
  it('takes what the kernel says, else the fastest that is said', () => {
    expect(tscKhzOf(CPUINFO, '2399998\n')).toBe(2_399_998);
    expect(tscKhzOf(CPUINFO, undefined)).toBe(2_400_000);
    expect(tscKhzOf('cpu MHz\t\t: 2596.138\n', 'nonsense')).toBe(2_596_138);
    expect(tscKhzOf('processor\t: 0\n', undefined)).toBeUndefined();
  });
});
