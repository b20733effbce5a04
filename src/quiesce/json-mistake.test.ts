import fc from 'fast-check';
import { expect, it } from 'vitest';
import { jsonMistake } from './json-mistake.js';

it.each([
  ['', 1, 1, 'it is empty: a value belongs here'],
  [' \n', 2, 1, 'it is empty: a value belongs here'],
  ['\ufeff{}', 1, 1, 'a byte order mark comes before the JSON: save it as UTF-8 without one'],
  ['{', 1, 2, 'it ends here, and the { of line 1, column 1 is still open'],
  ['{\n "a": [1,\n 2', 3, 3, 'it ends here, and the [ of line 2, column 7 is still open'],
  ['{"a": 1,}', 1, 9, 'a key in double quotes belongs here, not }'],
  ['[1,]', 1, 4, 'a value belongs here, not ]'],
  ['{\r\n  "a": tru\r\n}', 2, 8, 'a value belongs here, not tru'],
  ['{"a": 1} x', 1, 10, 'nothing more belongs here, not x'],
  ['{"a" 1}', 1, 6, 'a colon belongs here, not 1'],
  ['{a: 1}', 1, 2, 'a key in double quotes, or } belongs here, not a'],
  ['{"a": 1 "b": 2}', 1, 9, 'a comma or } belongs here, not "b"'],
  ['[1}', 1, 3, 'a comma or ] belongs here, not }'],
  ['[01]', 1, 2, 'a value, or ] belongs here, not 01'],
  ["{'a': 1}", 1, 2, "a key in double quotes, or } belongs here, not 'a'"],
  ['{"a": 0x10}', 1, 7, 'a value belongs here, not 0x10'],
  ['{"a": 1, // why\n}', 1, 10, 'a key in double quotes belongs here, not //'],
  ['["a\nb"]', 1, 4, 'the line ends within a text: a " is missing'],
  ['["a\tb"]', 1, 4, 'a control character stands within a text: write it as an escape'],
  ['["a', 1, 4, 'the file ends within a text: a " is missing'],
  ['["\\q"]', 1, 3, '\\q is no escape that JSON has'],
  ['{"a": {"b": 1},\n "\\u0061": 2}', 2, 2, 'the key "\\u0061" stands twice in one object'],
])('%j: line %i, column %i', (text, line, column, what) => {
  expect(jsonMistake(text)).toEqual({ line, column, text: what });
});

it('finds a mistake in what JSON.parse refuses, and in nothing else', () => {
  const agrees = (text: string) => {
    let good = true;
    try {
      JSON.parse(text);
    } catch {
      good = false;
    }
    const mistake = jsonMistake(text);
    if (mistake?.text.includes('stands twice')) return;
    expect(mistake === null).toBe(good);
  };
  const pieces = fc.constantFrom(
    ...['{', '}', '[', ']', ',', ':', ' ', '\n', '"', '"a"', '"b"', '\\', '\\n', '\\u0', '-', '0', '1', '.5'],
    ...['e', 'E+1', 'true', 'null', 'nul', '\u2028', '\u00a0', '\ufeff'],
  );
  fc.assert(
    fc.property(
      fc.array(pieces).map((all) => all.join('')),
      agrees,
    ),
    { numRuns: 5000 },
  );
  fc.assert(fc.property(fc.json(), agrees), { numRuns: 500 });
  fc.assert(
    fc.property(fc.json(), fc.nat(), pieces, (text, at, piece) => {
      const place = at % (text.length + 1);
      agrees(text.slice(0, place) + piece + text.slice(place));
      agrees(text.slice(0, place) + text.slice(place + 1));
    }),
    { numRuns: 3000 },
  );
});

it('takes long texts and deep lists', () => {
  expect(jsonMistake(`"${'\\n'.repeat(1_000_000)}"`)).toBeNull();
  expect(jsonMistake(`${'['.repeat(100_000)}${']'.repeat(100_000)}`)).toBeNull();
});
