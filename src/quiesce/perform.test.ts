import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { machines } from '../../test/support/arbitrary.js';
import {
  impatientClock,
  ioError,
  type MemoryFunction,
  type MemoryHost,
  memoryHost,
  slotOf,
  testClock,
} from '../../test/support/memory-host.js';
import { scan } from '../host/scan.js';
import { ShootdownError } from '../pci/error.js';
import { functionResults, type Journal, type JournalSink, memorySink } from './journal.js';
import { type PerformOptions, perform } from './perform.js';
import { makePlan } from './plan.js';
import type { Plan } from './plan-data.js';
import { type Policy, parsePolicy } from './policy.js';
import { restore } from './restore.js';

const policyWith = (rules: object[], more: object = {}): Policy =>
  parsePolicy(
    JSON.stringify({
      schema: 'shootdown.policy/1',
      name: 'test',
      rules,
      otherwise: { action: 'gate', reason: 'everything' },
      ...more,
    }),
    'test',
  );
const GATE_ALL = policyWith([]);
const NIC: MemoryFunction = { classCode: 0x020000, command: 0x0006, interruptPin: 1 };
const FULL: MemoryFunction = {
  ...NIC,
  capabilities: [{ kind: 'msi', enable: true }, { kind: 'express' }, { kind: 'msix', enable: true }],
};

async function run(
  host: MemoryHost,
  policy = GATE_ALL,
  at: 'before' | 'between' = 'between',
  more: Partial<PerformOptions> = {},
): Promise<{ plan: Plan; journal: Journal; results: Record<string, string> }> {
  const machine = await scan(host);
  const plan = makePlan(machine, policy, { at });
  host.log.length = 0;
  const options = { machine, journal: memorySink, clock: testClock(), tool: 'test', started: '', ...more };
  const journal = await perform(host, plan, options);
  const results = Object.fromEntries(
    functionResults(journal).map((r) => [r.slot, `${r.verdict}/${r.outcome}`]),
  );
  return { plan, journal, results };
}

describe('perform', () => {
  it('reads before it writes, reads back after, and writes nothing else', async () => {
    const host = memoryHost({ '0000:00:02.0': FULL });
    const { results } = await run(host);
    expect(results).toEqual({ '0000:00:02.0': 'gated/done' });
    expect(
      host.log.map(({ kind, offset, value }) => `${kind} ${offset.toString(16)} ${value.toString(16)}`),
    ).toEqual([
      'read 4 6',
      'write 4 402',
      'read 4 100402',
      'read 56 0',
      'read 42 1',
      'write 42 0',
      'read 42 0',
      'read 8a 8000',
      'write 8a 4000',
      'read 8a 4000',
    ]);
  });

  it('calls a write that did not take ignored, leaves the function live and goes on', async () => {
    const host = memoryHost({ '0000:00:02.0': FULL, '0000:00:03.0': NIC });
    host.interfere.write = (slot) => slot !== '0000:00:02.0';
    const { results, journal } = await run(host);
    expect(results).toEqual({ '0000:00:02.0': 'live/ignored', '0000:00:03.0': 'gated/done' });
    expect(host.log.filter((a) => a.kind === 'write' && a.slot === '0000:00:02.0')).toHaveLength(1);
    expect(journal.records.find((r) => r.step === 0)?.detail).toContain('not controllable');
  });

  it('leaves MSI on where INTx-disable does not stick', async () => {
    const host = memoryHost({ '0000:00:02.0': { ...NIC, capabilities: [{ kind: 'msi', enable: true }] } });
    host.interfere.read = (_slot, offset, _width, value) => (offset === 4 ? value & ~0x400 : undefined);
    const { results } = await run(host);
    expect(results['0000:00:02.0']).toBe('gated/partial');
    expect(host.log.filter((a) => a.kind === 'write').map((a) => a.offset)).toEqual([4]);
  });

  it('calls a function live that still asserts INTx after it was gated', async () => {
    const host = memoryHost({ '0000:00:02.0': { ...NIC, status: 8 } });
    host.interfere.read = (_slot, offset, _width, value) => (offset === 4 ? value & ~0x400 : undefined);
    const { results } = await run(host);
    expect(results['0000:00:02.0']).toBe('live/interrupting');
  });

  it('records a function that turns to all ones and writes no more to it', async () => {
    const host = memoryHost({ '0000:00:02.0': FULL, '0000:00:03.0': NIC });
    host.interfere.read = (slot) => (slot === '0000:00:02.0' && host.log.length > 0 ? 0xffff : undefined);
    const { results } = await run(host);
    expect(results).toEqual({ '0000:00:02.0': 'unknown/vanished', '0000:00:03.0': 'gated/done' });
  });

  it('records an I/O error and goes on, or stops where the policy says so', async () => {
    const broken = () => {
      const host = memoryHost({ '0000:00:02.0': NIC, '0000:00:03.0': NIC });
      host.interfere.write = (slot) => {
        if (slot === '0000:00:02.0') throw ioError(slot);
        return true;
      };
      return host;
    };
    expect((await run(broken())).results).toEqual({
      '0000:00:02.0': 'live/error',
      '0000:00:03.0': 'gated/done',
    });
    const stopped = await run(broken(), policyWith([], { onFailure: 'stop' }));
    expect(stopped.journal.end).toBe('stopped');
    expect(stopped.results['0000:00:03.0']).toBe('live/skipped');
  });

  it('bounds the wait for pending transactions once for all functions', async () => {
    const slots = Object.fromEntries([0, 1, 2, 3].map((i) => [`0000:00:0${i}.0`, FULL]));
    const host = memoryHost(slots);
    host.interfere.read = (_slot, offset) => (offset === 0x56 ? 0x20 : undefined);
    const clock = testClock();
    const { results } = await run(host, GATE_ALL, 'between', { clock });
    expect(Object.values(results)).toEqual(Array(4).fill('gated/timeout'));
    expect(clock.now()).toBeLessThanOrEqual(260);
  });

  it('gates a bridge only once everything below it reads back as gated', async () => {
    const functions = {
      '0000:00:1c.0': { classCode: 0x060400, command: 0x0007, bridge: { secondary: 1 } },
      '0000:01:00.0': NIC,
    };
    expect((await run(memoryHost(functions))).results['0000:00:1c.0']).toBe('gated/done');
    const host = memoryHost(functions);
    host.interfere.write = (slot) => slot !== '0000:01:00.0';
    const { results } = await run(host);
    expect(results).toEqual({ '0000:00:1c.0': 'live/refused', '0000:01:00.0': 'live/ignored' });
    expect(host.log.some((a) => a.kind === 'write' && a.slot === '0000:00:1c.0')).toBe(false);
  });

  const RESET = policyWith([{ id: 'r', match: { driver: '*' }, action: 'reset', reason: 'test' }]);
  const BOUND: MemoryFunction = { ...NIC, facts: { driver: 'ena' } };

  it('unbinds, resets, gates, and calls that stopped', async () => {
    const host = memoryHost({ '0000:00:05.0': BOUND });
    const { results } = await run(host, RESET, 'before');
    expect(host.calls).toEqual(['unbind 0000:00:05.0 ena', 'reset 0000:00:05.0']);
    expect(results['0000:00:05.0']).toBe('stopped/done');
  });

  it('never gates under a driver that did not let go', async () => {
    for (const how of ['hangs', 'fails'] as const) {
      const host = memoryHost({ '0000:00:05.0': BOUND, '0000:00:06.0': NIC });
      const { actions } = host;
      if (!actions) throw new Error('no actions');
      actions.unbind = (slot) => (how === 'hangs' ? new Promise(() => {}) : Promise.reject(ioError(slot)));
      const { results, journal } = await run(host, RESET, 'before', { clock: impatientClock() });
      expect(results).toEqual({ '0000:00:05.0': 'live/refused', '0000:00:06.0': 'gated/done' });
      expect(journal.records[0]?.outcome).toBe(how === 'hangs' ? 'timeout' : 'error');
    }
  });

  it('gates a function all the same whose reset was refused', async () => {
    const host = memoryHost({ '0000:00:05.0': BOUND });
    const { actions } = host;
    if (!actions) throw new Error('no actions');
    actions.reset = (slot) => Promise.reject(new ShootdownError('refused', 'no FLR', { slot }));
    expect((await run(host, RESET, 'before')).results['0000:00:05.0']).toBe('stopped/done');
  });

  it('refuses a plan for another machine, and one that was tampered with', async () => {
    const host = memoryHost({ '0000:00:02.0': FULL, '0000:00:05.0': BOUND });
    const machine = await scan(host);
    const plan = makePlan(machine, GATE_ALL, { at: 'before' });
    const attempt = (changed: Plan) =>
      perform(host, changed, { machine, journal: memorySink, clock: testClock(), tool: '', started: '' });
    const [step] = plan.steps;
    if (step?.kind !== 'write') throw new Error('expected a write');
    const first = (changed: object) => ({ ...plan, steps: [{ ...step, ...changed } as typeof step] });
    await expect(attempt({ ...plan, fingerprint: 'sha256:0' })).rejects.toMatchObject({ code: 'stale' });
    await expect(attempt(first({ offset: 0x10 }))).rejects.toMatchObject({ code: 'refused' });
    await expect(attempt(first({ mask: 0xffff }))).rejects.toMatchObject({ code: 'refused' });
    await expect(attempt(first({ value: 4 }))).rejects.toMatchObject({ code: 'refused' });
    await expect(attempt(first({ slot: slotOf('05:00.0') }))).rejects.toMatchObject({ code: 'refused' });
    await expect(attempt(first({ slot: slotOf('00:05.0') }))).rejects.toThrow('ena is bound to it');
    expect(host.log.some((a) => a.kind === 'write')).toBe(false);
  });

  it('refuses an edited plan that would close a bridge above a live function, or reset under a driver', async () => {
    const host = memoryHost({
      '0000:00:1c.0': { classCode: 0x060400, command: 0x0407, bridge: { secondary: 1 } },
      '0000:01:00.0': FULL,
      '0000:00:05.0': BOUND,
    });
    const machine = await scan(host);
    const attempt = (steps: Plan['steps'], plan: Plan) =>
      perform(
        host,
        { ...plan, steps: steps.map((step, id) => ({ ...step, id })) },
        {
          machine,
          journal: memorySink,
          clock: testClock(),
          tool: '',
          started: '',
        },
      );
    const gate = makePlan(machine, GATE_ALL, { at: 'before' });
    const bridge = gate.steps.filter(({ slot }) => slot === '0000:00:1c.0');
    const others = gate.steps.filter(({ slot }) => slot !== '0000:00:1c.0');
    const bare = bridge.map((step) => ({ ...step, below: [] }));
    await expect(attempt([...bridge, ...others], gate)).rejects.toThrow('would stay live');
    await expect(attempt([...others, ...bare], gate)).rejects.toThrow('what is below it');
    const messages = others.filter((step) => step.kind === 'write' && step.register !== 'PCI_COMMAND');
    await expect(attempt([...messages, ...bridge], gate)).rejects.toThrow('would stay live');
    const reset = makePlan(machine, RESET, { at: 'before' });
    await expect(
      attempt(
        reset.steps.filter(({ kind }) => kind === 'reset'),
        reset,
      ),
    ).rejects.toThrow('a driver is bound');
    expect(host.log.some((access) => access.kind === 'write')).toBe(false);
  });

  it('gates nothing between the kernels while one of them runs', async () => {
    const host = memoryHost({ '0000:00:02.0': NIC }, { liveKernel: true });
    await expect(run(host, GATE_ALL, 'between')).rejects.toMatchObject({ code: 'refused' });
  });

  it('stops after the step at hand when asked to', async () => {
    const host = memoryHost({ '0000:00:02.0': NIC, '0000:00:03.0': NIC });
    const stop = new AbortController();
    host.interfere.write = () => {
      stop.abort();
      return true;
    };
    const { journal, results } = await run(host, GATE_ALL, 'between', { signal: stop.signal });
    expect(journal.end).toBe('interrupted');
    expect(results).toEqual({ '0000:00:02.0': 'gated/done', '0000:00:03.0': 'live/skipped' });
  });

  it('writes nothing if the journal cannot begin, and no more once it cannot go on', async () => {
    const full = new ShootdownError('journal', 'the disk is full');
    const failing = (when: 'begin' | 'record'): JournalSink => ({
      ...memorySink,
      [when]: () => {
        throw full;
      },
    });
    const host = memoryHost({ '0000:00:02.0': NIC, '0000:00:03.0': NIC });
    await expect(run(host, GATE_ALL, 'between', { journal: failing('begin') })).rejects.toBe(full);
    expect(host.log.filter((a) => a.kind === 'write')).toHaveLength(0);
    await expect(run(host, GATE_ALL, 'between', { journal: failing('record') })).rejects.toMatchObject({
      code: 'incomplete',
      cause: full,
    });
    expect(host.log.filter((a) => a.kind === 'write')).toHaveLength(1);
  });
});

describe('perform, then restore', () => {
  const roundTrip = async (host: MemoryHost, cutAfter: number, keepRecords: boolean) => {
    const before = host.bytes();
    const machine = await scan(host);
    const plan = makePlan(machine, GATE_ALL, { at: 'between' });
    let journal: Journal | undefined;
    const records: Journal['records'][number][] = [];
    const killed = new Error('killed');
    const sink: JournalSink = {
      ...memorySink,
      begin: (header) => {
        journal = { header, records };
      },
      record: (record) => {
        if (keepRecords) records.push(record);
      },
    };
    let writes = 0;
    host.interfere.write = () => {
      if (writes++ >= cutAfter) throw killed;
      return true;
    };
    await perform(host, plan, { machine, journal: sink, clock: testClock(), tool: '', started: '' }).catch(
      (error) => {
        if (error !== killed) throw error;
      },
    );
    host.interfere = {};
    if (!journal) throw new Error('no journal');
    const entries = await restore(host, journal, { machine: await scan(host), clock: testClock() });
    expect(host.bytes()).toEqual(before);
    expect(entries.every(({ outcome }) => outcome === 'restored' || outcome === 'already')).toBe(true);
    const again = await restore(host, journal, { machine: await scan(host), clock: testClock() });
    expect(again.every(({ outcome }) => outcome === 'already')).toBe(true);
  };

  it('comes back to the same bytes, wherever the run was cut and whatever of the journal is left', async () => {
    await fc.assert(
      fc.asyncProperty(machines, fc.nat(40), fc.boolean(), async (functions, cut, keep) => {
        const undriven = Object.entries(functions).map(([slot, fn]) => [
          slot,
          { ...fn, facts: { driver: null } },
        ]);
        await roundTrip(memoryHost(Object.fromEntries(undriven)), cut, keep);
      }),
      { numRuns: 300 },
    );
  });

  it('refuses a register that something else wrote since, unless forced', async () => {
    const host = memoryHost({ '0000:00:02.0': NIC });
    const { journal } = await run(host);
    await host.write(slotOf('00:02.0'), 4, 2, 0x0002);
    const machine = await scan(host);
    const [entry] = await restore(host, journal, { machine, clock: testClock() });
    expect(entry).toMatchObject({ outcome: 'refused', found: 0x0002 });
    const [forced] = await restore(host, journal, { machine, clock: testClock(), force: true });
    expect(forced).toMatchObject({ outcome: 'restored', after: 0x0006 });
  });

  it('refuses in the next kernel, and under a driver that was bound since', async () => {
    const msi: MemoryFunction = { ...NIC, capabilities: [{ kind: 'msi', enable: true }] };
    const facts = { bootId: 'one' };
    const host = memoryHost({ '0000:00:02.0': msi }, facts);
    const { journal } = await run(host);
    const later = async (machineFacts: object, driver: string | null) => {
      const machine = await scan(host);
      const slot = slotOf('00:02.0');
      const seen = { ...machine, facts: new Map([[slot, { driver }]]), machineFacts };
      host.log.length = 0;
      return restore(host, journal, { machine: seen, clock: testClock(), force: true });
    };
    await expect(later({ bootId: 'two' }, null)).rejects.toMatchObject({ code: 'refused' });
    const entries = await later(facts, 'e1000e');
    expect(entries.map(({ outcome }) => outcome)).toEqual(['refused', 'refused']);
    expect(host.log.some((access) => access.kind === 'write')).toBe(false);
    expect((await later(facts, null)).map(({ outcome }) => outcome)).toEqual(['restored', 'restored']);
  });

  it('is not held up by a function that went to sleep since', async () => {
    const functions = {
      '0000:00:02.0': NIC,
      '0000:00:03.0': { ...NIC, command: 0, facts: { driver: null, powerState: 'D0' as const } },
    };
    const host = memoryHost(functions, { bootId: 'one' });
    const { journal } = await run(host);
    host.interfere.read = (slot) => (slot === '0000:00:03.0' ? 0xffffffff : undefined);
    const [entry] = await restore(host, journal, { machine: await scan(host), clock: testClock() });
    expect(entry?.outcome).toBe('restored');
  });

  it('binds the driver again instead of restoring BME by hand', async () => {
    const host = memoryHost({ '0000:00:05.0': { ...NIC, facts: { driver: 'ena' } } });
    const policy = policyWith([{ id: 'r', match: { driver: '*' }, action: 'reset', reason: 'test' }]);
    const { journal } = await run(host, policy, 'before');
    host.log.length = 0;
    const entries = await restore(host, journal, { machine: await scan(host), clock: testClock() });
    expect(entries.map(({ outcome }) => outcome)).toEqual(['left', 'rebound']);
    expect(host.calls.at(-1)).toBe('bind 0000:00:05.0 ena');
    expect(host.log.some((a) => a.kind === 'write')).toBe(false);
  });
});
