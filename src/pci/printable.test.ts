import { expect, it } from 'vitest';
import { printable } from './printable.js';

it('leaves text alone, and nothing that acts on a terminal', () => {
  expect(printable('Qualität → 100 % 漢字 😀')).toBe('Qualität → 100 % 漢字 😀');
  for (const [from, to] of [
    [0x00, 0x1f],
    [0x7f, 0x9f],
    [0x200b, 0x200f],
    [0x2028, 0x202e],
    [0x2060, 0x206f],
    [0xfeff, 0xfeff],
  ] as const) {
    for (let code = from; code <= to; code++)
      expect(printable(`a${String.fromCharCode(code)}b`), code.toString(16)).toBe('a?b');
  }
});
