import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { scan } from '../src/host/scan.js';
import { openSysfs } from '../src/host/sysfs.js';
import * as regs from '../src/pci/regs.js';
import { haveLspci } from './support/lspci.js';

const dumps = process.env['SHOOTDOWN_DUMPS'];
const folder = dumps === undefined ? undefined : join(dumps, 'sysfs');
const lspci = haveLspci();
const trees = folder !== undefined && existsSync(folder) ? readdirSync(folder) : [];

/** Slot, class, IDs and the first line of registers of each function, as lspci prints them from a tree. */
function askLspci(root: string): string[] {
  const run = spawnSync('lspci', ['-D', '-n', '-v', '-v', '-A', 'linux-sysfs', '-O', `sysfs.path=${root}`], {
    encoding: 'latin1',
    env: { ...process.env, LC_ALL: 'C' },
  });
  expect(run.status, run.stderr).toBe(0);
  return run.stdout
    .split(/\n\n+/)
    .map((text) => {
      const [, slot, ids] = /^(\S+) (\S+ \S+)/.exec(text) ?? [];
      const flags = [/BusMaster([+-])/, /DisINTx([+-])/].map((flag) => flag.exec(text)?.[1] ?? '?');
      return slot === undefined ? '' : [slot, ids, ...flags].join(' ');
    })
    .filter((line) => line !== '')
    .sort();
}

async function askOurselves(root: string): Promise<string[]> {
  const host = openSysfs({ root });
  const { topology } = await scan(host);
  await host.close();
  const flag = (value: number) => (value ? '+' : '-');
  const hex = (value: number) => value.toString(16).padStart(4, '0');
  return [...topology.nodes.values()]
    .map(({ function: fn }) => {
      const ids = `${hex(fn.classCode >>> 8)}: ${hex(fn.vendor)}:${hex(fn.device)}`;
      const master = flag(fn.command & regs.PCI_COMMAND_MASTER);
      return `${fn.slot} ${ids} ${master} ${flag(fn.command & regs.PCI_COMMAND_INTX_DISABLE)}`;
    })
    .sort();
}

it.skipIf(!lspci || trees.length === 0)('reads copied sysfs trees as lspci does', async () => {
  for (const tree of trees) {
    const root = join(folder ?? '', tree);
    const ours = await askOurselves(root);
    expect(ours.length).toBeGreaterThan(0);
    expect(ours, tree).toEqual(askLspci(root));
  }
});

it.skipIf(!lspci || !existsSync('/sys/bus/pci/devices'))(
  'reads the machine it is on as lspci does',
  async () => {
    expect(await askOurselves('/sys')).toEqual(askLspci('/sys/bus/pci'));
  },
);
