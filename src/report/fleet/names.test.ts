import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Intern } from './intern.js';
import { compareText, firstNames, shortName } from './names.js';

it('the first few of many are the same in any order', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), fc.integer({ min: 0, max: 6 }), (names, max) => {
      const first = firstNames(max);
      for (const name of names) first.add(name);
      expect(first.list).toEqual([...names].sort(compareText).slice(0, max));
    }),
  );
});

it('what is beyond the bound shares one number', () => {
  const kinds = new Intern('other', 2);
  expect(['a', 'b', 'a', 'c', 'b', 'd'].map((text) => kinds.id(text, () => text))).toEqual([
    1, 2, 1, 0, 2, 0,
  ]);
  expect([kinds.full, kinds.value(2), kinds.value(0)]).toEqual([true, 'b', 'other']);
});

it('names are bounded, and do nothing to a terminal', () => {
  expect(shortName('a\u001b[2J\nb')).toBe('a?[2J?b');
  expect(shortName('x'.repeat(1000))).toHaveLength(128);
});
