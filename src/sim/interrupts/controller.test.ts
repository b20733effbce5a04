import { describe, expect, it } from 'vitest';
import type { SimFunction } from '../functions/function.js';
import { Controller } from './controller.js';
import { LocalApic } from './local-apic.js';
import { NobodyCared } from './nobody-cared.js';
import { Wires } from './wires.js';

const at = (line: number) => ({ description: { line } }) as unknown as SimFunction;

function controller(bootLine: number | null = null) {
  const wires = new Wires();
  const sent: number[] = [];
  const pins = new Controller({ wires, bootLine, send: (line) => sent.push(line) });
  const pull = (fn: SimFunction, on: boolean) => {
    wires.set(fn, on);
    pins.changed(fn.description.line ?? 0);
  };
  return { pins, pull, sent };
}

describe('a level pin', () => {
  it('sends once, and again only when the interrupt was ended and somebody still pulls', () => {
    const { pins, pull, sent } = controller();
    const [one, other] = [at(17), at(17)];
    pins.unmask(17);
    pull(one, true);
    pull(other, true);
    expect([sent, pins.unended()]).toEqual([[17], [17]]);
    pull(one, false);
    pins.end(17);
    expect(sent).toEqual([17, 17]);
    pull(other, false);
    pins.end(17);
    expect([sent, pins.unended()]).toEqual([[17, 17], []]);
  });

  it('is silent while masked, and sends when it is unmasked', () => {
    const { pins, pull, sent } = controller();
    pull(at(17), true);
    expect([pins.masked(17), sent]).toEqual([true, []]);
    pins.unmask(17);
    expect(sent).toEqual([17]);
  });

  it('keeps Remote IRR when it is masked, and then sends no more; clear_IO_APIC_pin ends that', () => {
    for (const [quiet, interrupts] of [
      ['maskAll', 1],
      ['clear', 2],
    ] as const) {
      const { pins, pull, sent } = controller();
      pins.unmask(17);
      pull(at(17), true);
      pins[quiet]();
      pins.unmask(17);
      expect([quiet, sent.length]).toEqual([quiet, interrupts]);
    }
  });
});

describe('boot interrupts', () => {
  it('come out on the boot line while their own pin is masked', () => {
    const { pins, pull, sent } = controller(9);
    const fn = at(20);
    pins.unmask(9);
    pull(fn, true);
    expect([sent, pins.pulled(9)]).toEqual([[9], [fn]]);
    pins.unmask(20);
    expect([sent, pins.pulled(9)]).toEqual([[9, 20], []]);
    pins.mask(20);
    pins.end(9);
    expect(sent).toEqual([9, 20, 9]);
  });

  it('come out as soon as the pin of a wire that is pulled is masked', () => {
    const { pins, pull, sent } = controller(9);
    for (const line of [9, 20]) pins.unmask(line);
    pull(at(20), true);
    expect(sent).toEqual([20]);
    pins.mask(20);
    expect(sent).toEqual([20, 9]);
  });

  it('do not where the chipset has none', () => {
    const { pins, pull, sent } = controller();
    pins.unmask(9);
    pull(at(20), true);
    expect(sent).toEqual([]);
  });
});

describe('the local APIC', () => {
  it('ends the latest in service, whichever that is', () => {
    const apic = new LocalApic();
    for (const line of [17, 18]) {
      apic.accept(line);
      apic.take(line);
    }
    apic.accept(19);
    expect([apic.end(), apic.end(), apic.end()]).toEqual([18, 17, null]);
    expect([...apic.pending]).toEqual([19]);
  });
});

describe('nobody cared', () => {
  it('gives a line up after more than 99,900 of 100,000 that no handler took', () => {
    for (const handled of [100, 99]) {
      const counts = new NobodyCared();
      expect(counts.note(18, handled, true)).toBe(false);
      expect(counts.note(18, 99_999 - handled, false)).toBe(false);
      expect(counts.note(18, 1, false)).toBe(handled === 99);
      expect(counts.disabled.has(18)).toBe(handled === 99);
    }
  });

  it('counts each 100,000 by themselves', () => {
    const counts = new NobodyCared();
    counts.note(18, 101, true);
    counts.note(18, 99_899, false);
    expect([counts.note(18, 99_999, false), counts.note(18, 1, false)]).toEqual([false, true]);
  });

  it('keeps it while one in a thousand is handled', () => {
    const counts = new NobodyCared();
    expect(counts.note(18, 101, true)).toBe(false);
    expect(counts.note(18, 99_899, false)).toBe(false);
    expect(counts.disabled.size).toBe(0);
  });
});
