import { utimesSync } from 'node:fs';
import { afterEach, expect, it } from 'vitest';
import { RUNNING } from '../../test/support/debian-system.js';
import { answering, hookImage, wholeSystem } from '../../test/support/doctor-system.js';
import { memoryHost } from '../../test/support/memory-host.js';
import { addToTree, type FakeSystem, removeTree } from '../../test/support/system-tree.js';
import { scan } from '../host/scan.js';
import { defaultPolicy } from '../quiesce/default-policy.js';
import { VERSION } from '../version.js';
import { compileGateTable } from './gate-table.js';
import { captureIsProtected } from './protection.js';
import { kernelFiles, type Part } from './state.js';

const { wrapped: WRAPPED, original: ORIGINAL } = kernelFiles(RUNNING);
const LOADED = '/var/crash/kexec_cmd';
const INITRD = `/var/lib/kdump/initrd.img-${RUNNING}`;

let system: FakeSystem;
afterEach(() => removeTree(system.root));

/** Whether it is, after a change to a system with these parts. */
async function told(parts: readonly Part[], change: () => void | Promise<void> = () => {}) {
  system = await wholeSystem(parts);
  await change();
  return captureIsProtected(await withUsb('xhci_hcd'), answering(system));
}

const withUsb = (driver: string | null) =>
  scan(memoryHost({ '00:14.0': { classCode: 0x0c0330, command: 6, facts: { driver } } }));

it('is, with a wrapped kernel loaded that may act', async () => {
  expect(await told(['kdump'])).toBe(true);
  expect(await told([], () => addToTree(system.root, LOADED, `kexec -p ${ORIGINAL}\n`))).toBe(false);
  for (const word of ['off', 'observe', 'dry', 'on,x', '', 'on shootdown=of']) {
    const line = `kexec -p --command-line="root=x shootdown=${word}" ${WRAPPED}\n`;
    expect(await told(['kdump'], () => addToTree(system.root, LOADED, line))).toBe(false);
  }
  const on = `kexec -p --command-line="root=x shootdown=off shootdown=on" ${WRAPPED}\n`;
  expect(await told(['kdump'], () => addToTree(system.root, LOADED, on))).toBe(true);
});

it('is, with the hook in the initramfs that is loaded', async () => {
  const put = (table: string | null) =>
    addToTree(system.root, INITRD, { text: hookImage(table), mode: 0o644 });
  const load = (path = LOADED) => utimesSync(`${system.root}${path}`, 4e9, 4e9);
  const wellLoaded = async (driver: string | null = 'xhci_hcd') => {
    const machine = await withUsb(driver);
    put(compileGateTable(defaultPolicy(), { machine, when: 'crash', tool: VERSION }).text);
    load();
  };
  const without = () => {
    put(null);
    load();
  };
  expect(await told(['hook'], without)).toBe(false);
  expect(await told(['hook'], wellLoaded)).toBe(true);
  const newer = async () => {
    await wellLoaded();
    load(INITRD);
    utimesSync(`${system.root}${LOADED}`, 1, 1);
  };
  expect(await told(['hook'], newer)).toBeUndefined();
  // Made before drivers were bound: it would leave what is live.
  expect(await told(['hook'], () => wellLoaded(null))).toBeUndefined();
  const alone = async () => {
    await wellLoaded();
    addToTree(system.root, LOADED, `kexec -p ${ORIGINAL}\n`);
    load();
  };
  expect(await told(['hook'], alone)).toBe(false);
  const other = async () => {
    await wellLoaded();
    addToTree(system.root, LOADED, `kexec -p --initrd=/boot/initrd.img-${RUNNING} ${ORIGINAL}\n`);
    load();
  };
  expect(await told(['hook'], other)).toBe(false);
});

it('is not known where nothing is loaded, or nobody noted what', async () => {
  expect(
    await told(['kdump'], () => addToTree(system.root, '/sys/kernel/kexec_crash_loaded', '0\n')),
  ).toBeUndefined();
  expect(await told(['kdump'], () => removeTree(`${system.root}${LOADED}`))).toBeUndefined();
});
