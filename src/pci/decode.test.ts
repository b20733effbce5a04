import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type CapabilityDescription,
  type ExtendedDescription,
  encodeFunction,
  type FunctionDescription,
} from '../../test/support/encode.js';
import { ConfigImage, type ConfigRange } from './config-image.js';
import { decodeFunction, decodeSteps } from './decode.js';
import type { PciFunction } from './function.js';
import { formatSlot } from './slot.js';

const SLOT = formatSlot({ domain: 0, bus: 1, device: 0, function: 0 });
const decode = (bytes: Uint8Array) => decodeFunction(SLOT, ConfigImage.of(bytes));
const encoded = (description: FunctionDescription) => decode(encodeFunction(description));

const word = fc.integer({ min: 0, max: 0xffff });
const byte = fc.integer({ min: 0, max: 0xff });
const flag = fc.boolean();
const capability: fc.Arbitrary<CapabilityDescription> = fc.oneof(
  fc.record({ kind: fc.constant('pm' as const), state: fc.constantFrom(0, 1, 2, 3) }),
  fc.record({
    kind: fc.constant('msi' as const),
    enable: flag,
    is64bit: flag,
    perVectorMasking: flag,
    vectorsWantedLog2: fc.integer({ min: 0, max: 5 }),
    vectorsLog2: fc.integer({ min: 0, max: 5 }),
  }),
  fc.record({
    kind: fc.constant('msix' as const),
    enable: flag,
    functionMask: flag,
    tableSize: fc.integer({ min: 1, max: 2048 }),
  }),
  fc.record({
    kind: fc.constant('express' as const),
    type: fc.integer({ min: 0, max: 15 }),
    flr: flag,
    transactionsPending: flag,
  }),
  fc.record({ kind: fc.constant('af' as const), flr: flag, hasPending: flag, transactionsPending: flag }),
  fc.record({ kind: fc.constant('vendor' as const), length: fc.integer({ min: 4, max: 24 }) }),
);
const extended: fc.Arbitrary<ExtendedDescription> = fc.oneof(
  fc.record({
    kind: fc.constant('sriov' as const),
    vfEnable: flag,
    totalVfs: word,
    numVfs: word,
    vfOffset: word,
    vfStride: word,
    vfDevice: word,
  }),
  fc.record({
    kind: fc.constant('aer' as const),
    uncorrectableStatus: fc.integer({ min: 0, max: 0xffff_ffff }),
    correctableStatus: fc.integer({ min: 0, max: 0xffff_ffff }),
  }),
);
const common = {
  vendor: word,
  device: word,
  revision: byte,
  classCode: fc.integer({ min: 0, max: 0xff_ffff }),
  multiFunction: flag,
  command: fc.integer({ min: 0, max: 0x07ff }),
  status: word.map((status) => status & ~0x10),
  interruptPin: fc.integer({ min: 0, max: 4 }),
  interruptLine: byte,
  // Two of each kind fit; the first counts.
  capabilities: fc.uniqueArray(capability, { selector: (item) => item.kind, maxLength: 6 }),
  extended: fc.uniqueArray(extended, { selector: (item) => item.kind }),
};
const description: fc.Arbitrary<FunctionDescription> = fc.oneof(
  fc.record(common),
  fc.record({
    ...common,
    headerType: fc.constantFrom(1, 2),
    // A CardBus header leaves less room.
    capabilities: common.capabilities.map((list) => list.slice(0, 3)),
    bridge: fc.record({ primary: byte, secondary: byte, subordinate: byte, control: word }),
  }),
);

describe('what was encoded is decoded', () => {
  it('whatever it is', () => {
    fc.assert(
      fc.property(description, (of) => {
        const fn = decode(encodeFunction({ ...of, size: 4096 }));
        const { capabilities = [], extended = [], status = 0, headerType = 0, bridge } = of;
        expect(fn).toMatchObject({
          presence: 'present',
          visibleBytes: 4096,
          vendor: of.vendor,
          device: of.device,
          revision: of.revision,
          classCode: of.classCode,
          headerType,
          multiFunction: of.multiFunction,
          command: of.command,
          status: status | (capabilities.length > 0 ? 0x10 : 0),
          interruptPin: of.interruptPin,
          interruptLine: of.interruptLine,
          notes: [],
        });
        expect(fn.bridge).toEqual(
          bridge ? { ...bridge, control: headerType === 1 ? bridge.control : 'unknown' } : null,
        );
        const listed = fn.capabilities.filter((entry) => !entry.extended);
        expect(listed).toHaveLength(capabilities.length);
        expectCapabilities(fn, capabilities);
        const hasExpress = capabilities.some(({ kind }) => kind === 'express');
        expectExtended(fn, hasExpress ? extended : []);
      }),
    );
  });

  function expectCapabilities(fn: PciFunction, capabilities: readonly CapabilityDescription[]): void {
    const found: Record<string, unknown> = {
      pm: fn.pm,
      msi: fn.msi,
      msix: fn.msix,
      express: fn.express,
      af: fn.af,
    };
    for (const [kind, value] of Object.entries(found)) {
      const given = capabilities.find((item) => item.kind === kind);
      if (!given) expect(value).toBeNull();
      else expect(value).toMatchObject(expectation(given));
    }
  }

  function expectation(given: CapabilityDescription): object {
    switch (given.kind) {
      case 'pm':
        return { state: ['D0', 'D1', 'D2', 'D3hot'][given.state ?? 0] };
      case 'msi': {
        const { kind, vectorsWantedLog2 = 0, vectorsLog2 = 0, ...rest } = given;
        return { ...rest, vectorsWanted: 2 ** vectorsWantedLog2, vectors: 2 ** vectorsLog2 };
      }
      case 'express':
        return { flr: given.flr, transactionsPending: given.transactionsPending, version: 2 };
      default: {
        const { kind, ...rest } = given;
        return rest;
      }
    }
  }

  function expectExtended(fn: PciFunction, extended: readonly ExtendedDescription[]): void {
    for (const kind of ['sriov', 'aer'] as const) {
      const given = extended.find((item) => item.kind === kind);
      if (!given) expect(fn[kind]).toBeNull();
      else {
        const { kind: _, ...rest } = given;
        expect(fn[kind]).toMatchObject(rest);
      }
    }
  }
});

describe('what cannot be seen is unknown', () => {
  const EXPRESS = { kind: 'express' } as const;

  it('with 64 bytes: all capabilities, if Status says that there are some', () => {
    const some = encoded({ capabilities: [EXPRESS], size: 64 });
    expect(some).toMatchObject({
      pm: 'unknown',
      msi: 'unknown',
      msix: 'unknown',
      express: 'unknown',
      af: 'unknown',
    });
    expect(some).toMatchObject({ sriov: 'unknown', aer: 'unknown', notes: [] });
    const none = encoded({ size: 64 });
    expect(none).toMatchObject({
      pm: null,
      msi: null,
      msix: null,
      express: null,
      af: null,
      sriov: null,
      aer: null,
    });
  });

  it('with 256 bytes: the extended list of an Express function, and of no other', () => {
    expect(encoded({ capabilities: [EXPRESS], size: 256 })).toMatchObject({
      msi: null,
      sriov: 'unknown',
      aer: 'unknown',
    });
    expect(encoded({ capabilities: [{ kind: 'pm' }], size: 256 })).toMatchObject({ sriov: null, aer: null });
  });

  it('whatever is missing, nothing is guessed', () => {
    const rows = fc.uniqueArray(fc.integer({ min: 0, max: 31 }), { minLength: 1, maxLength: 4 });
    const keys = ['pm', 'msi', 'msix', 'express', 'af', 'sriov', 'aer'] as const;
    fc.assert(
      fc.property(description, rows, (of, missing) => {
        const bytes = encodeFunction({ ...of, size: 4096 });
        const image = new ConfigImage(4096);
        for (let row = 0; row < 256; row++) {
          if (!missing.includes(row)) image.set(row * 16, bytes.subarray(row * 16, row * 16 + 16));
        }
        const whole = decode(bytes);
        const fn = decodeFunction(SLOT, image);
        expect(fn.presence).toBe(missing.includes(0) ? 'unreadable' : 'present');
        if (fn.presence === 'present')
          expect(fn).toMatchObject({ command: whole.command, status: whole.status });
        for (const key of keys) expectNoGuess(fn[key], whole[key]);
      }),
      { numRuns: 500 },
    );
  });

  function expectNoGuess(part: unknown, whole: unknown): void {
    if (part === 'unknown') return;
    if (part === null || typeof part !== 'object' || whole === null || typeof whole !== 'object') {
      expect(part).toEqual(whole);
      return;
    }
    const of = new Map(Object.entries(whole));
    for (const [key, value] of Object.entries(part))
      if (value !== 'unknown') expect(value).toEqual(of.get(key));
  }

  it('and any bytes decode, in a bounded number of steps', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(64, 256, 4096),
        fc.infiniteStream(byte),
        fc.boolean(),
        (size, stream, list) => {
          const bytes = new Uint8Array(size);
          for (let at = 0; at < size; at++) bytes[at] = stream.next().value ?? 0;
          if (list) bytes.set([0, 0, 0x10, 0], 4);
          if (list) bytes[0x0e] = 0;
          const steps = decodeSteps(SLOT, ConfigImage.of(bytes));
          let count = 0;
          while (!steps.next().done) count++;
          expect(count).toBeLessThan(3000);
        },
      ),
    );
  });
});

function* untilDone(steps: ReturnType<typeof decodeSteps>): Generator<ConfigRange, void, void> {
  for (let step = steps.next(); !step.done; step = steps.next()) yield step.value;
}

describe('presence', () => {
  it('is decided by the dword at offset 4: a virtual function has no vendor', () => {
    const vf = encoded({
      vendor: 0xffff,
      device: 0xffff,
      command: 4,
      capabilities: [{ kind: 'msix', enable: true }],
    });
    expect(vf).toMatchObject({ presence: 'present', command: 4, msix: { enable: true } });
    const gone = encoded({ vendor: 0x8086, command: 0xffff, status: 0xffff });
    expect(gone).toMatchObject({ presence: 'all-ones', msi: 'unknown', vendor: 0x8086 });
  });

  it('asks for the header first, and of a function that is gone for nothing else', () => {
    const image = new ConfigImage(4096);
    const steps = decodeSteps(SLOT, image);
    expect(steps.next().value).toEqual({ offset: 0, length: 64 });
    image.set(0, new Uint8Array(64).fill(0xff));
    expect(steps.next()).toMatchObject({ done: true, value: { presence: 'all-ones' } });
  });

  it('never asks for what the host cannot see', () => {
    for (const size of [64, 256] as const) {
      const bytes = encodeFunction({ capabilities: [{ kind: 'pm' }], size });
      bytes[0x34] = size - 4;
      const image = new ConfigImage(size);
      for (const { offset, length } of untilDone(decodeSteps(SLOT, image))) {
        expect(offset + length).toBeLessThanOrEqual(size);
        image.set(offset, bytes.subarray(offset, offset + length));
      }
    }
  });

  it('a header that is cut is unreadable, with what it names', () => {
    const image = new ConfigImage(64);
    image.set(0, encodeFunction({ vendor: 0x7357 }).subarray(0, 60));
    expect(decodeFunction(SLOT, image)).toMatchObject({
      presence: 'unreadable',
      vendor: 0x7357,
      classCode: 0x020000,
    });
  });
});

describe('lists that are not sound', () => {
  const patched = (of: FunctionDescription, ...patches: [number, number][]) => {
    const bytes = encodeFunction(of);
    for (const [at, value] of patches) bytes[at] = value;
    return decode(bytes);
  };
  const of = {
    capabilities: [{ kind: 'pm' }, { kind: 'msi', enable: true }],
  } as const satisfies FunctionDescription;

  it('a loop ends, and what was in it counts', () => {
    expect(patched(of, [0x49, 0x40])).toMatchObject({
      ...{ pm: { state: 'D0' }, msi: { enable: true }, msix: null, express: null },
      notes: [{ kind: 'capability-loop', offset: 0x40 }],
    });
  });

  it.each([
    ['a pointer into the header', [0x49, 0x10], 'capability-pointer'],
    ['a capability of ones', [0x48, 0xff], 'capability-pointer'],
  ] as const)('after %s the rest is unknown', (_, patch, kind) => {
    expect(patched(of, [...patch])).toMatchObject({
      pm: { state: 'D0' },
      msix: 'unknown',
      notes: [{ kind }],
    });
  });

  it('the low bits of a pointer do not count', () => {
    expect(patched(of, [0x34, 0x43])).toMatchObject({ pm: { offset: 0x40 }, notes: [] });
  });

  it('of two capabilities of a kind the first counts', () => {
    const twice = encoded({
      capabilities: [
        { kind: 'msi', enable: true },
        { kind: 'msi', enable: false },
      ],
    });
    expect(twice).toMatchObject({ msi: { enable: true, offset: 0x40 } });
  });

  it('an extended list that loops ends', () => {
    const express = { capabilities: [{ kind: 'express' }], extended: [{ kind: 'aer' }] } as const;
    // Next pointer of the capability at 100: 100
    expect(patched(express, [0x102, 0x01], [0x103, 0x10])).toMatchObject({
      ...{ aer: { offset: 0x100 }, sriov: null },
      notes: [{ kind: 'capability-loop', offset: 0x100 }],
    });
    expect(patched(express, [0x102, 0x01], [0x103, 0x04])).toMatchObject({
      ...{ sriov: 'unknown', notes: [{ kind: 'capability-pointer', offset: 0x40 }] },
    });
  });

  it('a header type that nobody knows', () => {
    expect(patched({ ...of, command: 6 }, [0x0e, 0x7f])).toMatchObject({
      ...{ presence: 'present', command: 6, msi: 'unknown', bridge: null },
      notes: [{ kind: 'header-type' }],
    });
  });
});
