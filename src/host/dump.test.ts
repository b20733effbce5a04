import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { encodeFunction, formatDump } from '../../test/support/encode.js';
import { type PciFunction, seen } from '../pci/function.js';
import { parseSlot } from '../pci/slot.js';
import { openDump, readDump } from './dump.js';
import { scan } from './scan.js';

const bytesOf = (text: string) => new TextEncoder().encode(text);
const read = (text: string | Uint8Array) =>
  readDump('a file', [typeof text === 'string' ? bytesOf(text) : text]);

async function scanned(text: string): Promise<{ functions: PciFunction[]; notes: readonly string[] }> {
  const { topology, notes } = await scan(await read(text));
  return { functions: [...topology.nodes.values()].map((node) => node.function), notes };
}

const slot = (text: string) => {
  const parsed = parseSlot(text);
  if (parsed === undefined) throw new Error(text);
  return parsed;
};

const NIC = encodeFunction({
  vendor: 0x7357,
  device: 0x0200,
  command: 0x0406,
  capabilities: [
    { kind: 'pm' },
    { kind: 'msi', enable: true },
    { kind: 'express', transactionsPending: true },
  ],
  extended: [{ kind: 'aer', correctableStatus: 1 }],
});
const one = (length: number, at = '01:00.0') => formatDump([{ slot: at, bytes: NIC.slice(0, length) }]);

describe('what lspci prints', () => {
  it.each([64, 256, 4096])('%d bytes', async (length) => {
    const host = await read(one(length));
    const at = slot('01:00.0');
    expect(await host.slots()).toEqual(['0000:01:00.0']);
    expect(await host.visibleBytes(at)).toBe(length);
    expect(await host.readRange?.(at, 0, length)).toEqual(NIC.slice(0, length));
    expect(await host.read(at, 0, 4)).toBe(0x0200_7357);
    expect(await host.read(at, 4, 2)).toBe(0x0406);
    expect(host).toMatchObject({ name: 'dump:a file', writable: false, notes: [] });
    await expect(host.write(at, 4, 2, 0)).rejects.toMatchObject({ code: 'read-only' });
    await expect(host.read(at, length, 1)).rejects.toMatchObject({ code: 'usage' });
    await expect(host.read(slot('02:00.0'), 0, 1)).rejects.toMatchObject({ code: 'usage' });
  });

  it('keeps what 64 bytes do not show unknown', async () => {
    const { functions } = await scanned(one(64));
    expect(functions).toMatchObject([{ command: 0x0406, msi: 'unknown', pm: 'unknown', aer: 'unknown' }]);
  });

  it('in slot order, with domains of 16 and 32 bits', async () => {
    const slots = ['10000:00:04.0', '0001:00:00.0', 'ffffffff:ff:1f.7', '00:1f.7', '0000:00:02.0'];
    const host = await read(formatDump(slots.map((at) => ({ slot: at, bytes: NIC.slice(0, 64) }))));
    expect(await host.slots()).toEqual([
      ...['0000:00:02.0', '0000:00:1f.7', '0001:00:00.0', '10000:00:04.0', 'ffffffff:ff:1f.7'],
    ]);
  });

  it('in capitals, with blanks at line ends, a byte order mark, no last line feed', async () => {
    const text = `\ufeff${one(256, '0A:1F.1').toUpperCase().replaceAll('\n', '  \n').replaceAll(/^ +$/gm, '')}`;
    const { functions, notes } = await scanned(`${text.trimEnd()}`);
    expect(functions).toMatchObject([{ slot: '0000:0a:1f.1', msi: { enable: true } }]);
    expect(notes).toEqual([expect.stringContaining('the text ends within line')]);
  });

  it.each(['> ', '>', '> > ', '>> ', '>>> ', '    ', '\t', ' > \t> '])('behind %j', async (prefix) => {
    const text = one(256) + one(64, '02:00.0');
    const quoted = text
      .split('\n')
      .map((line) => `${prefix}${line}`.trimEnd())
      .join('\r\n');
    const { functions, notes } = await scanned(`Somebody wrote:\r\n${quoted}\r\n`);
    expect(functions.map((fn) => [fn.slot, fn.visibleBytes])).toEqual([
      ['0000:01:00.0', 256],
      ['0000:02:00.0', 64],
    ]);
    expect(notes).toEqual([]);
  });

  it('in chunks of any size alike', async () => {
    const texts = [
      one(4096),
      one(64).replaceAll('\n', '\r\n'),
      one(256).replaceAll(/^/gm, '> '),
      `01:00.0 x: y\n${one(256, '03:00.0')}`,
    ];
    const whole = await scan(await read(texts.join('')));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1 }), async (sizes) => {
        const bytes = bytesOf(texts.join(''));
        function* chunks() {
          for (let at = 0, i = 0; at < bytes.length; i++) {
            const size = sizes[i % sizes.length] ?? 1;
            yield bytes.subarray(at, at + size);
            at += size;
          }
        }
        expect(await scan(await readDump('a file', chunks()))).toEqual(whole);
      }),
      { numRuns: 60 },
    );
  });

  it('and any bytes come back as they went in', async () => {
    const size = fc.constantFrom(64, 256, 4096);
    const fn = size.chain((length) => fc.uint8Array({ minLength: length, maxLength: length }));
    await fc.assert(
      fc.asyncProperty(fc.array(fn, { minLength: 1, maxLength: 8 }), async (functions) => {
        const entries = functions.map((bytes, i) => ({ slot: `0000:00:1f.${i}`, bytes }));
        const host = await read(formatDump(entries));
        for (const { slot: at, bytes } of entries) {
          expect(await host.readRange?.(slot(at), 0, 4096)).toEqual(bytes);
        }
        expect(host.notes).toEqual([]);
      }),
      { numRuns: 50 },
    );
  });
});

describe('a slot that comes again', () => {
  const off = formatDump([{ slot: '01:00.0', bytes: encodeFunction({ vendor: 0x7357, command: 0 }) }]);

  it.each([
    ['the last complete one', one(256) + off, 0],
    ['the last complete one, be it shorter', off + one(64), 0x0406],
    ['the first if the last is cut', one(256) + off.slice(0, 600), 0x0406],
    ['the last if none is complete', one(256).slice(0, 600) + off.slice(0, 600), 0],
    ['the one with registers', `${one(256)}01:00.0 Ethernet controller: Somebody\n\n`, 0x0406],
  ])('counts as %s', async (_, text, command) => {
    const { functions } = await scanned(text);
    expect(functions).toMatchObject([{ command }]);
  });

  it('is noted once, not for each', async () => {
    const slots = Array.from({ length: 100 }, (_, i) => ({
      slot: `${(i + 16).toString(16)}:00.0`,
      bytes: NIC.slice(0, 64),
    }));
    const { notes } = await scanned(formatDump(slots).repeat(2));
    expect(notes).toEqual([
      expect.stringContaining('functions that come again: 100, the first of them 0000:10:00.0'),
    ]);
  });
});

describe('drivers', () => {
  const two = (k: string) =>
    `01:00.0 Ethernet controller: X\n${k}${formatDump([{ slot: '01:00.0', bytes: NIC.slice(0, 64) }]).replace(/^.*\n/, '')}` +
    formatDump([{ slot: '01:00.1', bytes: NIC.slice(0, 64) }]);
  const driversOf = async (text: string) => {
    const host = await read(text);
    const facts = await Promise.all((await host.slots()).map((slot) => host.facts?.(slot)));
    return facts.map((fact) => fact?.driver);
  };

  it('are known where lspci -k named one, and none is where it named none', async () => {
    expect(await driversOf(two('\tKernel driver in use: e1000e\n\tKernel modules: e1000e\n'))).toEqual([
      'e1000e',
      null,
    ]);
  });

  it('are not known where it named none at all', async () => {
    expect(await driversOf(two(''))).toEqual([undefined, undefined]);
  });

  it('bring no control characters along', async () => {
    expect(await driversOf(two('\tKernel driver in use: \u001b[31mred\n'))).toEqual(['?[31mred', null]);
  });
});

describe('what is not sound', () => {
  const without = (text: string, offset: string) => text.replace(new RegExp(`^${offset}: .*\n`, 'm'), '');

  it('a missing row of the header is unknown, and what lies behind it is known', async () => {
    const host = await read(without(one(256), '10'));
    expect(await host.readRange?.(slot('01:00.0'), 0, 64)).toHaveLength(16);
    expect(await host.readRange?.(slot('01:00.0'), 32, 64)).toHaveLength(64);
    await expect(host.read(slot('01:00.0'), 0x14, 4)).rejects.toMatchObject({ code: 'io', register: '14' });
    const { functions, notes } = await scanned(without(one(256), '10'));
    expect(functions).toMatchObject([{ presence: 'present', msi: { enable: true } }]);
    expect(notes).toEqual([expect.stringContaining('bytes are missing from 10 on')]);
  });

  it.each([
    ['30', { presence: 'present', command: 0x0406, msi: 'unknown', pm: 'unknown', express: 'unknown' }],
    ['40', { presence: 'present', command: 0x0406, msi: 'unknown', pm: 'unknown', express: 'unknown' }],
    ['50', { presence: 'present', pm: { state: 'D0' }, express: 'unknown' }],
    ['60', { presence: 'present', msi: { enable: true }, express: { deviceStatus: 0xffff } }],
    ['00', { presence: 'unreadable' }],
  ])('row %s is missing', async (offset, expected) => {
    const aligned = encodeFunction({
      ...{
        command: 0x0406,
        capabilities: [
          { kind: 'pm' },
          { kind: 'msi', enable: true },
          { kind: 'vendor' },
          { kind: 'express' },
        ],
      },
      size: 256,
    });
    const { functions } = await scanned(without(formatDump([{ slot: '01:00.0', bytes: aligned }]), offset));
    expect(functions).toMatchObject([expected]);
  });

  it('a dump of less than a header is unreadable, with its names', async () => {
    const { functions, notes } = await scanned(one(48));
    expect(functions).toMatchObject([{ presence: 'unreadable', vendor: 0x7357, classCode: 0x020000 }]);
    expect(notes).toEqual([expect.stringContaining('ends at 30 of 64')]);
  });

  it('a dump that ends early is visible to its next full length', async () => {
    const host = await read(one(0x90));
    expect(await host.visibleBytes(slot('01:00.0'))).toBe(256);
    expect(await host.readRange?.(slot('01:00.0'), 0x80, 0x80)).toHaveLength(16);
  });

  it('rows out of order, twice, odd offsets', async () => {
    const [title = '', ...rows] = one(256).trimEnd().split('\n');
    const shuffled = [title, ...rows.reverse(), ...rows.slice(3, 5), '04: 06 04 10 00'].join('\n');
    const { functions, notes } = await scanned(`${shuffled}\n`);
    expect(functions).toMatchObject([{ command: 0x0406, msi: { enable: true } }]);
    expect(notes).toEqual([]);
  });

  it('of rows that contradict each other the last counts, as in lspci', async () => {
    const { functions, notes } = await scanned(`${one(64).trimEnd()}\n04: 00 00\n`);
    expect(functions).toMatchObject([{ command: 0 }]);
    expect(notes).toEqual([expect.stringContaining('contradict')]);
  });

  it('text in a row ends it before the byte that it may have touched', async () => {
    const spliced = one(64).replace(/^(00: (?:.. ){6})(.)(.*)$/m, '$1$2error: what\n$3');
    const host = await read(spliced);
    expect(await host.readRange?.(slot('01:00.0'), 0, 16)).toHaveLength(6);
    expect(host.notes).toContainEqual('line 2: a row is damaged after 6 bytes; the rest is unknown');
    const glued = await read(one(64).replace(/^(00: (?:.. ){15}..)$/m, '$1cannot\n'));
    expect(await glued.readRange?.(slot('01:00.0'), 0, 64)).toHaveLength(15);
    expect(await glued.readRange?.(slot('01:00.0'), 16, 48)).toHaveLength(48);
  });

  it('text in the offset of a row does not move it', async () => {
    const bytes = NIC.slice();
    bytes.fill(0xee, 0x230, 0x240);
    const torn = formatDump([{ slot: '01:00.0', bytes }]).replace(/^2(30: )/m, '2pcilib: what\n$1');
    const host = await read(torn);
    expect(await host.readRange?.(slot('01:00.0'), 0x30, 16)).toEqual(NIC.slice(0x30, 0x40));
    expect(await host.readRange?.(slot('01:00.0'), 0x230, 16)).toEqual(new Uint8Array(16).fill(0xff));
    expect(host.notes).toContainEqual(expect.stringContaining('torn apart'));
  });

  it('bytes beyond 4096 are left out', async () => {
    const host = await read(`${one(4096).trimEnd()}\n1000: 00 11\nfffffff0: 22\n`);
    expect(await host.visibleBytes(slot('01:00.0'))).toBe(4096);
    expect(host.notes).toHaveLength(2);
  });

  it('rows behind an empty line or before any header belong to nobody', async () => {
    const { functions, notes } = await scanned(`00: ff ff\n${one(64)}40: 01 00\n`);
    expect(functions).toMatchObject([{ visibleBytes: 64 }]);
    expect(notes).toEqual(['hex rows that belong to no header line: 2, the first in line 1']);
  });

  it('slots that no function can have', async () => {
    const { functions, notes } = await scanned(`${one(64)}01:20.0 x: y\n00: 11\n\n01:00.8 x: y\n00: 11\n`);
    expect(functions).toHaveLength(1);
    expect(notes).toHaveLength(3);
  });

  it('lines over 64 KB are skipped; in between are read', async () => {
    const long = 'x'.repeat(70_000);
    const text = one(256).replace('\n40: ', `\n${long}\n40: `);
    const { functions, notes } = await scanned(`${long}\n${text}${one(64, `02:00.0 ${long}`)}${long}`);
    expect(functions.map((fn) => fn.slot)).toEqual(['0000:01:00.0']);
    expect(functions).toMatchObject([{ msi: { enable: true } }]);
    expect(notes.filter((note) => note.includes('longer than 64 KB'))).toHaveLength(4);
  });

  it('header lines that lspci refuses', async () => {
    const { functions, notes } = await scanned(one(64, `01:00.0 Bridge: ${'x'.repeat(300)}`));
    expect(functions).toHaveLength(1);
    expect(notes).toEqual([expect.stringContaining('lspci -F would refuse')]);
  });

  it('has no more than a few notes, none with bytes of the input', async () => {
    const text = `${one(64)}\n`.replaceAll('\n', '\u001b[31m\u0007\n').repeat(200) + one(64);
    const { notes } = await scanned(text);
    expect(notes.length).toBeLessThan(25);
    expect(notes[20]).toMatch(/^and \d+ more/);
    expect(notes.join('')).not.toMatch(/\p{C}/u);
  });
});

describe('functions without registers', () => {
  it('are there if others have some and the line reads like one of lspci', async () => {
    const text = `00:1f.0 ISA bridge: Somebody\n\n00:1f.9 is broken\n\n00:1e.0 is broken: look\n00:1d.0 is broken\n\n${one(64)}`;
    const { functions, notes } = await scanned(text);
    expect(functions.map((fn) => [fn.slot, fn.presence])).toEqual([
      ['0000:00:1e.0', 'unreadable'],
      ['0000:00:1f.0', 'unreadable'],
      ['0000:01:00.0', 'present'],
    ]);
    expect(notes).toContainEqual('functions with a header line but no hex rows: 2');
  });
});

describe('files that are no dump', () => {
  const folder = mkdtempSync(join(tmpdir(), 'shootdown-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const file = (name: string, bytes: string | Uint8Array) => {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    return path;
  };

  it.each([
    ['empty', '', 'is empty'],
    ['prose', 'Nothing here\n', 'holds no lspci -x output'],
    [
      'list',
      '00:1f.0 ISA bridge: Somebody\n01:00.0 VGA: Somebody\n',
      'names 2 functions but shows no registers',
    ],
    ['rows', '00: 86 80 00 00\n', 'no header line'],
    ['utf16', new Uint8Array([0xff, 0xfe, 0x30, 0]), 'UTF-16'],
    ['json', '{\n  "schema": "shootdown.audit/1",\n', 'use --audit'],
    ['gzip', new Uint8Array([0x1f, 0x8b, 8, 0]), 'compressed'],
    ['xz', new Uint8Array([0xfd, 0x37, 0x7a, 0x58]), 'compressed'],
    ['with\u001bescape', 'x', 'with?escape'],
  ])('%s', async (name, bytes, message) => {
    const path = file(name, bytes);
    await expect(openDump(path)).rejects.toMatchObject({
      code: 'bad-input',
      message: expect.stringContaining(message),
    });
  });

  it('a folder, a device, nothing at all', async () => {
    await expect(openDump(folder)).rejects.toMatchObject({ code: 'bad-input' });
    await expect(openDump('/dev/zero')).rejects.toMatchObject({ code: 'bad-input' });
    await expect(openDump(join(folder, 'nowhere'))).rejects.toMatchObject({ code: 'not-found' });
  });

  it.skipIf(process.getuid?.() === 0)('one that must not be read', async () => {
    const path = file('secret', one(64));
    chmodSync(path, 0);
    await expect(openDump(path)).rejects.toMatchObject({ code: 'no-permission' });
  });

  it('a good one opens by its path', async () => {
    const host = await openDump(file('good', one(256)));
    expect(await host.slots()).toHaveLength(1);
    expect(seen((await scanned(one(256))).functions[0]?.msi ?? null)?.enable).toBe(true);
    await host.close();
  });
});

it('any bytes at all give functions or a clear refusal', async () => {
  const piece = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.constantFrom('\n', '\r\n', '00: ', '00:1f.0 ', '10000:', 'ff ', '0', ' ', '>', '\t', 'ff0: ', one(64)),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(piece), async (pieces) => {
      try {
        await scan(await read(pieces.join('')));
      } catch (error) {
        expect(error).toMatchObject({ code: 'bad-input' });
      }
    }),
  );
});
