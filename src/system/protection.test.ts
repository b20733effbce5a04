import { afterEach, expect, it } from 'vitest';
import { RUNNING } from '../../test/support/debian-system.js';
import { answering, hookImage, machineOf, wholeSystem } from '../../test/support/doctor-system.js';
import { addToTree, type FakeSystem, removeTree } from '../../test/support/system-tree.js';
import { defaultPolicy } from '../quiesce/default-policy.js';
import { VERSION } from '../version.js';
import { compileGateTable } from './gate-table.js';
import { captureIsProtected } from './protection.js';
import { kernelFiles, type Part } from './state.js';

const { wrapped: WRAPPED, original: ORIGINAL } = kernelFiles(RUNNING);
const LOADED = '/var/crash/kexec_cmd';

let system: FakeSystem;
afterEach(() => removeTree(system.root));

/** Whether it is, after a change to a system with these parts. */
async function told(parts: readonly Part[], change: () => void | Promise<void> = () => {}) {
  system = await wholeSystem(parts);
  await change();
  return captureIsProtected(await machineOf(system), answering(system));
}

it('is, with a wrapped kernel loaded that may act', async () => {
  expect(await told(['kdump'])).toBe(true);
  expect(await told([], () => addToTree(system.root, LOADED, `kexec -p ${ORIGINAL}\n`))).toBe(false);
  for (const word of ['off', 'observe']) {
    const line = `kexec -p --command-line="root=x shootdown=${word}" ${WRAPPED}\n`;
    expect(await told(['kdump'], () => addToTree(system.root, LOADED, line))).toBe(false);
  }
});

it('is, with the hook in the initramfs that is loaded', async () => {
  const put = (table: string | null) =>
    addToTree(system.root, `/var/lib/kdump/initrd.img-${RUNNING}`, { text: hookImage(table), mode: 0o644 });
  expect(await told(['hook'], () => put(null))).toBe(false);
  const withHook = async () => {
    const how = { machine: await machineOf(system), when: 'crash', tool: VERSION } as const;
    put(compileGateTable(defaultPolicy(), how).text);
  };
  expect(await told(['hook'], withHook)).toBe(true);
});

it('is not known where nothing is loaded, or nobody noted what', async () => {
  expect(
    await told(['kdump'], () => addToTree(system.root, '/sys/kernel/kexec_crash_loaded', '0\n')),
  ).toBeUndefined();
  expect(await told(['kdump'], () => removeTree(`${system.root}${LOADED}`))).toBeUndefined();
});
