import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { shown } from './text.js';

describe('text from outside', () => {
  it('stays as it is where it can', () => {
    for (const text of [
      'e1000e',
      'Intel Corporation 82574L',
      'контроллер',
      'Größe 3½″',
      '<b>&amp;',
      '🖧',
      'é́',
    ])
      expect(shown(text)).toBe(text);
  });

  it('shows what would act unseen', () => {
    expect(shown('a\u202eb\u2066c\u061cd\u00ade\u200bf\ufe0fg\u{e0041}h')).toBe('a?b?c?d?e?f?g?h');
    expect(shown('a\u0000b\u001bc\u0085d\u2028e\ufffef')).toBe('a?b?c?d?e?f');
    expect(shown('a\ud800b\udc00c')).toBe('a?b?c');
    expect(shown(`Z${'\u0301'.repeat(40)}`)).toBe('Z\u0301\u0301');
    expect(shown('x'.repeat(1e6))).toHaveLength(401);
  });

  it('is whole, bounded and settled for any string', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 0x10ffff }), { maxLength: 60 }), (points) => {
        const text = String.fromCodePoint(...points);
        const once = shown(text);
        expect(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029\ufffe\uffff]/u.test(once)).toBe(false);
        expect([...once].length).toBeLessThanOrEqual(401);
        expect(shown(once).slice(0, 400)).toBe(once.slice(0, 400));
      }),
      { numRuns: 100 },
    );
  });
});
