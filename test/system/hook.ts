import { expect } from 'vitest';
import type { Store } from '../../src/lab/store.js';
import type { CrashSeen } from './guest.js';
import type { SystemMachine } from './machine.js';
import { preparedImage } from './prepared.js';
import type { InitramfsTool } from './recipe.js';
import { savedDumps } from './saved.js';
import { shootdownImage } from './shootdown.js';

// The hook after the jump, as seen on the console and in what is left of a crash.

/** A guest in which it is installed, and nothing else of ours is in use. */
export async function hookImage(store: Store, tool: InitramfsTool): Promise<string> {
  const image = await shootdownImage(store, tool);
  return preparedImage(store, { name: `hook-${tool}`, image, script: 'shootdown install hook' });
}

/** The NIC of the rig, below its root port. */
export const NIC = '0000:01:00.0';
/** The hook's last line. */
export const HOOK_DONE = /shootdown: after the jump: \d+ (would be )?gated, \d+ failed, \d+ left live/;
const HOOK_LOG = 'shootdown-hook.log';
const CRASH_FOLDER = '/var/crash';
const HOOK_BEGINS = /shootdown: after the jump: policy/;
/** Of the capture kernel's: udev's own word, or systemd's of it, in bold and shortened. */
const UDEV_BEGINS = /Starting (systemd-udevd )?version \d+|Starting (\x1b\[[\d;]*m)?systemd-udevd\.se/;

/** What the hook said, a line each, without the kernel's time. */
export function hookLines({ console }: CrashSeen): readonly string[] {
  return [...console.matchAll(/shootdown: (.*)/g)].map((match) => (match[1] ?? '').trim());
}

/** Fails unless all that the hook said came before udev's first word. */
export function expectBeforeUdev({ console }: CrashSeen): void {
  const [begins, done, udev] = [HOOK_BEGINS, HOOK_DONE, UDEV_BEGINS].map((one) => console.search(one));
  expect(begins).toBeGreaterThan(0);
  expect(done).toBeGreaterThan(begins as number);
  expect(udev, 'udev says that it starts').toBeGreaterThan(0);
  expect(done).toBeLessThan(udev as number);
}

/** What is in the folder of the only dump, which is whole; the hook's log, if one was saved. */
export async function expectDump(
  machine: SystemMachine,
  { ended }: CrashSeen,
): Promise<{ readonly names: readonly string[]; readonly log: string | null; readonly folder: string }> {
  const [dump, ...more] = await savedDumps(machine.disk);
  if (dump === undefined) throw new Error(`no dump was saved, and the machine ended with ${ended}`);
  expect(more).toEqual([]);
  expect(ended).toBe('guest-reset');
  expect(dump.header).toBe('makedumpfile');
  expect(dump.dmesg).toContain('Kernel panic - not syncing: sysrq triggered crash');
  const { folder, names } = dump;
  return { folder, names, log: await savedLog(machine) };
}

/** Of the hook; as the flight record, it may lie in a folder of the minute before, until the next boot. */
async function savedLog({ disk }: SystemMachine): Promise<string | null> {
  for (const { name: stamp, type } of await disk.list(CRASH_FOLDER)) {
    if (type !== 'folder') continue;
    const names = (await disk.list(`${CRASH_FOLDER}/${stamp}`)).map(({ name }) => name);
    if (names.includes(HOOK_LOG)) return disk.text(`${CRASH_FOLDER}/${stamp}/${HOOK_LOG}`);
  }
  return null;
}

/** For the run's output. */
export function report(what: string, seen: CrashSeen, names: readonly string[]): void {
  const { landed, sent, later, aliveBefore } = seen.stray;
  const strays = aliveBefore ? `${landed} stray of ${sent} sent after the first line, ` : 'no traffic, ';
  const after = aliveBefore ? `${later.landed} of ${later.sent} later (with the hook: after it); ` : '';
  const findings = seen.findings.map(({ problem, line }) => `\n  ${problem}: ${line}`).join('');
  const lines = hookLines(seen)
    .map((line) => `\n  | ${line}`)
    .join('');
  console.error(`${what}: ${strays}${after}${seen.ended}; saved: ${names.join(' ')}${lines}${findings}`);
}
