import { describe, expect, it } from 'vitest';
import { FrameSearch, markedFrame, parseMac, phaseMark } from './frames.js';

const SEED = Uint8Array.from([9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 1, 2]);
const MAC = parseMac('52:54:00:53:48:44');

function memoryWith(...frames: readonly (readonly [at: number, frame: Uint8Array])[]): Buffer {
  const memory = Buffer.alloc(4096);
  for (const [at, frame] of frames) memory.set(frame, at);
  return memory;
}

function searched(memory: Buffer, piece: number): FrameSearch {
  const search = new FrameSearch(SEED);
  for (let at = 0; at < memory.length; at += piece) search.add(memory.subarray(at, at + piece));
  return search;
}

describe('marked frames', () => {
  const before = phaseMark(SEED, 'before');
  const after = phaseMark(SEED, 'after');

  it('are Ethernet frames to the card', () => {
    const frame = markedFrame(MAC, after, 7);
    expect([...frame.subarray(0, 6)]).toEqual([0x52, 0x54, 0, 0x53, 0x48, 0x44]);
    expect(frame).toHaveLength(64);
    expect([...frame.subarray(12, 14)]).toEqual([0x88, 0xb5]);
  });

  it('are found, each once, by phase, wherever the pieces are cut', () => {
    const memory = memoryWith(
      [100, markedFrame(MAC, before, 1)],
      [1000, markedFrame(MAC, after, 1)],
      [1500, markedFrame(MAC, after, 1)],
      [2000, markedFrame(MAC, after, 2)],
      [4096 - 64, markedFrame(MAC, after, 3)],
    );
    for (const piece of [17, 64, 100, 1013, 4096]) {
      const search = searched(memory, piece);
      expect(search.found('before')).toEqual({ count: 1, firstOffset: 114 });
      expect(search.found('after')).toEqual({ count: 3, firstOffset: 1014 });
      expect(search.found('ready')).toEqual({ count: 0, firstOffset: null });
    }
  });

  it('of another run do not count', () => {
    const other = phaseMark(
      SEED.map((byte) => byte + 1),
      'after',
    );
    expect(searched(memoryWith([100, markedFrame(MAC, other, 1)]), 512).found('after').count).toBe(0);
  });

  it('stay found when memory is looked at again', () => {
    const search = searched(memoryWith([100, markedFrame(MAC, after, 1)]), 512);
    search.restart();
    search.add(memoryWith([200, markedFrame(MAC, after, 2)]));
    expect(search.found('after')).toEqual({ count: 2, firstOffset: 114 });
  });
});
