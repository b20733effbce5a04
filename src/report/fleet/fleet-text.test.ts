import { expect, it } from 'vitest';
import { auditOf, fleetLines } from '../../../test/support/fleet.js';
import { lookupNames } from '../../pci/pci-ids.js';
import { Fleet } from './fleet.js';
import { fleetText } from './fleet-text.js';

const same = (text: string) => text;
const style = { width: 100, bold: same, dim: same, red: same, yellow: same, green: same };
const names = lookupNames(new Uint8Array(0), []);

it('a fleet as text', async () => {
  const fleet = new Fleet({ path: 'crash', failOn: 'error' });
  const options = { machines: 40, functions: 16, topologies: 2, seed: 5, deviatingOneIn: 5, brokenOneIn: 15 };
  let at = 0;
  for await (const one of fleetLines(options)) fleet.add(one, `fleet.ndjson:${++at}`, `line ${at}`);
  fleet.add('{"schema":', 'fleet.ndjson:41', 'line 41');
  const text = fleetText(fleet.result(), { names, style, limit: 3 });
  for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(100);
  expect(text).toMatchInlineSnapshot(`
    "37 of 37 machines may not get through a crash as they are.
    37 machines with 589 functions read; 1 of them without a finding of severity error; 4 audits not
    usable.

    outcome      machines  meaning
    exposed      30        something is live that nothing is known to stop
    unprotected  7         something is live that the policy would stop, and nothing shows that anything
                           does

    Machines that may not get through it
    machine             outcome  what stands in the way
    node000000.example  exposed  0000:01:00.0 1912:0014: rule usb-without-driver leaves it alone
    node000001.example  exposed  0000:01:00.0 1912:0014: rule usb-without-driver leaves it alone
    node000003.example  exposed  0000:01:00.0 1912:0014: rule usb-without-driver leaves it alone
    and 34 more (--limit shows more, --csv all)

    What to mend first
                machines  findings  alone  together  what
    1. error    36        43        36     36        SD001 live bus master without a driver
                29        29        29               on 15b3:1017 Class 0200: Device 15b3:1017
                7         14        7                on 8086:10d3 Class 0200: Device 8086:10d3
                                                     → Gate it before the jump with \`shootdown apply\`,
                                                     or bind its driver, which resets it.
    2. warning  37        264       0      0         SD003 live bus master that a panic leaves running
                37        37        0                on 8086:2922 Class 0106: Device 8086:2922
                30        90        0                on 8086:2021 Class 0880: Device 8086:2021
                30        30        0                on 1912:0014 Class 0c03: Device 1912:0014
                                                     → Wrap the capture kernel (shootdown wrap), or put
                                                     the driver into the capture initramfs, so that it
                                                     resets the device.
    3. warning  36        36        0      0         SD104 capture kernel without protection
                                                     → Wrap the capture kernel (\`shootdown install
                                                     kdump\`, or \`shootdown wrap\`), or put the drivers of
                                                     the live functions into the capture initramfs, so
                                                     that they reset them.
    alone: machines that have nothing else of that severity or a graver one; together: machines that
    have nothing such left when it and all above it are mended.
    and 4 more (--limit shows more, up to 100)

    Topologies
    topology  machines  outcomes       such as             what is in it
    0e127b4f  27        27 exposed     node000000.example  16 functions: 4 × Device 1912:0014, 3 × Devi…
    147639fe  7         7 unprotected  node000002.example  16 functions: 6 × Device 144d:a80a, 2 × Devi…
    036a4358  2         2 exposed      node000025.example  15 functions: 4 × Device 1912:0014, 3 × Devi…
    and 1 more (--limit shows more, up to 100)

    Not as the others of their topology
    machines            of like  differ in
    node000003.example  1 of 27  0000:03:01.0 driver vfio-pci, usually ahci
    node000024.example  1 of 27  capture kernel not loaded, usually loaded (nothing shows protection)
    node000029.example  1 of 27  kernel 6.1.0-21-amd64, usually 6.1.0-18-amd64; 0000:01:00.0 driver
                                 vfio-pci, usually none
    and 5 more (--limit shows more, up to 100)

    Nearly the same topology
    machines                                nearly like    but
    node000004.example                      0e127b4f (27)  without 15b3:1017 Class 0200: Device
                                                           15b3:1017 (0000:00:04.0 on
                                                           node000000.example)
    node000025.example, node000033.example  0e127b4f (27)  without 15b3:1017 Class 0200: Device
                                                           15b3:1017 (0000:00:03.0 on
                                                           node000000.example)

    4 audits not usable
      fleet.ndjson:7: node000006.example: contradicts itself: 0000:00:00.0 stands twice
      fleet.ndjson:10: node000009.example: contradicts itself: 0000:00:00.0: its verdict is quiet, its
      registers make it live (PCI_COMMAND 0006)
      fleet.ndjson:15: node000014.example: contradicts itself: 0000:00:00.0 stands twice
    and 1 more (--limit shows more, up to 100)
    "
  `);
});

it('a machine with a long name leaves room for what is said of it', async () => {
  const one = await auditOf('server');
  one.machine.hostname = `node-${'x'.repeat(90)}.example`;
  const fleet = new Fleet({ path: 'crash', failOn: 'error' });
  const row = fleet.add(JSON.stringify(one), 'a.ndjson:1', 'a');
  expect(row?.machine).toBe(one.machine.hostname);
  const text = fleetText(fleet.result(), { names, style, limit: 3 });
  const lines = text.split('\n');
  const at = lines.findIndex((line) => line.startsWith('machine  '));
  expect(lines[at]?.indexOf('outcome')).toBe(42);
  expect(
    lines
      .slice(at + 1, at + 4)
      .map((line) => line.slice(0, 40).trim())
      .join(''),
  ).toBe(row?.machine);
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(100);
});

it('a fleet in which all is well', async () => {
  const one = await auditOf('server');
  one.machine.captureKernelProtected = true;
  one.findings = one.findings.map((finding) => ({ ...finding, severity: 'info' }));
  const fleet = new Fleet({ path: 'crash', failOn: 'error' });
  fleet.add(JSON.stringify(one), 'web01.json:1', 'web01');
  expect(fleetText(fleet.result(), { names, style, limit: 3 })).toMatchInlineSnapshot(`
    "1 machine looked at: nothing stands in the way of a crash.
    1 machine with 17 functions read; 1 of them without a finding of severity error.

    outcome  machines  meaning
    ready    1         nothing is left running, as far as can be seen

    Topologies
    topology  machines  outcomes  such as  what is in it
    0bd3fc58  1         1 ready   web01    17 functions: 1 × Device 10de:20b0, 1 × Device 144d:a80a, 1 …
    "
  `);
});
