import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isFiltered, matching, type Searched } from './match.js';
import { PAGE_SCRIPT } from './page.generated.js';
import { EMPTY_STATE, KEYS, parseState, stateText } from './state.js';

describe('the state in the address', () => {
  it('comes back', () => {
    const texts = fc.tuple(...KEYS.map(() => fc.string({ unit: 'grapheme', maxLength: 12 })));
    fc.assert(
      fc.property(texts, (values) => {
        const state = { ...EMPTY_STATE };
        for (const [index, key] of KEYS.entries()) state[key] = values[index] ?? '';
        expect(parseState(`#${stateText(state)}`)).toEqual(state);
      }),
    );
  });

  it('names the row of a function alone as the row is named', () => {
    expect(stateText({ ...EMPTY_STATE, fn: '0000:04:00.0' })).toBe('fn=0000:04:00.0');
    expect(parseState('#plan')).toBeUndefined();
    expect(parseState('')).toEqual(EMPTY_STATE);
  });
});

describe('what is asked for', () => {
  const row: Searched = {
    ...{
      slots: ['0000:01:02.0', '0000:01:02.1'],
      groups: ['5', '6'],
      text: 'ethernet intel i40e error sd001',
    },
    ...{ verdict: 'live', severity: 'error', driver: 'i40e', action: 'gate' },
  };
  const asked = (state: Partial<typeof EMPTY_STATE>) => matching(row, { ...EMPTY_STATE, ...state });

  it('is found by slot, name, driver and finding', () => {
    expect(asked({})).toHaveLength(2);
    expect(asked({ q: ' I40E ' })).toHaveLength(2);
    expect(asked({ q: '01:02.1' })).toEqual(['0000:01:02.1']);
    expect(asked({ q: 'sd001' })).toHaveLength(2);
    expect(asked({ q: 'nvme' })).toEqual([]);
  });

  it('is narrowed by each filter', () => {
    expect(asked({ group: '6' })).toEqual(['0000:01:02.1']);
    expect(asked({ group: '6', q: '02.0' })).toEqual([]);
    expect(asked({ verdict: 'quiet' })).toEqual([]);
    expect(asked({ severity: 'error', driver: 'i40e', action: 'gate' })).toHaveLength(2);
    expect(isFiltered({ ...EMPTY_STATE, fn: 'x', q: ' ' })).toBe(false);
    expect(isFiltered({ ...EMPTY_STATE, action: 'gate' })).toBe(true);
  });
});

describe('the script of a page', () => {
  it('is that of its source', async () => {
    const { browserCode } = (await import('../../../scripts/browser-code.mjs' as string)) as {
      browserCode(): Promise<string>;
    };
    expect(PAGE_SCRIPT === (await browserCode()), 'node scripts/generate.mjs makes it anew').toBe(true);
  });
});
