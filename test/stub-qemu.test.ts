import { describe, expect, it } from 'vitest';
import { recordedWrites, traceAgrees, tracedWrites } from '../src/lab/guest-flight.js';
import * as regs from '../src/pci/regs.js';
import type { TracedAccess } from './support/config-trace.js';
import { haveQemu } from './support/machines.js';
import { slotOf } from './support/memory-host.js';
import { different, playTopology, type Round } from './support/stub-round.js';

// SHOOTDOWN_STUB_TOPOLOGIES=1000 tries more of them, SHOOTDOWN_STUB_SEED=7 this one only, SHOOTDOWN_STUB_STATES=1
// draws so many states of each.
const COUNT = Number(process.env['SHOOTDOWN_STUB_TOPOLOGIES'] ?? 24);
const STATES = Number(process.env['SHOOTDOWN_STUB_STATES'] ?? 3);
const SEED = process.env['SHOOTDOWN_STUB_SEED'];
const seeds = SEED === undefined ? Array.from({ length: COUNT }, (_, i) => i + 1) : [Number(SEED)];
/** Of many topologies at least so many have, together, all that is worth comparing. */
const ENOUGH = 20;

const text = ({ write, slot, offset, value }: TracedAccess) =>
  `${write ? 'write' : 'read'} ${slot}+${offset.toString(16)} ${value.toString(16)}`;
const sorted = (accesses: readonly TracedAccess[]) => accesses.map(text).sort();
const isGate = ({ offset }: TracedAccess) => offset === regs.PCI_COMMAND;

/** What was compared, by name. */
const seen = new Map<string, number>();
const count = (what: string, by = 1) => seen.set(what, (seen.get(what) ?? 0) + by);

function checkRound(round: Round, seed: number): void {
  const { what, before, after, wanted, run, record, accesses, performed, reached, replay } = round;
  const again = `${what}; SHOOTDOWN_STUB_SEED=${seed} npx vitest run test/stub-qemu.test.ts`;
  expect(run.disturbed, again).toEqual([]);
  expect(different(after, wanted), again).toEqual([]);
  // Gates in the order of `perform`, each bridge after what is below it; after them messages, in any order.
  const writes = accesses.filter(({ write }) => write);
  const [gates, messages] = [writes.filter(isGate), writes.filter((one) => !isGate(one))];
  expect(writes.map(text), again).toEqual([...gates, ...messages].map(text));
  expect(gates.map(text), again).toEqual(performed.filter(isGate).map(text));
  expect(sorted(messages), again).toEqual(sorted(performed.filter((one) => !isGate(one))));
  // The interpreter and this CPU do the same with the same bytes.
  expect(replay.disturbed, again).toEqual([]);
  expect(replay.accesses.map(text), again).toEqual(accesses.map(text));
  count('states');
  count('functions', before.size);
  count('writes', writes.length);

  if (what.includes('shootdown=off')) {
    expect(record, again).toBeNull();
    expect(accesses, again).toEqual([]);
    expect(replay.reads, again).toBe(0);
    count('off');
    return;
  }
  if (!record) throw new Error(`no record: ${again}`);
  expect(['complete', 'stopped'], again).toContain(record.end);
  expect(record, again).toMatchObject({
    observe: what.includes('shootdown=observe'),
    summary: !what.includes('elfcorehdr='),
    counts: { reads: replay.reads, writes: writes.length, functions: reached.length },
  });
  for (const { slot, command, outcome, bridge, vf } of record.entries) {
    expect(command.before, again).toBe(commandOf(before.get(slot)));
    if (command.after !== null) expect(command.after, again).toBe(commandOf(after.get(slot)));
    count(`${bridge ? 'bridge ' : vf ? 'virtual function ' : ''}${outcome}`);
  }
  if (record.summary) return;
  const recorded = recordedWrites(record).map(({ slot, ...rest }) => ({
    ...rest,
    write: true,
    slot: slotOf(slot),
  }));
  expect(sorted(recorded), again).toEqual(sorted(writes));
  expect(traceAgrees(tracedWrites(run.trace), record), again).toBe(true);
}

function commandOf(bytes: Uint8Array | undefined): number {
  return bytes ? new DataView(bytes.buffer, bytes.byteOffset).getUint16(regs.PCI_COMMAND, true) : -1;
}

describe.skipIf(!haveQemu())('the stub on a CPU leaves what perform leaves', () => {
  it.each(seeds)('topology %i', async (seed) => {
    await playTopology(seed, STATES, (round) => checkRound(round, seed));
  });

  it.runIf(COUNT >= ENOUGH && SEED === undefined)(
    'and there was something to compare',
    async ({ annotate }) => {
      await annotate(JSON.stringify(Object.fromEntries([...seen].sort())));
      const kinds = [
        'done',
        'virtual function done',
        'bridge done',
        'bridge liveBelow',
        'preserve',
        'asleep',
        'wouldGate',
        'off',
      ];
      expect(kinds.filter((kind) => !seen.has(kind))).toEqual([]);
    },
  );
});
