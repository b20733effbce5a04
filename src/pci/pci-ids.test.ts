import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeFunction, formatDump } from '../../test/support/encode.js';
import { haveLspci } from '../../test/support/lspci.js';
import { namesFor } from '../host/pci-ids-file.js';
import { lookupNames } from './pci-ids.js';

const IDS = `# made up
0001  First \u001b[31mVendor
\t0002  Second Device
\t\t0001 0003  A subsystem, not a device
# a comment between
\t00AB  Third Device
0fff  Other Vendor
\t0002  Its Device

C 02  Network controller
\t00  Ethernet controller
\t\t01  A programming interface
C 0c  Serial bus controller
S 02  What comes later
\t80  Is not a class
`;

const names = (text: string | Uint8Array, ...wanted: [number, number, number][]) =>
  lookupNames(
    typeof text === 'string' ? new TextEncoder().encode(text) : text,
    wanted.map(([vendor, device, classCode]) => ({ vendor, device, classCode })),
  );

describe('names', () => {
  const found = names(
    IDS,
    [1, 2, 0x020001],
    [1, 0xab, 0x0c0330],
    [1, 3, 0x028000],
    [0xfff, 2, 0xff0000],
    [7, 7, 0],
  );
  it.each([
    [1, 2, 'First [31mVendor Second Device'],
    [1, 0xab, 'First [31mVendor Third Device'],
    [1, 3, 'First [31mVendor Device 0003'],
    [0xfff, 2, 'Other Vendor Its Device'],
    [7, 7, 'Device 0007:0007'],
  ])('of %j:%j are %s', (vendor, device, name) => expect(found.device(vendor, device)).toBe(name));

  it.each([
    [0x020001, 'Ethernet controller'],
    [0x028000, 'Network controller [0280]'],
    [0x0c0330, 'Serial bus controller [0c03]'],
    [0xff0000, 'Class ff00'],
  ])('of class %j are %s', (code, name) => expect(found.className(code)).toBe(name));

  it('are hexadecimal without a file', () => {
    const none = namesFor([{ vendor: 1, device: 2, classCode: 3 }], ['/nonexistent/pci.ids', '/']);
    expect([none.device(1, 2), none.className(3)]).toEqual(['Device 0001:0002', 'Class 0000']);
  });

  it('never carry control characters and come out of any bytes', () => {
    const byte = fc.constantFrom(
      ...'0001  C \t\n#\u001bxé'.split('').map((c) => c.charCodeAt(0) & 0xff),
      0x9b,
      0x80,
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.array(byte, { maxLength: 200 }), (any, near) => {
        for (const text of [
          any,
          new Uint8Array(near),
          new TextEncoder().encode(`0001  ${String.fromCharCode(...near)}`),
        ]) {
          const result = names(text, [1, 1, 0x010101], [0, 0, 0]);
          for (const name of [result.device(1, 1), result.device(0, 0), result.className(0x010101)]) {
            expect(name).toMatch(/^\P{C}+$/u);
          }
        }
      }),
    );
  });
});

describe.skipIf(!haveLspci())('names are those of lspci', () => {
  it('for IDs and classes of all kinds', () => {
    const classes = [
      0x020000, 0x010802, 0x0c0330, 0x060400, 0x088000, 0x0000ff, 0x120000, 0x02ff00, 0xff0000,
    ];
    const ids: [number, number][] = [
      ...([
        [0x8086, 0x1572],
        [0x10de, 0x1eb8],
        [0x1af4, 0x1041],
        [0x15b3, 0x1017],
        [0x8086, 0xfffe],
      ] as const),
      ...([
        [0x1022, 0x1480],
        [0x7357, 0x0001],
        [0xffff, 0xffff],
        [0x1000, 0x0014],
      ] as const),
    ].map(([vendor, device]) => [vendor, device]);
    const functions = ids.map(([vendor, device], i) => ({ vendor, device, classCode: classes[i] ?? 0 }));
    const folder = mkdtempSync(join(tmpdir(), 'shootdown-'));
    try {
      const entries = functions.map((fn, i) => ({
        slot: `00:0${i}.0`,
        bytes: encodeFunction({ ...fn, size: 64 }),
      }));
      writeFileSync(join(folder, 'dump'), formatDump(entries));
      const { stdout } = spawnSync('lspci', ['-F', join(folder, 'dump')], { encoding: 'utf8' });
      const ours = namesFor(functions);
      const lines = functions.map(
        ({ vendor, device, classCode }, i) =>
          `00:0${i}.0 ${ours.className(classCode)}: ${ours.device(vendor, device)}\n`,
      );
      expect(lines.join('')).toBe(stdout.replaceAll(/ \(rev .*\)$| \(prog-if .*\)$/gm, ''));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
