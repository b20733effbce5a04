import { afterEach, expect, it } from 'vitest';
import { guestImage } from './image.js';
import { SystemMachine } from './machine.js';
import { kdumpRecipe } from './recipe.js';
import { savedDumps } from './saved.js';
import { systemStore } from './store.js';

// The control: a Debian as its packages set it up, without us.

let machine: SystemMachine | undefined;
afterEach(() => machine?.close());

it('initramfs-tools: a plain guest saves its dump, and frames land while it does', async () => {
  const store = await systemStore();
  const image = await guestImage(store, await kdumpRecipe('initramfs-tools'));
  machine = await SystemMachine.create({ store, image, name: 'plain-initramfs-tools' });
  const guest = await machine.boot();
  expect(await guest.must('kdump-config show')).toMatch(/current state: +ready to kdump/);
  expect(await guest.must('kdump-config show')).toContain('symbolic link to /boot/vmlinuz-');
  await guest.networkLoad();
  await guest.diskLoad();

  const { stray, ended } = await guest.crash();
  console.error(
    `${stray.landed} stray of ${stray.sent} sent, later ${stray.later.landed} of ${stray.later.sent}`,
  );
  expect(ended).toBe('guest-reset');
  expect(stray.aliveBefore).toBe(true);
  expect(stray.landed).toBeGreaterThan(0);
  const [dump, ...more] = await savedDumps(machine.disk);
  expect(more).toEqual([]);
  expect(dump?.header).toBe('makedumpfile');
  expect(dump?.dmesg).toContain('Kernel panic - not syncing: sysrq triggered crash');
});
