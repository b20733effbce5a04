import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TreeEntry, treeOf } from '../system/tree.js';
import type { Controller, Ran } from './controller.js';
import type { FleetHost } from './fleet.js';
import { shortened, type TrialRecord } from './record.js';

export const HOSTS = ['alpha', 'beta', 'delta', 'gamma'] as const;
/** What is wrong with each is in their name; see `trial.ts`. */
export const STRANGE = ['gone', 'dark', 'liar', 'fibber', 'babbler'] as const;
export type HostName = (typeof HOSTS)[number] | (typeof STRANGE)[number];

/** What the parts of the trial work with. */
export interface Scene {
  readonly controller: Controller;
  readonly record: TrialRecord;
  readonly hosts: Readonly<Record<HostName, FleetHost>>;
  /** `uname -r` of the hosts. */
  readonly release: string;
  readonly project: string;
}

/** Runs a playbook of the collection and keeps what is told of it. `more` goes onto the command line as it is. */
export async function playbook(
  { controller, record, release }: Scene,
  name: string,
  more: readonly string[] = [],
): Promise<Ran> {
  const ran = await controller.run('ansible-playbook', [`shootdown.kexec.${name}`, ...more]);
  const words = more.map((word) => (/[^\w=.:,/@-]/.test(word) ? `'${word}'` : word));
  record.ran(
    ['ansible-playbook', `shootdown.kexec.${name}`, ...words].join(' '),
    shortened(ran.output).replaceAll(release, '6.1.0-26-amd64'),
  );
  console.log(`${name} ${words.join(' ')}: status ${ran.status}`);
  return ran;
}

/** Its output must have this in it, and it must have ended so. */
export function expectOf(ran: Ran, status: number, pattern?: RegExp): void {
  const fits = ran.status === status && (pattern === undefined || pattern.test(ran.output));
  if (!fits)
    throw new Error(`status ${ran.status}, not ${status}, or no ${pattern}:\n${shortened(ran.output, 40)}`);
}

/** A playbook that must succeed; the hosts that it changed something on. */
export function changedBy(ran: Ran): readonly string[] {
  expectOf(ran, 0);
  return [...ran.recap].filter(([, { changed }]) => changed > 0).map(([host]) => host);
}

/** The machines on which something failed. */
export function failedOn({ recap }: Ran): readonly string[] {
  return [...recap].filter(([, { failed }]) => failed > 0).map(([host]) => host);
}

/** What an administrator would mind if it were not as before. */
export type HostState = ReadonlyMap<string, TreeEntry>;

/** In a host: its settings, its kernels, and what shootdown and kdump-tools keep. */
export async function stateOf({ root }: FleetHost): Promise<HostState> {
  const state = new Map<string, TreeEntry>();
  for (const folder of ['etc', 'boot', 'var/lib/shootdown', 'var/lib/kdump', 'var/cache/shootdown']) {
    const entries = await treeOf(join(root, folder)).catch(() => new Map<string, TreeEntry>());
    for (const [path, entry] of entries) state.set(`${folder}/${path}`, entry);
  }
  return state;
}

/** What the capture kernel is told, as kdump-config noted it when it loaded that. */
export function loaded({ root }: FleetHost): { readonly kernel: string; readonly words: string } {
  const command = readFileSync(join(root, 'var/crash/kexec_cmd'), 'utf8').trim();
  const [, words = ''] = /--command-line="([^"]*)"/.exec(command) ?? [];
  return { kernel: command.split(' ').at(-1) ?? '', words };
}

/** Whether shootdown works in the capture kernel that waits on a host: not at all, only looking, or stopping. */
export function waiting(host: FleetHost): 'plain' | 'observe' | 'act' {
  const { kernel, words } = loaded(host);
  if (!kernel.startsWith('/var/lib/shootdown/kernels/')) return 'plain';
  return words.endsWith(' shootdown=observe') ? 'observe' : 'act';
}
