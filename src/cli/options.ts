import { closeSync, constants, fstatSync, openSync, readSync, type Stats } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { ShootdownError } from '../pci/error.js';
import type { PciFunction } from '../pci/function.js';
import { matchesId, matchesSlot, parseIdSelector, parseSlotSelector } from '../pci/selector.js';
import type { Topology } from '../pci/topology.js';
import { defaultPolicy } from '../quiesce/default-policy.js';
import { type Policy, parsePolicy } from '../quiesce/policy.js';
import { profileNames } from '../sim/index.js';
import type { HostOptions } from './hosts.js';
import { readError } from './read-error.js';

export interface SelectorOptions {
  readonly s?: string;
  readonly d?: string;
}

export interface CommonOptions extends HostOptions, SelectorOptions {
  readonly policy?: string;
  readonly json?: boolean;
}

/** The options that every command on a host has. */
export function withHost(command: Command): Command {
  return withMachine(command)
    .option('-s <slot>', 'only these slots: [[[[domain]:]bus]:][device][.[function]], as lspci')
    .option('-d <ids>', 'only these ids: [vendor]:[device][:class[:prog-if]], as lspci')
    .option('--json', 'print one JSON object');
}

/** Which machine is meant, and nothing else. */
export function withMachine(command: Command): Command {
  return command
    .option(
      '--host <host>',
      `sysfs[:ROOT], dump:FILE, qtest:SOCKET or sim:NAME (${profileNames.join(', ')}; default: sysfs)`,
    )
    .addOption(
      new Option(
        '-F, --file <file>',
        'read the output of lspci -x, -xxx or -xxxx from a file, - for standard input',
      ).argParser(once),
    );
}

function once(value: string, previous: string | undefined): string {
  if (previous !== undefined) throw new ShootdownError('usage', '-F was given twice: one machine at a time');
  return value;
}

export function withPolicy(command: Command): Command {
  return command.option(
    '--policy <file>',
    'policy to apply (default: the one that ships, policies/default.json)',
  );
}

export function choice(
  flags: string,
  description: string,
  values: readonly string[],
  fallback?: string,
): Option {
  const option = new Option(flags, description).choices(values);
  return fallback === undefined ? option : option.default(fallback);
}

/** A parser for an option that takes a whole number. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`it must be a whole number from ${min} to ${max}.`);
  };
}

export function readPolicy(path: string | undefined): Policy {
  return path === undefined ? defaultPolicy() : parsePolicy(readText(path), path);
}

/** @internal */
export const TEXT_MAX = 64 * 1024 * 1024;
/** @internal */
export const TEXT_CHUNK = 1024 * 1024;

/** Reads a file of text; the error says what to do. Nothing that may keep it waiting: no signal could end that. */
export function readText(path: string): string {
  try {
    const { file, stat } = openText(path);
    try {
      if (!stat.isFile())
        throw new ShootdownError('bad-input', `${path} is no regular file: save what it gives in one`);
      return readOpen(path, file).toString('utf8');
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    if (cause instanceof ShootdownError) throw cause;
    throw readError(path, cause);
  }
}

/** Waits for nobody, not for a pipe's writer either. Throws EISDIR for a folder. @internal */
export function openText(path: string): { readonly file: number; readonly stat: Stats } {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const stat = fstatSync(file);
  if (!stat.isDirectory()) return { file, stat };
  closeSync(file);
  throw Object.assign(new Error('a folder'), { code: 'EISDIR' });
}

/** Stops at the limit: a file may grow as it is read, or have no size. @internal */
export function readOpen(path: string, file: number): Buffer {
  const chunks: Buffer[] = [];
  for (let total = 0; ; ) {
    const chunk = Buffer.alloc(TEXT_CHUNK);
    const length = readSync(file, chunk);
    if (length === 0) return Buffer.concat(chunks);
    chunks.push(chunk.subarray(0, length));
    total += length;
    if (total > TEXT_MAX) throw new ShootdownError('bad-input', `${path}: larger than 64 MiB`);
  }
}

/** The functions that -s and -d select; without them all. One that selects nothing is an error. */
export function selection(options: SelectorOptions): ((fn: PciFunction) => boolean) | undefined {
  if (options.s === undefined && options.d === undefined) return undefined;
  const slot = options.s === undefined ? undefined : parseSlotSelector(options.s);
  const id = options.d === undefined ? undefined : parseIdSelector(options.d);
  return (fn) => (!slot || matchesSlot(slot, fn.slot)) && (!id || matchesId(id, fn));
}

export function checkSelects(topology: Topology, select: ((fn: PciFunction) => boolean) | undefined): void {
  if (!select) return;
  for (const { function: fn } of topology.nodes.values()) if (select(fn)) return;
  throw new ShootdownError('not-found', 'no function matches the selector: shootdown audit --all lists them');
}

export function jsonText(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
