import { expect, it } from 'vitest';
import * as regs from '../../pci/regs.js';
import type { Slot } from '../../pci/slot.js';
import { defaultPolicy } from '../../quiesce/default-policy.js';
import type { Policy } from '../../quiesce/policy.js';
import { createMachine, type FunctionDescription } from '../index.js';
import { type PlayOptions, playJump } from '../policies/play.js';
import type { StubRunner } from '../policies/policy.js';

const CARD = '0000:00:03.0' as Slot;
const NIC: FunctionDescription = {
  ...{ slot: CARD, vendor: 0x8086, device: 0x100e, classCode: 0x020000, workload: 'nic' },
  driver: { name: 'e1000', shutdown: true },
};
const kept = (action: 'exempt' | 'preserve'): Policy => ({
  ...defaultPolicy(),
  rules: [{ id: 'keep', match: { slot: CARD }, action, reason: 'netconsole needs it' }],
});

const play = (card: FunctionDescription, options: PlayOptions) =>
  playJump(createMachine({ name: 'one card', captureDrivers: [], functions: [card] }), 'ours', {
    reboot: false,
    ...options,
  });

/** Does nothing for so long, and says so. */
const idle =
  (end: string, ms: number): StubRunner =>
  async ({ clock }) => {
    await clock.sleep(ms);
    return { place: 'between', end, functions: [] };
  };

it('a function is left alone for a reason where a rule was added for it, and not else', async () => {
  const stub = idle('complete', 1);
  for (const action of ['exempt', 'preserve'] as const) {
    expect((await play(NIC, { path: 'crash', policy: kept(action) })).untrue).toEqual([]);
    expect((await play(NIC, { path: 'crash', policy: kept(action), stub })).untrue).toEqual([]);
  }
  expect((await play(NIC, { path: 'crash', stub })).untrue).toEqual([
    `between: ${CARD} is left with BME set, not mentioned, and there is no reason for it`,
  ]);
});

it('a function that the running system needs is left alone before the jump', async () => {
  const disk: FunctionDescription = {
    ...{ slot: CARD, vendor: 0x144d, device: 0xa80a, classCode: 0x010802, workload: 'nvme' },
    ...{ leftBy: 'firmware', holds: ['root'] },
  };
  const { records, untrue } = await play(disk, { path: 'normal' });
  expect(records.map(({ place, functions }) => [place, functions[0]?.verdict])).toEqual([
    ['before', 'live'],
    ['between', 'gated'],
  ]);
  expect(untrue).toEqual([]);
});

it('the time is over only once it has passed', async () => {
  const timeOver = async (ms: number, end = 'time') => {
    const { records } = await play(NIC, { path: 'crash', stub: idle(end, ms) });
    return records.map((record) => record.timeOver);
  };
  const { walkTimeoutMs } = defaultPolicy().between;
  expect(await timeOver(walkTimeoutMs - 1)).toEqual([false]);
  expect(await timeOver(walkTimeoutMs)).toEqual([true]);
  expect(await timeOver(walkTimeoutMs, 'complete')).toEqual([false]);
});

it('that its messages are off is said only by a record that is complete', async () => {
  const card: FunctionDescription = { ...NIC, messages: 'msi' };
  const untrue = async (end: string) => {
    const gateOnly: StubRunner = async ({ host }) => {
      const command = await host.read(CARD, regs.PCI_COMMAND, 2);
      const gated = (command & ~regs.PCI_COMMAND_MASTER) | regs.PCI_COMMAND_INTX_DISABLE;
      await host.write(CARD, regs.PCI_COMMAND, 2, gated);
      const functions = [{ slot: CARD, verdict: 'gated', outcome: 'done', reason: '' }] as const;
      return { place: 'between', end, functions };
    };
    return (await play(card, { path: 'crash', stub: gateOnly })).untrue;
  };
  expect(await untrue('time')).toEqual([]);
  expect(await untrue('complete')).toEqual([`between: ${CARD} is said to be gated, and its MSI is on`]);
});
