import { readFileSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { makeBzImage } from '../../test/support/bzimage.js';
import { RUNNING } from '../../test/support/debian-system.js';
import { answering, hookImage, LIB, machineOf, wholeSystem } from '../../test/support/doctor-system.js';
import { memoryHost } from '../../test/support/memory-host.js';
import { addToTree, type FakeSystem, removeTree, type TreeEntry } from '../../test/support/system-tree.js';
import { type Machine, scan } from '../host/scan.js';
import { defaultPolicy } from '../quiesce/default-policy.js';
import { examine } from './doctor.js';
import { compileGateTable } from './gate-table.js';
import { kernelFiles, type Part } from './state.js';
import type { System } from './system.js';

// The table of failures in the guide: each row is put in, and doctor has to say just that.

const GUIDE = readFileSync(join(import.meta.dirname, '../../docs/kdump.md'), 'utf8');
const ROW = /^\| ([^|]+?) +\| ([^|]+?) +\| `(\w+ [a-z.]+: [^`]+)` → `([^`]+)` +\|$/gm;
const rows = [...GUIDE.matchAll(ROW)].map(([, what = '', , says = '', advice = '']) => ({
  what,
  says,
  advice,
}));

const { wrapped: WRAPPED, original: ORIGINAL } = kernelFiles(RUNNING);
const INITRD = `/var/lib/kdump/initrd.img-${RUNNING}`;
const NEXT = '6.1.0-27-amd64';
const CRASH = '/var/crash/202611231316';

let system: FakeSystem;
afterEach(() => {
  if (system) removeTree(system.root);
});
const put = (path: string, entry: TreeEntry) => addToTree(system.root, path, entry);
const gone = (path: string) => removeTree(`${system.root}${path}`);
const isNow = (path: string) => utimesSync(`${system.root}${path}`, 4e9, 4e9);
/** The machine of the guide. */
const withUsb = (driver: string | null) =>
  scan(
    memoryHost({
      '00:02.0': { classCode: 0x020000, command: 6 },
      '00:14.0': { classCode: 0x0c0330, command: 6, facts: { driver } },
    }),
  );
const hookOf = async (machine: Promise<Machine>): Promise<TreeEntry> => {
  const how = { machine: await machine, when: 'crash', tool: '1.2.3' } as const;
  return { text: hookImage(compileGateTable(defaultPolicy(), how).text), mode: 0o644 };
};
const image = () => ({ text: makeBzImage({ kernel: 'another' }), mode: 0o644 });

interface Failure {
  readonly part?: Part;
  /** Returns what of the system is to be asked otherwise, if anything. */
  readonly put: () => unknown;
}

/** By the first words of a row. */
const FAILURES: Readonly<Record<string, Failure>> = {
  'the wrapped kernel is missing': { put: () => gone(WRAPPED) },
  'it was cut short, or written over': { put: () => put(WRAPPED, { text: 'half a ker', mode: 0o644 }) },
  'half an upgrade: another kernel of that name in `/boot`, not wrapped yet': {
    put: () => put(ORIGINAL, image()),
  },
  'half an upgrade: a kernel without its initramfs and modules': {
    put: () => put(`/boot/vmlinuz-${NEXT}`, image()),
  },
  'half an upgrade: a package that is not configured': {
    put: () =>
      put('/var/lib/dpkg/status', `Package: linux-image-${NEXT}\nStatus: install ok half-configured\n\n`),
  },
  'half an upgrade of shootdown: the scripts are gone, or broken': { put: () => gone(LIB) },
  'kexec refuses the wrapped kernel': {
    put: () => put('/var/crash/kexec_cmd', 'kexec -p /var/lib/kdump/vmlinuz\n'),
  },
  'no kernel could be loaded at all': { put: () => put('/sys/kernel/kexec_crash_loaded', '0\n') },
  'the capture initramfs is missing': { put: () => gone(INITRD) },
  '`/boot` is full': full('/boot'),
  '`/var` is full': full('/var/lib'),
  '`/var/crash` is full': full('/var/crash'),
  'the hook could not be put into the initramfs': {
    part: 'hook',
    put: () => put(INITRD, { text: hookImage(null), mode: 0o644 }),
  },
  'the hook was made before drivers were bound, as at the first boot of a kernel': {
    part: 'hook',
    put: async () => put(INITRD, await hookOf(withUsb(null))),
  },
  'kdump-tools is told of a kernel and of no initramfs': {
    part: 'hook',
    put: () =>
      put('/etc/default/kdump-tools', 'USE_KDUMP=1\nKDUMP_KERNEL=/var/lib/kdump/vmlinuz\nKDUMP_INITRD=\n'),
  },
  'the script of the hook in the initramfs is another, or damaged': {
    part: 'hook',
    put: () => put(`${LIB}/gate`, 'mended since'),
  },
  'the hook crashes, or never gets to run': {
    part: 'hook',
    put: () => {
      put(`${CRASH}/dump.202611231316`, 'dump');
      isNow(`${CRASH}/dump.202611231316`);
    },
  },
  'the hook is ended after its time': {
    part: 'hook',
    put: () => {
      put(`${CRASH}/dump.202611231316`, 'dump');
      put(`${CRASH}/shootdown-hook.log`, 'after the jump: policy default, on crash\n');
    },
  },
};

function full(folder: string): Failure {
  const freeBytes: System['freeBytes'] = (path) => (path === folder ? 4096 : 2 ** 40);
  return { put: () => ({ freeBytes }) };
}

/** As the guide has it: one system stands for all. */
function general(text: string): string {
  return text
    .replaceAll(RUNNING, 'V')
    .replaceAll(NEXT, 'W')
    .replaceAll('202611231316', 'STAMP')
    .replaceAll(/\d+ MiB/g, 'N MiB');
}

describe('what the guide says of failures is what doctor says', () => {
  it('of each of them', () => {
    expect(rows.map(({ what }) => what).sort()).toEqual(Object.keys(FAILURES).sort());
  });

  it.each(rows)('$what', async ({ what, says, advice }) => {
    const { part = 'kdump', put: fail } = FAILURES[what] as Failure;
    system = await wholeSystem([part]);
    if (part === 'hook') {
      put(INITRD, await hookOf(withUsb('xhci_hcd')));
      put('/var/crash/kexec_cmd', `kexec -p --initrd=${INITRD} /var/lib/kdump/vmlinuz\n`);
    }
    const before = await told(part, undefined);
    const now = await told(part, (await fail()) as Partial<System> | undefined);
    const said = `${says} → ${advice}`;
    expect(now).toContain(said);
    expect(before).not.toContain(said);
  });

  async function told(part: Part, changes: Partial<System> | undefined): Promise<readonly string[]> {
    const machine = () => (part === 'hook' ? withUsb('xhci_hcd') : machineOf(system));
    const results = await examine({ system: { ...answering(system), ...changes }, tool: '1.2.3', machine });
    return results.map(({ id, state, text, advice }) => general(`${state} ${id}: ${text} → ${advice}`));
  }
});
