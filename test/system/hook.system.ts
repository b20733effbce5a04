import { afterEach, describe, expect, it } from 'vitest';
import type { Disk } from './disk.js';
import { expectBeforeUdev, expectDump, HOOK_DONE, hookImage, hookLines, NIC, report } from './hook.js';
import { initrdChanges, initrdContents, overwriteInInitrd } from './initrd.js';
import { SystemMachine } from './machine.js';
import type { InitramfsTool } from './recipe.js';
import { crashKernelOf, doctorOf, problemsOf, shootdownImage } from './shootdown.js';
import { systemStore } from './store.js';
import { treeChanges } from './tree.js';

// The hook after the jump, for machines that keep their kernel: from its installation to what is left of it.

const TOOLS = ['initramfs-tools', 'dracut'] as const satisfies readonly InitramfsTool[];
/** What the hook brings into an initramfs, besides what has our name. */
const BROUGHT: Readonly<Record<InitramfsTool, RegExp>> = {
  'initramfs-tools': /shootdown|conf\/param\.conf/,
  dracut:
    /shootdown|systemd-modules-load\.service\.d |usr\/bin\/(dd|od)|pre-udev\/00-gate-hook\.sh|usr\/lib\/dracut\/modules\.txt/,
};
const UNTOUCHED: Readonly<Record<InitramfsTool, RegExp>> = {
  'initramfs-tools': /^\/var\/lib\/kdump\/vmlinuz$/,
  dracut: /^\/boot\/vmlinuz-/,
};

let machine: SystemMachine | undefined;
afterEach(() => machine?.close());

it.each(TOOLS)(
  '%s: an untouched kernel, the NIC is gated before udev, the dump is saved, nothing is left',
  async (tool) => {
    const store = await systemStore();
    const image = await shootdownImage(store, tool);
    machine = await SystemMachine.create({ store, image, name: `hook-${tool}` });
    const trees = async (disk: Disk) => ({ etc: await disk.tree('/etc'), boot: await disk.tree('/boot') });
    const before = await trees(machine.disk);

    let guest = await machine.boot();
    const plain = await initrdContents(guest, tool);
    expect(plain.filter((line) => line.includes('shootdown'))).toEqual([]);
    console.error(await guest.must('shootdown install hook 2>&1'));
    const hooked = initrdChanges(plain, await initrdContents(guest, tool));
    expect(hooked.filter((line) => !BROUGHT[tool].test(line))).toEqual([]);
    expect(hooked).toContainEqual(expect.stringMatching(/^\+ .*usr\/lib\/shootdown\/gate/));
    expect(await crashKernelOf(guest)).toMatch(UNTOUCHED[tool]);
    const doctor = await doctorOf(guest);
    expect(problemsOf(doctor)).toEqual([]);
    await guest.networkLoad();
    await guest.diskLoad();

    const seen = await guest.crash(HOOK_DONE);
    const { names, log } = await expectDump(machine, seen);
    report(`${tool}: the hook, an untouched kernel`, seen, names);
    expect(seen.stray).toMatchObject({ aliveBefore: true, later: { sent: 10, landed: 0 } });
    expectBeforeUdev(seen);
    const lines = hookLines(seen);
    expect(lines).toContainEqual(
      expect.stringMatching(`^${NIC} 8086:10d3: gated by config, Command 0[0-9a-f]{3}->0[4-7]03`),
    );
    expect(lines).toContainEqual(expect.stringMatching(/^after the jump: \d+ gated, 0 failed, 0 left live/));
    expect(log?.trim().split('\n')).toEqual(lines.filter((line) => !line.startsWith('saved')));
    expect(seen.findings).toEqual([]);

    guest = await machine.boot();
    await guest.must('shootdown uninstall hook');
    expect(await crashKernelOf(guest)).toMatch(UNTOUCHED[tool]);
    expect(initrdChanges(plain, await initrdContents(guest, tool))).toEqual([]);
    await guest.powerOff();
    const after = await trees(machine.disk);
    expect(treeChanges(before.etc, after.etc)).toEqual([]);
    // Made anew, with the same contents.
    expect(treeChanges(before.boot, after.boot).filter((line) => !line.includes('initrd.img'))).toEqual([]);
  },
);

// Whatever is wrong with what runs in the capture kernel, the dump is saved.

const GATE = 'usr/lib/shootdown/gate';
const TABLE = 'usr/lib/shootdown/table';
const FAILURES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'a script that is none': { [GATE]: 'if then fi (\n' },
  'one that fails': { [GATE]: 'echo "shootdown: failing" >/dev/kmsg\nexit 1\n' },
  'one that never ends': {
    [GATE]:
      'echo "shootdown: never ending" >/dev/kmsg\nwhile :; do /usr/lib/shootdown/bin/sleep 1000; done\n',
  },
  'no table': { [TABLE]: '' },
};

describe.each(TOOLS)('%s: the dump is saved in spite of', (tool) => {
  it.each(Object.keys(FAILURES))('%s', async (what) => {
    const store = await systemStore();
    const image = await hookImage(store, tool);
    machine = await SystemMachine.create({ store, image, name: `hook-${tool}-failing` });
    const guest = await machine.boot();
    await overwriteInInitrd(guest, tool, FAILURES[what] ?? {});
    const seen = await guest.crash();
    const { names } = await expectDump(machine, seen);
    report(`${tool}: ${what} instead of the hook`, seen, names);
    expect(hookLines(seen).filter((line) => line.includes('gated by'))).toEqual([]);
  });
});
