import { afterEach, expect, it } from 'vitest';
import { guestImage } from './image.js';
import { SystemMachine } from './machine.js';
import { type InitramfsTool, kdumpRecipe } from './recipe.js';
import { savedDumps } from './saved.js';
import { systemStore } from './store.js';

// The control: a Debian as its packages set it up, without us. What it names for kdump differs: see recipe.ts.

const CAPTURE_KERNEL: Readonly<Record<InitramfsTool, RegExp>> = {
  'initramfs-tools': /\/var\/lib\/kdump\/vmlinuz: symbolic link to \/boot\/vmlinuz-/,
  dracut: /--initrd=\/boot\/initrd\.img-\S+ \/boot\/vmlinuz-/,
};

let machine: SystemMachine | undefined;
afterEach(() => machine?.close());

it.each(['initramfs-tools', 'dracut'] as const)(
  '%s: a plain guest saves its dump, and frames land in memory before it does',
  async (tool) => {
    const store = await systemStore();
    const image = await guestImage(store, await kdumpRecipe(tool));
    machine = await SystemMachine.create({ store, image, name: `plain-${tool}` });
    const guest = await machine.boot();
    const shown = await guest.must('kdump-config show');
    expect(shown).toMatch(/current state: +ready to kdump/);
    expect(shown).toMatch(CAPTURE_KERNEL[tool]);
    await guest.networkLoad();
    await guest.diskLoad();

    const { stray, ended } = await guest.crash();
    const { landed, sent, later } = stray;
    console.error(
      `${tool}: ${landed} stray of ${sent} sent; of the later ones ${later.landed} of ${later.sent}`,
    );
    expect(ended).toBe('guest-reset');
    expect(stray.aliveBefore).toBe(true);
    expect(landed).toBeGreaterThan(0);
    const [dump, ...more] = await savedDumps(machine.disk);
    expect(more).toEqual([]);
    expect(dump?.header).toBe('makedumpfile');
    expect(dump?.dmesg).toContain('Kernel panic - not syncing: sysrq triggered crash');
  },
);
