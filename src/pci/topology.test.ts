import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeFunction, type FunctionDescription } from '../../test/support/encode.js';
import { ConfigImage } from './config-image.js';
import { decodeFunction } from './decode.js';
import type { PciFunction } from './function.js';
import { formatSlot, parseSlot, type Slot, slotParts } from './slot.js';
import { ancestors, buildTopology, descendants, type Topology } from './topology.js';

const slot = (text: string): Slot => {
  const parsed = parseSlot(text);
  if (parsed === undefined) throw new Error(`${text} is no slot`);
  return parsed;
};

function fn(at: string, description: FunctionDescription = {}): PciFunction {
  return decodeFunction(slot(at), ConfigImage.of(encodeFunction(description)));
}
const bridge = (at: string, secondary: number, subordinate = secondary) =>
  fn(at, { bridge: { secondary, subordinate } });

const parentOf = (topology: Topology, at: string) => topology.nodes.get(slot(at))?.parent ?? null;

describe('what is below what', () => {
  const topology = buildTopology([
    fn('00:00.0', { classCode: 0x060000 }),
    bridge('00:1c.0', 1, 4),
    bridge('01:00.0', 2, 4),
    bridge('02:00.0', 3),
    bridge('02:01.0', 4),
    fn('03:00.0'),
    fn('04:00.0'),
    fn('04:00.1'),
    fn('0001:01:00.0'),
    bridge('80:00.0', 0x81, 0x82),
    fn('81:00.0'),
    fn('82:00.0'),
    fn('f0:00.0'),
  ]);

  it('follows from secondary bus numbers', () => {
    expect(parentOf(topology, '04:00.1')).toBe('0000:02:01.0');
    expect(topology.nodes.get(slot('04:00.1'))).toMatchObject({ depth: 3, orphan: false });
    expect([...ancestors(topology, slot('04:00.1'))]).toEqual([
      '0000:02:01.0',
      '0000:01:00.0',
      '0000:00:1c.0',
    ]);
    expect([...descendants(topology, slot('00:1c.0'))]).toEqual(
      ['01:00.0', '02:00.0', '03:00.0', '02:01.0', '04:00.0', '04:00.1'].map((at) => `0000:${at}`),
    );
  });

  it('has several root buses and domains', () => {
    expect(topology.roots).toEqual([
      { domain: 0, bus: 0, slots: ['0000:00:00.0', '0000:00:1c.0'] },
      { domain: 0, bus: 0x80, slots: ['0000:80:00.0'] },
      { domain: 0, bus: 0xf0, slots: ['0000:f0:00.0'] },
      { domain: 1, bus: 1, slots: ['0001:01:00.0'] },
    ]);
  });

  it('knows whose bridge is missing', () => {
    expect(topology.nodes.get(slot('82:00.0'))).toMatchObject({
      parent: '0000:80:00.0',
      orphan: true,
      depth: 1,
    });
    expect(topology.nodes.get(slot('81:00.0'))).toMatchObject({ parent: '0000:80:00.0', orphan: false });
  });

  it('a bridge that is gone leads nowhere, and what was below it stays', () => {
    const gone = buildTopology([fn('00:1c.0', { command: 0xffff, status: 0xffff }), fn('01:00.0')]);
    expect(gone.nodes.get(slot('01:00.0'))).toMatchObject({ parent: null, depth: 0 });
    expect(gone.roots.map((root) => root.bus)).toEqual([0, 1]);
  });

  it('of one slot the last counts', () => {
    const twice = buildTopology([fn('00:00.0', { command: 4 }), fn('00:00.0', { command: 0 })]);
    expect([...twice.nodes.values()]).toMatchObject([{ function: { command: 0 } }]);
  });
});

describe('virtual functions', () => {
  const pf = (
    at: string,
    sriov: { numVfs: number; vfOffset: number; vfStride: number; vfEnable?: boolean },
  ) =>
    fn(at, { capabilities: [{ kind: 'express' }], extended: [{ kind: 'sriov', vfEnable: true, ...sriov }] });
  const vf = (at: string) => fn(at, { vendor: 0xffff, device: 0xffff });

  it('belong to their physical function, also on a bus of their own', () => {
    const functions = [
      ...[bridge('00:01.0', 1, 2), pf('01:00.0', { numVfs: 4, vfOffset: 0x80, vfStride: 0x40 })],
      ...[vf('01:10.0'), vf('01:18.0'), vf('02:00.0'), vf('02:18.0')],
    ];
    const { nodes } = buildTopology(functions);
    expect(nodes.get(slot('01:00.0'))?.vfs).toEqual(['0000:01:10.0', '0000:01:18.0', '0000:02:00.0']);
    expect(nodes.get(slot('02:00.0'))).toMatchObject({
      physfn: '0000:01:00.0',
      parent: '0000:00:01.0',
      orphan: false,
    });
    expect(nodes.get(slot('02:18.0'))).toMatchObject({ physfn: null, parent: '0000:00:01.0', orphan: true });
  });

  it('are none while they are off, and never of another domain or of themselves', () => {
    const off = pf('01:00.0', { numVfs: 1, vfOffset: 1, vfStride: 1, vfEnable: false });
    expect(buildTopology([off, vf('01:00.1')]).nodes.get(slot('01:00.1'))?.physfn).toBeNull();
    const last = pf('ff:1f.7', { numVfs: 2, vfOffset: 1, vfStride: 1 });
    expect(buildTopology([last, vf('0001:00:00.0')]).nodes.get(slot('0001:00:00.0'))?.physfn).toBeNull();
    const self = pf('01:00.0', { numVfs: 9, vfOffset: 0, vfStride: 0 });
    expect(buildTopology([self]).nodes.get(slot('01:00.0'))).toMatchObject({ physfn: null, vfs: [] });
  });

  it('more of them than there can be take no more time than there are functions', () => {
    const functions = Array.from({ length: 2048 }, (_, i) => {
      const at = formatSlot({ domain: 0, bus: i >> 3, device: 0, function: i & 7 });
      return pf(at, { numVfs: 0xffff, vfOffset: 1, vfStride: i % 3 });
    });
    const started = performance.now();
    buildTopology(functions);
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});

describe('whatever the bridges say', () => {
  const place = fc.record({
    domain: fc.constantFrom(0, 1, 0x10000),
    bus: fc.integer({ min: 0, max: 12 }),
    device: fc.integer({ min: 0, max: 3 }),
    function: fc.constant(0),
  });
  const number = fc.integer({ min: 0, max: 14 });
  const hostile = fc.oneof(
    place.map((at) => fn(formatSlot(at))),
    place.map((at) => fn(formatSlot(at), { command: 0xffff, status: 0xffff })),
    fc.tuple(place, number, number).map(([at, from, to]) => bridge(formatSlot(at), from, to)),
    fc.tuple(place, number, number, number).map(([at, numVfs, vfOffset, vfStride]) =>
      fn(formatSlot(at), {
        capabilities: [{ kind: 'express' }],
        extended: [{ kind: 'sriov', vfEnable: true, numVfs, vfOffset, vfStride }],
      }),
    ),
  );
  const machine = fc.uniqueArray(hostile, { selector: (item) => item.slot, maxLength: 30 });

  it('each function has one place, above it only lower buses, and its depth is right', () => {
    fc.assert(
      fc.property(machine, (functions) => {
        const topology = buildTopology(functions);
        expect([...topology.nodes.keys()].sort()).toEqual(functions.map((item) => item.slot).sort());
        const placed = topology.roots.flatMap((root) => root.slots);
        for (const node of topology.nodes.values()) placed.push(...node.children);
        expect(placed.sort()).toEqual([...topology.nodes.keys()].sort());
        for (const [at, node] of topology.nodes) {
          const above = [...ancestors(topology, at)];
          expect(above).toHaveLength(node.depth);
          for (const [i, parent] of above.entries()) {
            const child = above[i - 1] ?? at;
            expect(slotParts(parent).bus).toBeLessThan(slotParts(child).bus);
            expect(slotParts(parent).domain).toBe(slotParts(child).domain);
            expect(topology.nodes.get(parent)?.children).toContain(child);
            expect([...descendants(topology, parent)]).toContain(at);
          }
          if (node.physfn !== null) expect(topology.nodes.get(node.physfn)?.vfs).toContain(at);
        }
      }),
    );
  });

  it('the order in which functions come does not matter', () => {
    const shuffled = machine.chain((functions) =>
      fc.tuple(fc.constant(functions), fc.shuffledSubarray(functions, { minLength: functions.length })),
    );
    fc.assert(
      fc.property(shuffled, ([one, other]) => {
        expect(buildTopology(other)).toEqual(buildTopology(one));
        expect([...buildTopology(other).nodes.keys()]).toEqual([...buildTopology(one).nodes.keys()]);
      }),
    );
  });
});
