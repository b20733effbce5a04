import { functionResults, parseJournal } from '../quiesce/journal.js';
import type { Guest } from './guest.js';
import { type GuestFunction, readFunctions } from './guest-pci.js';

/** What `shootdown apply` did in a guest, to its real /sys. */
export interface GuestApply {
  readonly status: number;
  /** Functions by what the journal says of them. */
  readonly gated: number;
  readonly stopped: number;
  readonly live: number;
  /** Wall clock of the whole command in the guest, in seconds: most of it is Node starting under TCG. */
  readonly seconds: number;
  /** `restore` gave every byte and every driver back; `null` where that was not tried. */
  readonly restored: boolean | null;
}

const JOURNAL = '/run/shootdown.ndjson';
const TIMEOUT_MS = 180_000;
/** Status is read-only or write-1-to-clear, and what a device asserts or counts may change by itself. */
const PCI_STATUS = 0x06;

/** Runs `apply` in a guest that has Node and the bundle. Rejects if it fails. */
export async function applyInGuest(
  guest: Guest,
  { restores }: { restores: boolean },
): Promise<{ summary: GuestApply; journal: string }> {
  let restored: boolean | null = null;
  if (restores) {
    const before = await readFunctions(guest, { whole: true });
    await apply(guest);
    await guest.must(`shootdown restore ${JOURNAL} --write-real-pci-devices`, TIMEOUT_MS);
    restored = sameFunctions(before, await readFunctions(guest, { whole: true }));
  }
  const { status, seconds } = await apply(guest);
  // Where nothing is to be done there is no journal.
  const text = await guest.must(`[ ! -e ${JOURNAL} ] || cat ${JOURNAL}`);
  const journal = text === '' ? undefined : parseJournal(text, JOURNAL);
  const results = journal ? functionResults(journal) : [];
  const count = (verdict: string) => results.filter((one) => one.verdict === verdict).length;
  const [gated, stopped, live] = [count('gated'), count('stopped'), count('live')];
  return { summary: { status, gated, stopped, live, seconds, restored }, journal: text };
}

async function apply(guest: Guest): Promise<{ status: number; seconds: number }> {
  const script = `rm -f ${JOURNAL}
start=$(cut -d' ' -f1 /proc/uptime)
shootdown apply --write-real-pci-devices --journal ${JOURNAL} >/run/apply.txt 2>&1
status=$?
echo "$status $start $(cut -d' ' -f1 /proc/uptime)"
cat /run/apply.txt`;
  const output = await guest.must(script, TIMEOUT_MS);
  const [status = NaN, start = NaN, end = NaN] = output.split('\n', 1)[0]?.split(' ').map(Number) ?? [];
  // 2 is not a failure: something was left live that the policy exempts.
  if (status !== 0 && status !== 2) {
    throw guest.failure(
      'io',
      `shootdown apply ended with status ${status} in the guest: ${lastLine(output)}`,
    );
  }
  return { status, seconds: Math.round((end - start) * 100) / 100 };
}

/** The same functions with the same drivers and bytes, all of them but Status. */
export function sameFunctions(a: readonly GuestFunction[], b: readonly GuestFunction[]): boolean {
  return a.length === b.length && a.every((one, i) => sameFunction(one, b[i]));
}

function sameFunction(a: GuestFunction, b: GuestFunction | undefined): boolean {
  if (b === undefined || a.fn.slot !== b.fn.slot || a.driver !== b.driver) return false;
  if (a.config.length !== b.config.length) return false;
  return a.config.every((byte, at) => (at & ~1) === PCI_STATUS || byte === b.config[at]);
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}
