import { describe, expect, it } from 'vitest';
import { systemClock } from '../src/host/clock.js';
import { scan } from '../src/host/scan.js';
import { PHASE } from '../src/image/layout.js';
import { STATE } from '../src/image/stub/state.js';
import { compileTable } from '../src/image/table.js';
import { defaultPolicy } from '../src/quiesce/default-policy.js';
import { makePlan } from '../src/quiesce/plan.js';
import { BareMachine, type BareResult, CRASH, type StubAtWork } from './support/bare-machine.js';
import { configAccesses } from './support/config-trace.js';
import { driveAll, haveQemu, SERVER } from './support/machines.js';
import { bytesOf, different, putBack } from './support/stub-round.js';

/** In each of these the stub's own tables are in place. */
const WALK: readonly number[] = [PHASE.discover, PHASE.gate, PHASE.wait, PHASE.messages];
/** Some milliseconds an access: the walk takes a second or more. */
const SLOW_TICKS = 10_000_000n;
const POLL_MS = 10;
/** Gating takes a tenth of a second: a busy machine may not look in time, and then nothing was sent to the walk. */
const TRIES = 10;
const MACHINE_CHECK = 18;
/** Bank 9: valid, uncorrected, enabled, with address; the machine check is in progress. */
const MCE = 'mce 0 9 0xb400000000000000 0x4 0x1000 0';

const policy = { ...defaultPolicy(), between: { ...defaultPolicy().between, walkTimeoutMs: 60_000 } };

/** Stops the CPU now and then while the stub walks, and does `action` while it stands still. */
async function during({ qmp, byte }: StubAtWork, action: (phase: number) => Promise<boolean>): Promise<void> {
  for (;;) {
    await qmp.execute('stop');
    const phase = await byte(STATE.phase);
    const again = WALK.includes(phase) ? await action(phase) : phase === PHASE.start;
    await qmp.execute('cont');
    if (!again) return;
    await systemClock.sleep(POLL_MS);
  }
}

async function withServer(
  action: (
    run: (meanwhile?: (stub: StubAtWork) => Promise<void>) => Promise<BareResult & Left>,
  ) => Promise<void>,
): Promise<void> {
  const bare = await BareMachine.start(SERVER);
  try {
    await bare.connected(async (host) => {
      await driveAll(host);
      const machine = await scan(host);
      const before = await bytesOf(host);
      await action(async (meanwhile) => {
        const slowTicks = meanwhile ? SLOW_TICKS : 0n;
        const { bytes: table } = compileTable(policy, { machine, slowTicks, tool: 'test' });
        const run = await bare.run(host.client, {
          commandLine: CRASH,
          table,
          ...(meanwhile ? { meanwhile } : {}),
        });
        const after = await bytesOf(host);
        await putBack(host, before, after);
        return { ...run, after };
      });
      expect(different(before, await bytesOf(host))).toEqual([]);
    });
  } finally {
    await bare.stop();
  }
}

type Left = { readonly after: Awaited<ReturnType<typeof bytesOf>> };

describe.skipIf(!haveQemu())('the stub on a CPU, interrupted', () => {
  it('NMIs during the walk cost nothing but their mark', async () => {
    await withServer(async (run) => {
      const alone = await run();
      const phases = new Set<number>();
      let sent = 0;
      const interrupted = await run((stub) =>
        during(stub, async (phase) => {
          phases.add(phase);
          await stub.qmp.execute('inject-nmi');
          sent++;
          return true;
        }),
      );
      expect(sent).toBeGreaterThan(5);
      expect(phases).toContain(PHASE.discover);
      expect(interrupted.disturbed).toEqual([]);
      expect(different(alone.after, interrupted.after)).toEqual([]);
      expect(configAccesses(interrupted.trace)).toEqual(configAccesses(alone.trace));
      const { record } = interrupted;
      // One that comes while another is handled waits, and a third is lost.
      expect(record?.nmis).toBeGreaterThan(sent / 2);
      expect(record).toEqual({ ...alone.record, nmis: record?.nmis, time: record?.time });
      expect(alone.record).toMatchObject({ nmis: 0, end: 'complete' });
      expect(alone.record?.counts.gated).toBeGreaterThan(10);
    });
  });

  it('a machine check ends the walk, is told of, and the kernel runs', async () => {
    await withServer(async (run) => {
      const alone = await run();
      let answer: string | undefined;
      const hit = () =>
        run((stub) =>
          during(stub, async (phase) => {
            if (phase !== PHASE.gate) return true;
            answer = await stub.qmp.human(MCE);
            return false;
          }),
        );
      let walk = await hit();
      for (let tries = 1; answer === undefined && tries < TRIES; tries++) walk = await hit();
      const { disturbed, record, trace, after } = walk;
      expect(answer).toBe('');
      expect(disturbed).toEqual([]);
      expect(record).toMatchObject({ end: 'exception', vector: MACHINE_CHECK, phase: 'gate', jump: 'crash' });
      // As far as it came, it is what it would have been, and the record tells how far that was.
      const [some, all] = [configAccesses(trace), configAccesses(alone.trace)];
      expect(some.length).toBeLessThan(all.length);
      expect(some).toEqual(all.slice(0, some.length));
      expect(record?.counts.writes).toBe(some.filter(({ write }) => write).length);
      expect(different(alone.after, after).length).toBeGreaterThan(0);
    });
  });
});

describe.skipIf(!haveQemu())('the stub on a CPU, in a machine that has changed', () => {
  it('finds what was plugged in since the kernel was wrapped', async () => {
    const bare = await BareMachine.start({
      chipset: 'q35',
      devices: [
        { model: 'pcie-root-port', id: 'rp1' },
        { model: 'pcie-root-port', id: 'rp2' },
        { model: 'pcie-root-port', id: 'rp3' },
        { model: 'e1000e', bus: 'rp3' },
      ],
    });
    try {
      const machine = await bare.connected((host) => scan(host));
      const { bytes: table } = compileTable(policy, { machine, tool: 'test' });
      const { qmp } = bare.qemu;
      await qmp.execute('device_add', { driver: 'e1000e', bus: 'rp1', id: 'new', romfile: '' });
      // Nobody has given this one a bus: what hangs behind it cannot be reached, and is out of harm's way.
      await qmp.execute('device_add', { driver: 'pcie-pci-bridge', bus: 'rp2', id: 'bridge' });
      await bare.connected(async (host) => {
        expect((await host.slots()).length).toBe(machine.topology.nodes.size + 2);
        await driveAll(host);
        const now = await scan(host);
        const { record, disturbed } = await bare.run(host.client, { commandLine: CRASH, table });
        expect(disturbed).toEqual([]);
        expect(record).toMatchObject({ end: 'complete', counts: { functions: now.topology.nodes.size } });
        const gated = record?.entries.filter(({ outcome }) => outcome === 'done').map(({ slot }) => slot);
        const planned = makePlan(now, policy, { at: 'between' }).steps.flatMap((step) =>
          step.kind === 'write' && step.register === 'PCI_COMMAND' ? [step.slot] : [],
        );
        expect(gated?.sort()).toEqual([...planned].sort());
        expect(planned.length).toBeGreaterThan(1);
      });
    } finally {
      await bare.stop();
    }
  });
});
