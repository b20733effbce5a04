import { describe, expect, it } from 'vitest';
import {
  ALONE,
  BELOW,
  DOWN,
  eventsOf,
  freePages,
  functionAt,
  OLD,
  OLD_TOO,
  OTHER,
  PCI_BRIDGE,
  PORT,
  quietMachine,
  UP,
} from '../../../test/support/quiet-machine.js';
import * as regs from '../../pci/regs.js';
import type { Slot } from '../../pci/slot.js';
import type { FunctionDescription } from '../description.js';
import * as hw from '../functions/regs.js';
import { Hang } from '../hang.js';
import type { SimMachine } from '../machine.js';
import type { PlatformRules } from '../platform.js';
import { LOG_TICKS } from './errors.js';

type Reaction = PlatformRules['uncorrectableError'];

/** A function sends a write that a bridge above it does not forward. */
function refused(
  machine: SimMachine,
  { from = BELOW, gate = PORT }: { readonly from?: Slot; readonly gate?: Slot } = {},
) {
  const events = eventsOf(machine, 'error', 'hung');
  const at = functionAt(machine, gate);
  machine.configWrite(at, regs.PCI_COMMAND, 2, at.command & ~regs.PCI_COMMAND_MASTER, 'host');
  machine.bus.write(functionAt(machine, from), freePages(machine, 1)[0] ?? 0, 64);
  return events;
}

const platform = (uncorrectableError: Reaction, change?: (of: FunctionDescription) => FunctionDescription) =>
  quietMachine({ rules: { uncorrectableError } }, change);

describe('a refused request', () => {
  it.each([DOWN, UP, PORT])('is kept by %s in Device Status and AER, where a one clears it', (gate) => {
    const machine = platform('nothing');
    const fn = functionAt(machine, gate);
    const [express, aer] = [fn.layout.express ?? 0, fn.layout.aer ?? 0];
    const registers = () => [
      fn.space.read(express + regs.PCI_EXP_DEVSTA, 2) & 0xf,
      fn.space.read(aer + regs.PCI_ERR_UNCOR_STATUS, 4),
    ];
    expect(registers()).toEqual([0, 0]);
    const events = refused(machine, { gate });
    expect(registers()).toEqual([0xa, 0x10_0000]);
    expect(events).toMatchObject([
      { slot: gate, cause: BELOW, what: 'unsupported-request', reaction: 'nothing' },
    ]);
    machine.configWrite(fn, express + regs.PCI_EXP_DEVSTA, 2, 0xf, 'host');
    machine.configWrite(fn, aer + regs.PCI_ERR_UNCOR_STATUS, 4, 0x10_0000, 'host');
    expect(registers()).toEqual([0, 0]);
  });

  it.each([
    ['today', 'nothing'],
    ['2006', 'nmi'],
  ] as const)('of a read, on a machine of %s, makes the platform do %s', (era, reaction) => {
    const machine = quietMachine({ era, rules: { uncorrectableError: 'nmi' } });
    const events = eventsOf(machine, 'error');
    machine.configWrite(functionAt(machine, PORT), regs.PCI_COMMAND, 2, 0, 'host');
    machine.bus.read(functionAt(machine, BELOW), 0x1000);
    expect(events).toMatchObject([{ slot: PORT, cause: BELOW, reaction }]);
  });

  it('is a read as well, which a port answers in the same way', () => {
    const machine = platform('nothing');
    const events = eventsOf(machine, 'error');
    machine.configWrite(functionAt(machine, UP), regs.PCI_COMMAND, 2, 0, 'host');
    machine.bus.read(functionAt(machine, BELOW), 0x1000);
    machine.bus.message(functionAt(machine, BELOW), 1);
    expect(events).toMatchObject([
      { slot: UP, cause: BELOW, what: 'unsupported-request' },
      { slot: UP, cause: BELOW, what: 'unsupported-request' },
    ]);
  });

  it('costs the kernel time where it is logged', () => {
    const machine = platform('logged');
    const burdens: unknown[] = [];
    const { kernel } = machine;
    if (!kernel) throw new Error('no kernel');
    kernel.burden = (...what: unknown[]) => burdens.push(what);
    expect(refused(machine, { gate: UP })).toMatchObject([{ kind: 'error', reaction: 'logged' }]);
    expect(burdens).toEqual([[LOG_TICKS, 'errors', [UP, BELOW]]]);
    // A root port that may not master the bus cannot interrupt anybody either.
    expect(refused(platform('logged'))).toMatchObject([{ kind: 'error', reaction: 'nothing' }]);
    machine.kernel = null;
    refused(machine, { gate: UP });
    expect(machine.cpu.stuck).toBeNull();
  });

  it.each(['nmi', 'hang'] as const)('stops the machine where firmware answers with %s', (reaction) => {
    const machine = platform(reaction);
    const events = refused(machine);
    expect(events.map(({ kind }) => kind)).toEqual(['error', 'hung']);
    const { now } = machine;
    for (let i = 0; i < 3; i++) expect(() => machine.run(100)).toThrow(Hang);
    expect(machine.now).toBe(now);
    expect(machine.cpu.stuck).toMatchObject({ slots: [PORT, BELOW] });
    expect(machine.cpu.stuck?.on).toMatch(reaction === 'nmi' ? /NMI/ : /firmware/);
    expect(events).toHaveLength(2);
    expect(() => machine.cpu.check()).toThrow(Hang);
  });

  it('stops a run at the tick at which it happens', () => {
    const machine = platform('nmi');
    const { now } = machine;
    machine.configWrite(functionAt(machine, PORT), regs.PCI_COMMAND, 2, 0, 'host');
    const later: number[] = [];
    machine.schedule.at(now + 50, () => machine.bus.message(functionAt(machine, BELOW), 1));
    machine.schedule.at(now + 50, () => later.push(machine.now));
    expect(() => machine.run(200)).toThrow(Hang);
    expect([machine.now, later]).toEqual([now + 50, []]);
  });

  it('does not harm code that has a handler for NMIs, unless firmware stops the machine', () => {
    const survives = platform('nmi');
    survives.cpu.onNmi = 'ignored';
    expect(refused(survives)).toMatchObject([{ kind: 'error', reaction: 'nmi' }]);
    survives.run(100);
    const stops = platform('hang');
    stops.cpu.onNmi = 'ignored';
    refused(stops);
    expect(() => stops.run(1)).toThrow(Hang);
  });

  it('goes unreported where the port does not report it, AER masks it, or Device Control keeps it back', () => {
    const silent = platform('nmi', (of) => (of.slot === PORT ? { ...of, errorReporting: false } : of));
    expect(refused(silent)).toMatchObject([{ kind: 'error', reaction: 'nothing' }]);
    const masked = platform('nmi');
    const port = functionAt(masked, PORT);
    masked.configWrite(port, (port.layout.aer ?? 0) + regs.PCI_ERR_UNCOR_MASK, 4, 0x10_0000, 'host');
    expect(refused(masked)).toMatchObject([{ kind: 'error', reaction: 'nothing' }]);
    const kept = platform('nmi');
    const at = functionAt(kept, PORT);
    kept.configWrite(at, (at.layout.express ?? 0) + regs.PCI_EXP_DEVCTL, 2, 0x2010, 'host');
    expect(refused(kept)).toMatchObject([{ kind: 'error', reaction: 'nothing' }]);
    for (const machine of [silent, masked, kept]) machine.run(10);
  });

  it('is a message only with URRE and NFERE of Device Control, any other error with NFERE alone', () => {
    const machine = platform('logged');
    const up = functionAt(machine, UP);
    machine.configWrite(up, (up.layout.express ?? 0) + regs.PCI_EXP_DEVCTL, 2, 0x0002, 'host');
    const events = refused(machine, { gate: UP });
    machine.errors.report(up, up, 'poisoned');
    expect(events).toMatchObject([{ reaction: 'nothing' }, { reaction: 'logged' }]);
  });

  it('is a message with SERR# Enable in Command as well, whatever Device Control says', () => {
    const machine = platform('logged');
    const up = functionAt(machine, UP);
    machine.configWrite(up, (up.layout.express ?? 0) + regs.PCI_EXP_DEVCTL, 2, 0, 'host');
    const events = refused(machine, { gate: UP });
    machine.configWrite(up, regs.PCI_COMMAND, 2, up.command | hw.PCI_COMMAND_SERR, 'host');
    machine.bus.write(functionAt(machine, BELOW), freePages(machine, 1)[0] ?? 0, 64);
    expect(events).toMatchObject([{ reaction: 'nothing' }, { reaction: 'logged' }]);
  });

  it('is no message on a conventional bus unless somebody says so, nor where there is no root port', () => {
    const machine = platform('nmi');
    expect(refused(machine, { from: OLD, gate: PCI_BRIDGE })).toMatchObject([{ reaction: 'nothing' }]);
    machine.errors.report(functionAt(machine, ALONE), functionAt(machine, ALONE), 'poisoned');
    machine.run(10);
    // The endpoint becomes a bridge to a conventional bus, with a conventional one below it.
    for (const [errorReporting, reaction] of [
      [undefined, 'nothing'],
      [true, 'nmi'],
    ] as const) {
      const told = errorReporting === undefined ? {} : { errorReporting };
      const bridge = { vendor: 0x10b5, device: 0x8114, classCode: 0x060400, busMaster: true, ...told };
      for (const gate of [OTHER, '0000:06:00.0' as Slot]) {
        const deep = platform('nmi', (of) => {
          if (of.slot === OTHER)
            return { ...bridge, slot: OTHER, express: 'pcie-to-pci-bridge', secondary: 6 };
          if (of.slot === OLD) return { ...bridge, slot: '06:00.0', secondary: 7 };
          return of.slot === OLD_TOO ? { ...of, slot: '07:00.0' } : of;
        });
        expect(refused(deep, { from: '0000:07:00.0' as Slot, gate })[0]).toMatchObject({ reaction });
      }
    }
  });

  it('is the fault of a bridge alone: a function that may not send signals nothing', () => {
    const machine = platform('nmi');
    expect(refused(machine, { gate: BELOW })).toEqual([]);
    machine.run(10);
  });
});

describe('completions, and interrupts by wire', () => {
  it('pass bridges that may not master the bus', () => {
    const machine = platform('nmi');
    const fn = functionAt(machine, BELOW);
    machine.bus.read(fn, 0x1000);
    for (const slot of [DOWN, UP, PORT])
      machine.configWrite(functionAt(machine, slot), regs.PCI_COMMAND, 2, 0, 'host');
    fn.setCause(true);
    machine.run(10);
    expect([fn.outstanding, fn.assertsIntx]).toEqual([0, true]);
  });
});
