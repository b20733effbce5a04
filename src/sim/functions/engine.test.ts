import { describe, expect, it } from 'vitest';
import { BELOW, functionAt, quietMachine } from '../../../test/support/quiet-machine.js';
import * as regs from '../../pci/regs.js';
import { type Device, type DevicePort, NEVER } from '../devices/device.js';
import { Random } from '../random.js';
import { Engine } from './engine.js';

/** A machine with one device that notes when it is called, and does what `next` says then. */
function machineWith(next: (port: DevicePort) => number) {
  const machine = quietMachine();
  const fn = functionAt(machine, BELOW);
  const calls: number[] = [];
  const device: Device = {
    busy: true,
    wedged: null,
    act: (port) => {
      calls.push(port.now);
      return next(port);
    },
    program: () => {},
    serve: () => {},
    stop: () => {},
  };
  fn.engine = new Engine(machine, fn, device, new Random(1));
  return { machine, fn, calls };
}

describe('a device', () => {
  it('is called when it wants to be, and not before somebody wakes it', () => {
    const { machine, fn, calls } = machineWith((port) => port.now + 10);
    const { now } = machine;
    machine.run(20);
    expect(calls).toEqual([]);
    fn.wake();
    machine.run(25);
    expect(calls.map((tick) => tick - now)).toEqual([20, 30, 40]);
  });

  it('is called once in a tick, however many have something for it, and then as it had wanted', () => {
    let wanted = 100;
    const { machine, fn, calls } = machineWith(() => wanted);
    const start = machine.now;
    wanted += start;
    for (let i = 0; i < 5; i++) {
      for (let j = 0; j < 5; j++) fn.serve();
      machine.run(10);
    }
    machine.run(100);
    expect(calls.slice(0, 6).map((tick) => tick - start)).toEqual([0, 10, 20, 30, 40, 100]);
  });

  it('is not called when it had wanted to be before it thought better of it', () => {
    const wishes = [100, 200, NEVER];
    const { machine, fn, calls } = machineWith(() => start + (wishes.shift() ?? 0));
    const start = machine.now;
    fn.wake();
    machine.run(10);
    fn.wake();
    machine.run(300);
    expect(calls.map((tick) => tick - start)).toEqual([0, 10, 200]);
  });

  it('is called at once when its bus mastering changes, before the write returns', () => {
    const { machine, fn, calls } = machineWith(() => NEVER);
    machine.configWrite(fn, regs.PCI_COMMAND, 2, 0, 'host');
    expect(calls).toEqual([machine.now]);
    machine.configWrite(fn, regs.PCI_COMMAND, 2, 0x0400, 'host');
    expect(calls).toHaveLength(1);
    machine.run(1);
    expect(calls).toHaveLength(2);
  });

  it('is never called from within itself', () => {
    let depth = 0;
    const { machine, fn, calls } = machineWith((port) => {
      depth++;
      expect(depth).toBe(1);
      if (calls.length === 1) machine.configWrite(fn, regs.PCI_COMMAND, 2, 0, 'host');
      depth--;
      return port.now + 1000;
    });
    fn.wake();
    machine.run(1);
    expect(calls).toHaveLength(2);
  });

  it('that is not there is not called', () => {
    const { machine, fn, calls } = machineWith((port) => port.now + 5);
    fn.vanish();
    fn.wake();
    machine.run(50);
    expect(calls).toEqual([]);
  });
});
