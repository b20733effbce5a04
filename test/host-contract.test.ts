import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDump } from '../src/host/dump.js';
import { openSysfs } from '../src/host/sysfs.js';
import { describeHostContract } from './host-contract.js';
import { encodeFunction, formatDump } from './support/encode.js';
import { buildFakeSysfs, type FakeFunction } from './support/fake-sysfs.js';

const nic = encodeFunction({
  command: 0x0406,
  interruptPin: 1,
  interruptLine: 11,
  capabilities: [{ kind: 'pm' }, { kind: 'msi', is64bit: true }, { kind: 'express', flr: true }],
  extended: [{ kind: 'aer' }],
});
const FUNCTIONS: readonly FakeFunction[] = [
  { slot: '0000:00:00.0', config: encodeFunction({ classCode: 0x060000, size: 64 }) },
  {
    slot: '0000:00:1c.0',
    config: encodeFunction({
      command: 7,
      bridge: { secondary: 1 },
      capabilities: [{ kind: 'express', type: 4 }],
    }),
    driver: 'pcieport',
  },
  {
    slot: '0000:01:00.0',
    parent: '0000:00:1c.0',
    config: nic,
    driver: 'e1000e',
    module: 'e1000e',
    iommuGroup: 3,
    resetMethods: ['flr', 'bus'],
    numVfs: 1,
  },
  { slot: '0000:01:10.0', parent: '0000:00:1c.0', config: nic.slice(0, 256), physfn: '0000:01:00.0' },
  { slot: '0000:02:00.0', config: new Uint8Array(256).fill(0xff) },
  { slot: '10000:00:00.0', config: nic.slice(0, 256) },
];
const EXPECTED = {
  slots: FUNCTIONS.map((f) => f.slot),
  present: '0000:01:00.0',
  visible: 4096,
  absent: '0000:02:00.0',
} as const;

for (const write of [true, false]) {
  describeHostContract(`sysfs, ${write ? 'writable' : 'read-only'}`, async () => {
    const fake = buildFakeSysfs({ functions: FUNCTIONS });
    return { host: openSysfs({ root: fake.root, write }), ...EXPECTED, cleanUp: fake.remove };
  });
}

describeHostContract('sysfs with one file open at a time', async () => {
  const fake = buildFakeSysfs({ functions: FUNCTIONS });
  const host = openSysfs({ root: fake.root, write: true, openFileLimit: 0 });
  return { host, ...EXPECTED, cleanUp: fake.remove };
});

describeHostContract('dump', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'shootdown-dump-'));
  const path = join(folder, 'machine.txt');
  writeFileSync(
    path,
    formatDump(FUNCTIONS.map(({ slot, config }) => ({ slot, bytes: config, title: 'device' }))),
  );
  const cleanUp = () => rmSync(folder, { recursive: true, force: true });
  return { host: await openDump(path), ...EXPECTED, cleanUp };
});
