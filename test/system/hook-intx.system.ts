import { readFileSync } from 'node:fs';
import { afterEach, expect, it } from 'vitest';
import { findEdu } from '../../src/lab/edu-master.js';
import { consoleFindings } from '../../src/lab/judge.js';
import { findDevice } from '../../src/lab/scripts.js';
import { expectDump, HOOK_DONE, hookImage, hookLines, report } from './hook.js';
import { BUSY_NIC, SystemMachine } from './machine.js';
import { systemStore } from './store.js';

// A function that nobody drives asserts INTx on the line of the disk that takes the dump. In the crashed kernel that
// disk had MSI; the capture kernel does without, so that its driver and that function share the line.

/** Of a q35: there, pin A leads to where the disk controller's does. */
const EDU_SLOT = '0000:00:1d.0';
const EDU = { model: 'edu', device: 0x1d } as const;
const EDU_ID = '0x11e8';
const EDU_IRQ_RAISE = 0x60;

interface Case {
  /** Further words of the capture kernel's command line. */
  readonly words: string;
  /** What is in Command when the crash comes: decoding, mastering, and INTx-disable or not. */
  readonly command: '\\007\\001' | '\\007\\005';
  readonly says: readonly RegExp[];
  /** What was last written to Command, as QEMU saw it. */
  readonly leaves: string;
  /**
   * After the hook: a line that nobody serves is switched off and then polled (irqpoll, which kdump-tools asks for).
   * `undefined` where QEMU 7.2 cannot show it: if a line falls while its I/O APIC entry is set to edge, as it is until a
   * driver wants it, the request stays (`info pic`: IRR 16), and the first driver on the line meets that.
   */
  readonly nobodyCared: boolean | undefined;
}

const CASES: Readonly<Record<string, Case>> = {
  'gated by config: INTx is kept off': {
    words: 'pci=nomsi',
    command: '\\007\\001',
    says: [/gated by config, Command 0107->0503/],
    leaves: '0x503',
    nobodyCared: undefined,
  },
  'locked down: gated by enable, and what nothing keeps off is told': {
    words: 'pci=nomsi lockdown=integrity',
    command: '\\007\\001',
    says: [/gated by enable, Command 0107->0103/, /asserts INTx, and nothing keeps it off/],
    leaves: '0x103',
    nobodyCared: true,
  },
  'locked down, INTx-disable set: left alone, for enable would free INTx': {
    words: 'pci=nomsi lockdown=integrity',
    command: '\\007\\005',
    says: [/stays live, Command 0507: .*would free the INTx that it asserts/],
    leaves: '0x507',
    nobodyCared: false,
  },
};

let machine: SystemMachine | undefined;
afterEach(() => machine?.close());

it.each(Object.keys(CASES))('INTx on the disk’s line, %s: the dump is saved', async (what) => {
  const { words, command, says, leaves, nobodyCared } = CASES[what] as Case;
  const store = await systemStore();
  const image = await hookImage(store, 'initramfs-tools');
  machine = await SystemMachine.create({ store, image, name: 'hook-intx' });
  const guest = await machine.boot({ devices: [...BUSY_NIC, EDU] });
  await guest.must(captureWith(words));
  await guest.must(`${findDevice(EDU_ID)}
printf '${command}' | dd of=$d/config bs=1 seek=4 conv=notrunc 2>/dev/null`);
  await guest.lab.qtest.poke((await findEdu(guest.lab)) + EDU_IRQ_RAISE, 4, 1);
  const status = await guest.must(`${findDevice(EDU_ID)}
od -An -tx1 -j 4 -N 4 $d/config`);
  // INTx status: it asserts its pin, whether that is let out or not.
  expect(Number.parseInt(status.trim().split(/\s+/)[2] ?? '', 16) & 8).toBe(8);
  await guest.diskLoad();

  const seen = await guest.crash(HOOK_DONE);
  const { names } = await expectDump(machine, seen);
  report(`INTx on the disk's line, ${what}`, seen, names);
  const edu = hookLines(seen).filter((line) => line.startsWith(EDU_SLOT));
  for (const line of says) expect(edu).toContainEqual(expect.stringMatching(line));
  const trace = readFileSync(`${machine.folder.path}/trace-1`, 'utf8');
  expect([...trace.matchAll(/cfg_write edu .* @0x4 <- (\w+)/g)].at(-1)?.[1]).toBe(leaves);
  if (nobodyCared === undefined) return;
  // What the line was given up for before the hook came, the hook cannot take back.
  const later = seen.console.slice(seen.console.search(HOOK_DONE));
  expect(consoleFindings(later).some(({ problem }) => problem === 'nobody-cared')).toBe(nobodyCared);
});

/** Adds words to those that kdump-tools appends by default, which stand in its settings as a comment. */
function captureWith(words: string): string {
  return `f=/etc/default/kdump-tools
sed -i 's/^#\\(KDUMP_CMDLINE_APPEND="[^"]*\\)"/\\1 ${words}"/' $f
grep -q '^KDUMP_CMDLINE_APPEND=.*${words}' $f || exit 1
kdump-config reload`;
}
