import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock as clock } from '../src/host/clock.js';
import { openQtest } from '../src/host/qtest.js';
import { type Machine, scan } from '../src/host/scan.js';
import { type TracedWrite, tracedWrites } from '../src/lab/guest-flight.js';
import type { FunctionChange } from '../src/lab/guest-pci.js';
import { type GuestParts, modulePath } from '../src/lab/initramfs.js';
import { startMachine } from '../src/lab/machine-start.js';
import { runScenario } from '../src/lab/run.js';
import { RunFolder } from '../src/lab/run-folder.js';
import type { Scenario } from '../src/lab/scenario.js';
import { scenarioNamed } from '../src/lab/scenarios.js';
import { findDevice, LEAVE_MASTERING } from '../src/lab/scripts.js';
import type { LabVerdict } from '../src/lab/verdict.js';
import { seen } from '../src/pci/function.js';
import * as regs from '../src/pci/regs.js';
import type { Slot } from '../src/pci/slot.js';
import { defaultPolicy } from '../src/quiesce/default-policy.js';
import { parsePolicy } from '../src/quiesce/policy.js';
import { compileGateTable } from '../src/system/gate-table.js';
import { SHOOTDOWN } from './support/cli.js';
import { addHookScript, HOOK_LOG, WITH_HOOK } from './support/hook-guest.js';
import { ALL_GUESTS, labParts, labWanted, onlyIfAll, RUN_TIMEOUT_MS } from './support/lab.js';
import { slotOf } from './support/memory-host.js';

// The hook after the jump in a capture kernel that nobody has wrapped, with live traffic. That the generators put it
// where it belongs is tested with a whole Debian (npm run test:system).

const NIC = slotOf('0000:00:03.0');
/** Offers FLR; the policy says to reset it. */
const NVME = slotOf('0000:00:05.0');
/** Without a driver in either kernel, and asserts INTx. */
const EDU = slotOf('0000:00:07.0');
/** Uses MSI, where the others use MSI-X. */
const AHCI = slotOf('0000:00:1f.2');

const CASES = {
  gate: { words: '', enabled: 0, intxDisabled: false },
  lockdown: { words: 'lockdown=integrity', enabled: null, intxDisabled: true },
  observe: { words: 'shootdown=observe', enabled: 1, intxDisabled: false },
} as const;
type Case = keyof typeof CASES;
/** Two guests run side by side. */
const LANES: readonly (readonly Case[])[] = [['gate', 'observe'], ['lockdown']];
/** The others only if guests that take long are wanted. */
const ALWAYS = '6.1';
const SERIES = ALL_GUESTS ? ['6.1', '6.12'] : [ALWAYS];
/** A test may wait for all of them. */
const TIMEOUT_MS = 2 * SERIES.length * RUN_TIMEOUT_MS;

const TRAFFIC = scenarioNamed('crash-e1000e');
const DEVICES: Scenario['devices'] = [
  ...TRAFFIC.devices,
  { model: 'nvme', device: 5 },
  { model: 'edu', device: 7 },
];
const DISK_APPEARS = `for i in $(seq 150); do [ -b /dev/nvme0n1 ] && break; sleep 0.1; done
[ -b /dev/nvme0n1 ] || { echo the disk does not appear; exit 1; }`;
/** NVM Express Base Specification 1.4, 3.1.5: Controller Configuration, whose bit 0 is Enable. */
const NVME_CC = 0x14;
/** PCI Express Base Specification 5.0, 7.5.3.4: Initiate Function Level Reset in Device Control. */
const INITIATE_FLR = 0x8000;

interface Hooked {
  readonly verdict: LabVerdict;
  /** What the hook said to the next kernel's log, a line each. */
  readonly said: readonly string[];
  /** The whole of that kernel's console. */
  readonly console: string;
  readonly writes: readonly TracedWrite[];
}

const runs = new Map<string, Promise<Hooked>>();
let scratch: string;
let machine: Machine;

function hooked(series: string, name: Case): Promise<Hooked> {
  return runs.get(`${series} ${name}`) ?? Promise.reject(new Error(`not run: ${series} ${name}`));
}

/** The machine as its firmware leaves it, before there is a guest. */
async function scanMachine(): Promise<Machine> {
  const devices = DEVICES.map(({ netdev: _, ...device }) => device);
  const started = await startMachine({ chipset: 'q35', devices });
  try {
    const host = await openQtest(started.qtest);
    const found = await scan(host);
    await host.close();
    return found;
  } finally {
    await started.stop();
  }
}

function hookTable(): string {
  const reset = { id: 'reset-nvme', match: { class: '0108' }, action: 'reset', reason: 'a test' };
  const policy = { ...defaultPolicy(), rules: [reset, ...defaultPolicy().rules] };
  const parsed = parsePolicy(JSON.stringify(policy), 'policy');
  return compileGateTable(parsed, { machine, when: 'crash', tool: 'lab' }).text;
}

/** A device that asserts INTx, held back by INTx-disable or not. */
function raiseIntx(disabled: boolean): string {
  const disable = "printf '\\007\\005' | dd of=$d/config bs=1 seek=4 conv=notrunc 2>/dev/null";
  const raise = 'devmem $(( $bar + 0x60 )) 32 1';
  return [findDevice('0x11e8'), disabled ? disable : LEAVE_MASTERING, raise].join('\n');
}

/** What the hook told the kernel is what its own log says; the controller is at work, or was reset. */
function checkScript(enabled: 0 | 1 | null): string {
  const said = `dmesg | sed -n 's/^.*\\] shootdown: //p' | cmp - ${HOOK_LOG} || exit 1`;
  if (enabled === null) return said;
  return `${said}
${findDevice('0x0010')}
[ $(( $(devmem $(( $bar + ${NVME_CC} ))) & 1 )) = ${enabled} ] || { echo Enable of the controller is not ${enabled}; exit 1; }`;
}

async function insmodScript({ kernel }: GuestParts, names: readonly string[]): Promise<string> {
  const modules = await kernel.modules(names);
  return modules.map(({ name }) => `insmod ${modulePath(name)} || exit 1`).join('\n');
}

async function crash(parts: GuestParts, name: Case): Promise<Hooked> {
  const { words, enabled, intxDisabled } = CASES[name];
  const folder = new RunFolder(mkdtempSync(join(scratch, 'run-')));
  const scenario: Scenario = {
    ...TRAFFIC,
    devices: DEVICES,
    // QEMU 7.2 aborts now and then when a driver takes this card over after a crash: the disk shows what can be used.
    comesBack: false,
    setup: [
      await insmodScript(parts, ['nvme', 'ahci']),
      DISK_APPEARS,
      TRAFFIC.setup,
      raiseIntx(intxDisabled),
      addHookScript(hookTable()),
    ].join('\n'),
    cmdline: { next: `${WITH_HOOK} ${words}` },
    after: [checkScript(enabled), await insmodScript(parts, ['nvme']), DISK_APPEARS].join('\n'),
  };
  const verdict = await runScenario(scenario, {
    policy: 'none',
    parts,
    clock,
    seed: randomBytes(12),
    folder,
    shootdown: { node: process.execPath, bundle: SHOOTDOWN },
  });
  const read = (file: string) => readFileSync(join(folder.path, file), 'latin1');
  const text = read('guest_console.txt').replaceAll('\r', '');
  const console = text.slice(text.lastIndexOf('Linux version'));
  const said = [...console.matchAll(/^\[ *\d+\.\d+\] shootdown: (.*)$/gm)].map(([, line = '']) => line);
  return { verdict, said, console, writes: tracedWrites(read('pci_cfg_write.trace')) };
}

/** Each lane's guests one after the other, and both lanes side by side. */
async function startRuns(series: string, earlier: readonly Promise<unknown>[]): Promise<Promise<unknown>[]> {
  const parts = await labParts(series);
  return LANES.map((lane, n) => {
    let last = earlier[n] ?? Promise.resolve();
    for (const name of lane) {
      const one = last.then(() => crash(parts, name));
      runs.set(`${series} ${name}`, one);
      last = one.catch(() => {});
    }
    return last;
  });
}

function changeOf({ verdict }: Hooked, slot: Slot): FunctionChange {
  const found = verdict.functions.find((one) => one.slot === slot);
  if (!found) throw new Error(`no function at ${slot}`);
  return found;
}

/** The next kernel came up, complains of nothing, and can use the disk (see `after`) and the dump. */
function expectGoodDump({ verdict }: Hooked): void {
  expect(verdict.next).toMatchObject({ up: true, release: verdict.kernel.release });
  expect(verdict.console).toEqual([]);
  expect(verdict.uses).toEqual({ network: null, vmcore: true });
}

/** Frames land until the hook has run, whatever it does then. */
function expectTraffic({ verdict }: Hooked): void {
  expect(verdict.stray).toMatchObject({ of: 'frames', sent: 100, aliveBefore: true });
  expect(verdict.stray.landed).toBeGreaterThan(90);
}

/** What was written to a function in the next kernel, from outside: each kernel first finds out how long BAR 0 is. */
function nextKernelWrites({ writes }: Hooked, slot: Slot): readonly TracedWrite[] {
  const own = writes.filter((write) => write.slot === slot.slice(5));
  return own.slice(own.findLastIndex(({ offset, value }) => offset === 0x10 && value === 0xffff_ffff));
}

/** Those that follow the one that turned its message interrupts off. */
function writesWithoutMessages(flown: Hooked, slot: Slot): readonly TracedWrite[] {
  const fn = machine.topology.nodes.get(slot)?.function;
  const [msix, msi] = [fn && seen(fn.msix), fn && seen(fn.msi)];
  const control = (msix?.offset ?? msi?.offset ?? 0) + 2;
  const enable = msix ? regs.PCI_MSIX_FLAGS_ENABLE : regs.PCI_MSI_FLAGS_ENABLE;
  const all = nextKernelWrites(flown, slot);
  const off = all.findIndex(({ offset, value }) => offset === control && (value & enable) === 0);
  expect(off, `message interrupts of ${slot} are turned off`).toBeGreaterThan(0);
  return all.slice(off + 1);
}

function commandsOf(writes: readonly TracedWrite[]): readonly number[] {
  return writes.filter(({ offset }) => offset === regs.PCI_COMMAND).map(({ value }) => value & 0xffff);
}

describe.skipIf(!labWanted())('the hook in a plain capture kernel', () => {
  beforeAll(async () => {
    scratch = mkdtempSync(join(tmpdir(), 'shootdown-hook-'));
    machine = await scanMachine();
    let lanes: Promise<unknown>[] = [];
    for (const series of SERIES) lanes = await startRuns(series, lanes);
  }, TIMEOUT_MS);
  afterAll(async () => {
    await Promise.allSettled(runs.values());
    rmSync(scratch, { recursive: true, force: true });
  }, TIMEOUT_MS);

  for (const series of ['6.1', '6.12']) {
    const wanted = series === ALWAYS;
    const only = onlyIfAll(wanted);
    describe.skipIf(!SERIES.includes(series))(series, () => {
      it(
        `gates what has no driver, before the first driver is there, and resets what the policy says${only}`,
        async () => {
          const flown = await hooked(series, 'gate');
          expectGoodDump(flown);
          expectTraffic(flown);
          expect(flown.verdict.stray.later).toEqual({ sent: 10, landed: 0 });
          expect(flown.said).toEqual([
            'after the jump: policy default, on on',
            `${NIC} 8086:10d3: gated by config, Command 0507->0503 (rule otherwise)`,
            `${NVME}: reset by flr`,
            `${NVME} 1b36:0010: gated by config, Command 0507->0503 (rule reset-nvme)`,
            `${EDU} 1234:11e8: gated by config, Command 0107->0503 (rule otherwise)`,
            `${AHCI} 8086:2922: gated by config, Command 0507->0503 (rule otherwise)`,
            'after the jump: 4 gated, 0 failed, 0 left live',
          ]);
          const driver = flown.console.indexOf('nvme nvme0: pci function');
          expect(driver).toBeGreaterThan(flown.console.indexOf('4 gated, 0 failed'));
          for (const slot of [NIC, NVME, AHCI]) {
            const { after } = changeOf(flown, slot);
            expect(after, slot).toMatchObject({ command: '0503', verdict: 'quiet', intxDisabled: true });
          }
          expect(changeOf(flown, EDU).after).toMatchObject({ verdict: 'quiet', intxAsserted: true });
        },
        TIMEOUT_MS,
      );

      it(
        `finds MSI and MSI-X off: Linux has turned them off before, and the hook turns nothing on${only}`,
        async () => {
          for (const name of ['gate', 'lockdown', 'observe'] as const) {
            const flown = await hooked(series, name);
            for (const slot of [NIC, NVME, AHCI]) {
              const { before, after } = changeOf(flown, slot);
              expect({ before, after }, `${name} ${slot}`).toMatchObject({
                before: { messages: true, verdict: 'live' },
                after: { messages: false },
              });
              // Throws where they were not.
              writesWithoutMessages(flown, slot);
            }
          }
        },
        TIMEOUT_MS,
      );

      it(
        `writes what it says and nothing else, seen from outside${only}`,
        async () => {
          const flown = await hooked(series, 'gate');
          expect(commandsOf(writesWithoutMessages(flown, NIC))[0]).toBe(0x0503);
          expect(writesWithoutMessages(flown, AHCI)).toEqual([
            { slot: AHCI.slice(5), offset: regs.PCI_COMMAND, value: 0x0503 },
          ]);
          const disk = writesWithoutMessages(flown, NVME);
          const express = seen(machine.topology.nodes.get(NVME)?.function.express ?? null);
          const isReset = ({ offset, value }: TracedWrite) =>
            offset === (express?.offset ?? 0) + 8 && (value & INITIATE_FLR) !== 0;
          const reset = disk.findIndex(isReset);
          expect(reset).toBeGreaterThan(0);
          // Linux takes Command away for the reset and puts it back, BME with it: only then it is gated.
          expect(commandsOf(disk.slice(0, reset))).toEqual([0x0400]);
          expect(commandsOf(disk.slice(reset)).slice(0, 2)).toEqual([0x0507, 0x0503]);
        },
        TIMEOUT_MS,
      );

      it(
        `where the kernel is locked down it goes by enable, which frees INTx-disable, and leaves what asserts INTx${only}`,
        async () => {
          const flown = await hooked(series, 'lockdown');
          expectGoodDump(flown);
          expectTraffic(flown);
          expect(flown.console).toContain('Lockdown: dd: direct PCI access is restricted');
          expect(flown.verdict.stray.later).toEqual({ sent: 10, landed: 0 });
          expect(flown.said).toEqual([
            'after the jump: policy default, on on',
            `${NIC} 8086:10d3: gated by enable, Command 0507->0103 (rule otherwise)`,
            `${NVME}: reset by flr`,
            `${NVME} 1b36:0010: gated by enable, Command 0507->0103 (rule reset-nvme)`,
            `${EDU} 1234:11e8: stays live, Command 0507: config cannot be written, and enable would free the INTx that it asserts`,
            `${AHCI} 8086:2922: gated by enable, Command 0507->0103 (rule otherwise)`,
            'after the jump: 3 gated, 1 failed, 0 left live',
          ]);
          for (const slot of [NIC, NVME, AHCI]) {
            const { after } = changeOf(flown, slot);
            expect(after, slot).toMatchObject({ command: '0103', verdict: 'quiet', intxDisabled: false });
          }
          const edu = { command: '0507', verdict: 'live', intxAsserted: true, intxDisabled: true };
          expect(changeOf(flown, EDU).after).toMatchObject(edu);
          // Seen from outside: Linux frees INTx-disable first, and then clears BME.
          for (const slot of [NIC, AHCI]) {
            expect(commandsOf(writesWithoutMessages(flown, slot)).slice(0, 2), slot).toEqual([
              0x0107, 0x0103,
            ]);
          }
          expect(commandsOf(nextKernelWrites(flown, EDU)).at(-1)).toBe(0x0507);
        },
        TIMEOUT_MS,
      );

      it(
        `control: with shootdown=observe it says what it would do, writes nothing, and the frames land${only}`,
        async () => {
          const flown = await hooked(series, 'observe');
          expectGoodDump(flown);
          expectTraffic(flown);
          expect(flown.verdict.stray.later).toEqual({ sent: 10, landed: 10 });
          expect(flown.said).toEqual([
            'after the jump: policy default, on observe',
            `${NIC} 8086:10d3: would gate it, Command 0507 (rule otherwise)`,
            `${NVME} 1b36:0010: would reset it, Command 0507 (rule reset-nvme)`,
            `${EDU} 1234:11e8: would gate it, Command 0107 (rule otherwise)`,
            `${AHCI} 8086:2922: would gate it, Command 0507 (rule otherwise)`,
            'after the jump: 4 would be gated, 0 failed, 0 left live',
          ]);
          for (const { slot, before, after } of flown.verdict.functions) {
            expect(after?.command, slot).toBe(before?.command);
          }
          // Of those that get no driver afterwards nobody has written anything.
          expect(writesWithoutMessages(flown, AHCI)).toEqual([]);
          for (const slot of [NIC, NVME, EDU]) {
            expect(commandsOf(nextKernelWrites(flown, slot)), slot).not.toContain(0x0503);
          }
        },
        TIMEOUT_MS,
      );
    });
  }
});
