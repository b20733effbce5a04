import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { scan } from '../../src/host/scan.js';
import { openSysfs } from '../../src/host/sysfs.js';
import { slotParts } from '../../src/pci/slot.js';
import { encodeFunction } from './encode.js';
import { buildFakeSysfs, type FakeFunction } from './fake-sysfs.js';
import { type MemoryFunction, slotOf } from './memory-host.js';
import { INTEGRATIONS, runScript, type ShellOptions, type ShellRun, writeFiles } from './shell-run.js';

export const GATE = join(INTEGRATIONS, 'lib/gate');
/** Of a capture kernel. */
export const CRASHED = 'irqpoll nr_cpus=1 elfcorehdr=0x2e000000 reset_devices';

export type TreeFunction = MemoryFunction & Omit<Partial<FakeFunction>, 'slot' | 'config'>;

export interface GateTree {
  readonly folder: string;
  /** Where the function's own files are. */
  path(slot: string, name: string): string;
  config(slot: string): Buffer;
  command(slot: string): number;
  snapshot(): Readonly<Record<string, string>>;
}

/** Which function is above: the one whose secondary bus it is on, in its own domain. */
function parentOf(slot: string, functions: Readonly<Record<string, MemoryFunction>>): string | undefined {
  const { domain, bus } = slotParts(slotOf(slot));
  return Object.keys(functions).find((other) => {
    const parts = slotParts(slotOf(other));
    return parts.domain === domain && bus > parts.bus && functions[other]?.bridge?.secondary === bus;
  });
}

/** A root with sys, proc and dev in a temporary folder. Functions without a driver have the power state that Linux knows of them: none. */
export function buildGateTree(
  folder: string,
  functions: Readonly<Record<string, TreeFunction>>,
  cmdline = CRASHED,
): GateTree {
  const fakes = Object.entries(functions).map(([slot, fn]): FakeFunction => {
    const parent = fn.parent ?? parentOf(slot, functions);
    const driver = fn.driver ?? fn.facts?.driver ?? undefined;
    return {
      powerState: driver === undefined ? 'unknown' : 'D0',
      ...fn,
      slot,
      config: encodeFunction(fn),
      ...(parent === undefined ? {} : { parent }),
      ...(driver === undefined ? {} : { driver }),
    };
  });
  const tree = buildFakeSysfs({ functions: fakes }, folder);
  writeFiles(folder, { 'proc/cmdline': `${cmdline}\n`, 'dev/kmsg': '' });
  const path = (slot: string, name: string) => join(tree.root, 'bus/pci/devices', slot, name);
  const config = (slot: string) => Buffer.from(tree.config(slot));
  return {
    folder,
    path,
    config,
    command: (slot) => config(slot).readUInt16LE(4),
    snapshot: () =>
      Object.fromEntries(Object.keys(functions).map((slot) => [slot, config(slot).toString('hex')])),
  };
}

export async function scanTree({ folder }: Pick<GateTree, 'folder'>) {
  const host = openSysfs({ root: join(folder, 'sys') });
  try {
    return await scan(host);
  } finally {
    await host.close();
  }
}

export interface GateRun extends ShellRun {
  readonly log: string;
  readonly kmsg: string;
  /** In the order in which they were gated, or would have been. */
  readonly gated: readonly string[];
}

/** Runs the hook on a tree, with this table or none. */
export function runGate(tree: GateTree, table: string | undefined, options: ShellOptions = {}): GateRun {
  const read = (name: string) => {
    const path = join(tree.folder, name);
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  };
  if (table !== undefined) writeFiles(tree.folder, { table });
  const args = [tree.folder, join(tree.folder, 'table'), join(tree.folder, 'log')];
  const run = runScript(tree.folder, GATE, args, options);
  const log = read('log');
  const gated = [...log.matchAll(/^(\S+) \S+: (?:gated by|would (?:gate|reset) it)/gm)].map(
    ([, slot = '']) => slot,
  );
  return { ...run, log, kmsg: read('dev/kmsg'), gated };
}
