import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DumpEntry, encodeFunction, formatDump } from '../../test/support/encode.js';
import { haveLspci, selectWithLspci } from '../../test/support/lspci.js';
import { ShootdownError } from './error.js';
import { type Identity, matchesId, matchesSlot, parseIdSelector, parseSlotSelector } from './selector.js';
import { parseSlot, type Slot } from './slot.js';

const slot = (text: string): Slot => {
  const parsed = parseSlot(text);
  if (parsed === undefined) throw new Error(`${text} is no slot`);
  return parsed;
};

describe('a slot selector', () => {
  it.each([
    ['', '0000:00:00.0', true],
    ['*', '10000:ff:1f.7', true],
    ['1f.2', '0003:80:1f.2', true],
    ['.2', '0000:00:1f.2', true],
    ['1f', '0000:00:1f.5', true],
    ['1f.', '0000:00:1f.5', true],
    ['1:', '0000:01:1f.5', true],
    ['1:', '0000:00:01.0', false],
    ['0::.1', '0000:55:03.1', true],
    ['10000:*:*.*', '10000:e0:06.0', true],
    ['10000::', '0000:00:06.0', false],
    ['000000000001:2.3', '0004:01:02.3', true],
  ])('%j, and %s: %s', (text, of, fits) => {
    expect(matchesSlot(parseSlotSelector(text), slot(of))).toBe(fits);
  });

  it.each([
    ['0x1f', 'invalid device'],
    ['20.0', 'invalid device'],
    ['1f.8', 'invalid function'],
    ['1f.0.0', 'more than one dot'],
    ['100:00.0', 'invalid bus'],
    ['01:00.0:', 'invalid bus'],
    ['80000000::', 'invalid domain'],
    ['1:2:3:4', 'too many colons'],
    ['**', 'invalid device'],
    ['0'.repeat(64), 'too long'],
    [' 1', 'invalid device'],
    ['-1', 'invalid device'],
  ])('refuses %j: %s', (text, why) => {
    expect(() => parseSlotSelector(text)).toThrow(why);
    expect(() => parseSlotSelector(text)).toThrow(ShootdownError);
  });
});

describe('an ID selector', () => {
  const nic: Identity = { vendor: 0x8086, device: 0x1572, classCode: 0x020001 };
  it.each([
    [':', true],
    ['8086:', true],
    [':1572', true],
    ['8086:1573', false],
    ['*:*', true],
    ['::0200', true],
    ['::02xx', true],
    ['::XX00', true],
    ['::2xx', true],
    ['::02', false],
    ['::200:1', true],
    ['::200:0', false],
    [':::1', true],
    ['::*:*', true],
    ['::0000x', false],
  ])('%j: %s', (text, fits) => expect(matchesId(parseIdSelector(text), nic)).toBe(fits));

  it.each([
    ['', 'at least the colon'],
    ['8086', 'at least the colon'],
    ['18086:', 'invalid vendor'],
    [':x', 'invalid device'],
    ['::xxxxx', 'invalid class'],
    ['::x0200', 'invalid class'],
    ['::0x0200', 'invalid class'],
    [':::100', 'invalid prog-if'],
    [':::x', 'invalid prog-if'],
    ['1:2:3:4:5', 'too many colons'],
  ])('refuses %j: %s', (text, why) => expect(() => parseIdSelector(text)).toThrow(why));
});

describe.skipIf(!haveLspci())('selectors are those of lspci', () => {
  const functions: { slot: Slot; id: Identity }[] = [];
  for (const domain of ['0000', '0001', '10000']) {
    for (const place of ['00:00.0', '00:01.0', '01:00.0', '01:1f.7', '10:10.3', 'ff:02.1']) {
      const n = functions.length;
      const classCode = [0x020000, 0x020001, 0x010802, 0x0c0330][n % 4] ?? 0;
      const id = { vendor: n % 2 ? 0x8086 : 0x0001, device: [0x1572, 0x0010, 0xffff][n % 3] ?? 0, classCode };
      functions.push({ slot: slot(`${domain}:${place}`), id });
    }
  }
  const folder = mkdtempSync(join(tmpdir(), 'shootdown-'));
  const file = join(folder, 'dump');
  beforeAll(() => {
    const entries = functions.map(
      ({ slot, id }): DumpEntry => ({ slot, bytes: encodeFunction({ ...id, size: 64 }) }),
    );
    writeFileSync(file, formatDump(entries));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const ours = (select: () => (fn: (typeof functions)[number]) => boolean): string[] | 'refused' => {
    try {
      return functions.filter(select()).map((fn) => fn.slot);
    } catch (error) {
      if (error instanceof ShootdownError && error.code === 'usage') return 'refused';
      throw error;
    }
  };
  const theirs = (option: string, text: string) => {
    const answer = selectWithLspci(file, [option, text]);
    return Array.isArray(answer) ? answer : 'refused';
  };

  const number = fc.oneof(
    fc.constantFrom(
      '',
      '*',
      '0',
      '1',
      '00',
      '0000',
      '10',
      '1f',
      'ff',
      'FF',
      '3',
      '7',
      '8',
      '20',
      '100',
      '10000',
    ),
    fc.constantFrom(
      '0x1',
      '**',
      ' 1',
      '+1',
      '-1',
      'g',
      '7fffffff',
      '80000000',
      '100000001',
      '0'.repeat(30),
      'x',
      '1x',
    ),
  );
  const glue = fc.constantFrom(':', ':', ':', '.', '', '::');
  const slotText = fc.oneof(
    fc.array(fc.tuple(number, glue), { maxLength: 5 }).map((parts) => parts.flat().join('')),
    fc.tuple(number, number, number, number).map(([a, b, c, d]) => `${a}:${b}:${c}.${d}`),
    fc.tuple(number, number).map(([c, d]) => `${c}.${d}`),
  );
  const idNumber = fc.constantFrom(
    ...[
      '',
      '',
      '*',
      '8086',
      '1',
      '0001',
      '1572',
      '10',
      'ffff',
      '200',
      '0200',
      '2xx',
      '02XX',
      'xxxx',
      'c03',
      '108',
    ],
    ...[
      'xx00',
      '0x00',
      '00x00',
      '10000',
      '0x0200',
      'x',
      '00000000x',
      '30',
      '02',
      '1',
      '3x',
      'zz',
      '0000010000',
    ],
  );
  const idText = fc.array(idNumber, { maxLength: 5 }).map((parts) => parts.join(':'));

  // Each asks a process, so these are as many as fit into a few seconds.
  it('-s', () => {
    fc.assert(
      fc.property(slotText, (text) => {
        expect(
          ours(() => {
            const selector = parseSlotSelector(text);
            return (fn) => matchesSlot(selector, fn.slot);
          }),
        ).toEqual(theirs('-s', text));
      }),
      { numRuns: 400 },
    );
  });

  it('-d', () => {
    fc.assert(
      fc.property(idText, (text) => {
        expect(
          ours(() => {
            const selector = parseIdSelector(text);
            return (fn) => matchesId(selector, fn.id);
          }),
        ).toEqual(theirs('-d', text));
      }),
      { numRuns: 400 },
    );
  });
});
