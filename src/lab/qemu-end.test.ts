import { describe, expect, it } from 'vitest';
import { haveQemu } from '../../test/support/machines.js';
import { systemClock as clock } from '../host/clock.js';
import { QtestClient } from '../host/qtest-client.js';
import { startMachine } from './machine-start.js';
import { watchEnd } from './qemu-end.js';

const RESET_PORT = 0xcf9;
const RESET_SYSTEM = 0x6;

/** Why a machine ended that `end` has ended. */
async function endOf(end: (machine: Awaited<ReturnType<typeof startMachine>>) => Promise<unknown>) {
  const machine = await startMachine({ chipset: 'q35', devices: [], extra: ['-no-reboot'] });
  try {
    const reason = watchEnd(machine.qemu, clock);
    await end(machine).catch(() => {});
    return await reason();
  } finally {
    await machine.stop();
  }
}

describe.skipIf(!haveQemu())('the end of a QEMU', () => {
  it('is told by what is in the machine from what is done to it', async () => {
    const reset = await endOf(async ({ qtest }) => {
      const client = await QtestClient.connect(qtest, { clock });
      await client.out(RESET_PORT, 1, RESET_SYSTEM).finally(() => client.close());
    });
    expect(reset).toEqual({ byGuest: true, word: 'guest-reset' });
    const terminated = await endOf(async ({ qemu }) => process.kill(qemu.pid, 'SIGTERM'));
    expect(terminated).toEqual({ byGuest: false, word: 'host-signal' });
    expect(await endOf(({ qemu }) => qemu.qmp.execute('quit'))).toEqual({
      byGuest: false,
      word: 'host-qmp-quit',
    });
    const killed = await endOf(async ({ qemu }) => process.kill(qemu.pid, 'SIGKILL'));
    expect(killed).toEqual({ byGuest: false, word: 'status 137' });
  });
});
