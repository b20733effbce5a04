import { describe, expect, it } from 'vitest';
import {
  ALONE,
  BELOW,
  DOWN,
  freePages,
  functionAt,
  quietMachine,
} from '../../../test/support/quiet-machine.js';
import * as regs from '../../pci/regs.js';
import type { FunctionDescription } from '../description.js';
import { pageOf } from '../memory/memory.js';
import { type Evidence, judge } from './judge.js';
import { JumpWatch } from './watch.js';

const HUNG = { on: 'a timer', slots: [], cause: 'timer' } as const;

/** A jump that a kernel came out of, in which nothing happened but what a test does. */
function jumped(of: Partial<FunctionDescription> = {}) {
  const machine = quietMachine({}, (fn) => (fn.slot === BELOW ? { ...fn, workload: 'nic', ...of } : fn));
  const watch = new JumpWatch({
    functions: machine.functions,
    regionOf: () => null,
    originOf: (page) => page,
    holderOf: () => BELOW,
  });
  machine.observe(watch.observer);
  watch.jumped();
  watch.booted();
  const fn = functionAt(machine, BELOW);
  const evidence: Evidence = {
    ...{ machine, watch, path: 'crash', image: null, dump: null, reached: 'running', stuckOn: null },
    ...{ expected: [fn], interruptsUnclaimed: 0 },
    ...{ jumpTick: machine.now, runningTick: machine.now, startTick: machine.now },
  };
  return { machine, watch, fn, result: (other: Partial<Evidence> = {}) => judge({ ...evidence, ...other }) };
}

describe('memory of the next kernel', () => {
  it('is corrupted, too, where one function wrote into the buffer of another', () => {
    const { machine, result } = jumped();
    const [address = 0] = freePages(machine, 1);
    machine.memory.own(pageOf(address), 'next-dma-buffer');
    expect(result({ expected: [] }).corrupted).toEqual([]);
    machine.bus.write(functionAt(machine, ALONE), address, 64);
    machine.run(5);
    expect(result({ expected: [] })).toMatchObject({
      ...{ verdict: 'corrupted', corrupted: [{ address, region: 'kernel-memory', writers: [ALONE] }] },
    });
  });
});

describe('a device with a driver', () => {
  it('that no interrupt came of is lost, but not to a kernel that hung and may have had no time for one', () => {
    const { watch, result } = jumped();
    watch.bound.set(BELOW, null);
    expect(result().lost).toMatchObject([{ slot: BELOW, cause: 'never-served' }]);
    expect(result({ stuckOn: HUNG }).lost).toEqual([]);
    expect(result({ runningTick: null }).lost).toEqual([]);
    watch.bound.set(BELOW, { cause: 'wedged', why: 'it is wedged' });
    expect(result({ stuckOn: HUNG }).lost).toMatchObject([{ slot: BELOW, cause: 'wedged' }]);
  });

  it('is not lost to the jump if it, or a bridge above it, fell off the bus', () => {
    for (const gone of [BELOW, DOWN]) {
      const { machine, result } = jumped();
      expect(result().lost).toMatchObject([{ slot: BELOW, cause: 'not-tried' }]);
      functionAt(machine, gone).vanish();
      expect(result().lost).toEqual([]);
    }
  });

  it('is lost with its line that was given up, unless it interrupts by message', () => {
    const { machine, watch, fn, result } = jumped();
    watch.bound.set(BELOW, null);
    watch.served.add(BELOW);
    machine.interrupts.nobodyCared.disabled.add(17);
    expect(result().lost).toMatchObject([{ slot: BELOW, cause: 'line-given-up' }]);
    fn.write((fn.layout.msi ?? 0) + regs.PCI_MSI_FLAGS, 2, regs.PCI_MSI_FLAGS_ENABLE);
    expect(result().lost).toEqual([]);
  });
});

describe('wanted DMA that nothing came of', () => {
  it('is lost, but not where the kernel hung, nor what fell off the bus', () => {
    const { machine, fn, result } = jumped({ wanted: true });
    const [none, late] = [{ expected: [] }, machine.now + 1];
    expect(result(none).wantedLost).toEqual([{ slot: BELOW, by: BELOW, count: 0 }]);
    expect(result({ ...none, stuckOn: HUNG }).wantedLost).toEqual([]);
    expect(result({ ...none, runningTick: null }).wantedLost).toEqual([]);
    machine.run(3000);
    expect(result({ ...none, runningTick: late }).wantedLost).toEqual([]);
    expect(result({ ...none, runningTick: machine.now + 1 }).wantedLost).toHaveLength(1);
    fn.vanish();
    expect(result({ ...none, runningTick: machine.now + 1 }).wantedLost).toEqual([]);
  });
});
