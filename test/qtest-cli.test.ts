import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { scan } from '../src/host/scan.js';
import { type StartedMachine, startMachine } from '../src/lab/machine-start.js';
import type { Slot } from '../src/pci/slot.js';
import { descendants } from '../src/pci/topology.js';
import type { Plan, WriteStep } from '../src/quiesce/plan-data.js';
import { isBridge } from '../src/quiesce/verdict.js';
import { shootdown } from './support/cli.js';
import { configWrites, connected, driveAll, haveQemu, SERVER, snapshot } from './support/machines.js';

const GATE_ALL = {
  schema: 'shootdown.policy/1',
  name: 'gate-all',
  description: 'Gates every function, bridges included.',
  rules: [],
  otherwise: { action: 'gate', reason: 'everything goes' },
  bounds: { pendingTimeoutMs: 100, stepTimeoutMs: 1000 },
  onFailure: 'continue',
};

describe.skipIf(!haveQemu())('the commands on device models', () => {
  let folder: string;
  let machine: StartedMachine;
  let host: string;
  let runs = 0;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'shootdown-qtest-cli-'));
    machine = await startMachine(SERVER);
    host = `qtest:${machine.qtest}`;
    writeFileSync(join(folder, 'gate-all.json'), JSON.stringify(GATE_ALL));
  });
  afterAll(async () => {
    await machine?.stop();
    rmSync(folder, { recursive: true });
  });
  /** What was written to configuration space since the last time. */
  let seen = 0;
  const writesSince = () => {
    const all = configWrites(machine.trace());
    const fresh = all.slice(seen);
    seen = all.length;
    return fresh;
  };
  afterEach(() => {
    runs++;
  });

  for (const policy of ['default', 'gate-all']) {
    it(`writes what was planned and takes it back: policy ${policy}`, async () => {
      await connected(machine, driveAll);
      const before = await connected(machine, snapshot);
      const topology = (await connected(machine, (open) => scan(open))).topology;
      writesSince();
      const options = [
        '--host',
        host,
        ...(policy === 'default' ? [] : ['--policy', join(folder, `${policy}.json`)]),
      ];
      const journal = join(folder, `journal-${runs}`);

      expect(shootdown(['audit', ...options]).status).toBe(2);
      const planned = shootdown(['plan', '--json', ...options]);
      expect(planned.status).toBe(2);
      expect(writesSince()).toEqual([]);

      const plan = JSON.parse(planned.stdout) as Plan;
      const applied = shootdown(['apply', '--journal', journal, ...options]);
      expect(applied, applied.stdout).toMatchObject({ status: 0 });
      // The trace of QEMU is the witness: these writes, in this order, and no others.
      const witnessed = writesSince();
      expect(witnessed).toEqual(writesOf(plan));
      expect(witnessed.length).toBeGreaterThan(20);
      const gated = witnessed.filter(({ offset }) => offset === 4).map(({ slot }) => slot);
      for (const [at, slot] of gated.entries()) {
        const below = [...descendants(topology, slot)];
        expect(
          gated.slice(at + 1).filter((later) => below.includes(later)),
          slot,
        ).toEqual([]);
      }
      const bridges = gated.filter((slot) => {
        const node = topology.nodes.get(slot);
        return node !== undefined && isBridge(node.function);
      });
      expect(bridges.length > 0).toBe(policy === 'gate-all');

      // Once more: there is nothing left to do.
      expect(shootdown(['apply', ...options, '--journal', `${journal}-again`]).stdout).toMatch(
        /Nothing to stop/,
      );
      expect(writesSince()).toEqual([]);

      const restored = shootdown(['restore', '--host', host, journal]);
      expect(restored, restored.stdout + restored.stderr).toMatchObject({ status: 0 });
      // Back root to leaf: a function that masters again finds every bridge above it open.
      const reopened = writesSince();
      expect(reopened).toHaveLength(witnessed.length);
      const masters = reopened.filter(({ offset }) => offset === 4).map(({ slot }) => slot);
      expect(
        masters.filter((slot, at) => intersects(masters.slice(0, at), descendants(topology, slot))),
      ).toEqual([]);
      expect(await connected(machine, snapshot)).toEqual(before);
    });
  }
});

const intersects = (slots: readonly Slot[], others: Iterable<Slot>) =>
  [...others].some((slot) => slots.includes(slot));

/** The registers that a plan writes when nothing has changed since. */
function writesOf(plan: Plan) {
  const writes = plan.steps.filter((step): step is WriteStep => step.kind === 'write');
  return writes.map(({ slot, offset, before, mask, value }) => ({
    slot,
    offset,
    value: (before & ~mask) | value,
  }));
}
