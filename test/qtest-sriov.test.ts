import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { QtestHost } from '../src/host/qtest.js';
import { scan } from '../src/host/scan.js';
import type { QemuMachine } from '../src/lab/machine.js';
import { seen } from '../src/pci/function.js';
import * as regs from '../src/pci/regs.js';
import type { Slot } from '../src/pci/slot.js';
import { defaultPolicy } from '../src/quiesce/default-policy.js';
import { makePlan } from '../src/quiesce/plan.js';
import { verdictOf } from '../src/quiesce/verdict.js';
import { shootdown } from './support/cli.js';
import { configWrites, connected, decode, haveQemu, withMachine } from './support/machines.js';
import { slotOf } from './support/memory-host.js';

const VFS = 3;
const MACHINE: QemuMachine = {
  chipset: 'q35',
  traces: ['pci_cfg_write'],
  devices: [
    { model: 'nvme-subsys', id: 'sub' },
    { model: 'pcie-root-port', id: 'rp' },
    {
      model: 'nvme',
      bus: 'rp',
      properties: { subsys: 'sub', sriov_max_vfs: 4, sriov_vq_flexible: 8, sriov_vi_flexible: 4 },
    },
  ],
};
const PF = slotOf('01:00.0');
const VF_SLOTS = ['01:00.1', '01:00.2', '01:00.3'].map(slotOf);

const commandOf = (host: QtestHost, slot: Slot) => host.read(slot, regs.PCI_COMMAND, 2);

/** What a driver does for `echo 3 > sriov_numvfs`. */
async function enableVfs(host: QtestHost): Promise<void> {
  const sriov = seen((await decode(host, PF)).sriov);
  if (!sriov) throw new Error('nvme has no SR-IOV');
  await host.write(PF, sriov.offset + regs.PCI_SRIOV_NUM_VF, 2, VFS);
  await host.write(PF, sriov.offset + regs.PCI_SRIOV_CTRL, 2, regs.PCI_SRIOV_CTRL_VFE | 0x8);
}

describe.skipIf(!haveQemu())('virtual functions of a device model', () => {
  it('are found, decoded, audited, gated and restored, each by its own BME', async () => {
    await withMachine(MACHINE, async (machine) => {
      await connected(machine, async (host) => {
        expect(await host.slots()).not.toContain(VF_SLOTS[0]);
        await enableVfs(host);
      });
      await connected(machine, async (host) => {
        expect((await host.slots()).filter((slot) => slot.startsWith('0000:01'))).toEqual([PF, ...VF_SLOTS]);
        expect(await host.facts?.(PF)).toMatchObject({ numVfs: VFS, physfn: null });
        for (const slot of VF_SLOTS) {
          // PCIe 9.3.4.1: no IDs of its own.
          expect(await host.read(slot, regs.PCI_VENDOR_ID, 4)).toBe(0xffff_ffff);
          expect(await host.facts?.(slot)).toEqual({ driver: null, physfn: PF });
        }
        // The last stays as it is after its reset; the physical function keeps what firmware gave it.
        for (const slot of VF_SLOTS.slice(0, 2)) await host.write(slot, regs.PCI_COMMAND, 2, 4);
        const { topology } = await scan(host);
        const verdicts = VF_SLOTS.map((slot) => {
          const node = topology.nodes.get(slot);
          expect(node?.physfn).toBe(PF);
          return node && verdictOf(node.function);
        });
        expect(verdicts).toEqual(['live', 'live', 'quiet']);
        const { steps } = makePlan(await scan(host), defaultPolicy(), { at: 'before' });
        const gated = steps.filter((step) => step.kind === 'write').map(({ slot }) => slot);
        // Virtual functions before their physical one.
        expect(gated.filter((slot) => slot.startsWith('0000:01'))).toEqual([...VF_SLOTS.slice(0, 2), PF]);
      });

      const folder = mkdtempSync(join(tmpdir(), 'shootdown-qtest-sriov-'));
      try {
        const journal = join(folder, 'journal');
        const before = configWrites(machine.trace()).length;
        expect(shootdown(['audit', '--host', `qtest:${machine.qtest}`]).stdout).toContain(VF_SLOTS[0]);
        expect(shootdown(['apply', '--host', `qtest:${machine.qtest}`, '--journal', journal]).status).toBe(0);
        const written = configWrites(machine.trace()).slice(before);
        expect(written.filter(({ slot }) => VF_SLOTS.includes(slot)).map(({ slot }) => slot)).toEqual(
          VF_SLOTS.slice(0, 2),
        );
        const commands = () =>
          connected(machine, (host) => Promise.all(VF_SLOTS.map((slot) => commandOf(host, slot))));
        // QEMU lets a VF have INTx-disable; PCIe 9.3.4.1.3 would hardwire it to 0.
        expect(await commands()).toEqual([0x400, 0x400, 0]);
        expect(shootdown(['restore', '--host', `qtest:${machine.qtest}`, journal]).status).toBe(0);
        expect(await commands()).toEqual([4, 4, 0]);
      } finally {
        rmSync(folder, { recursive: true });
      }
    });
  });
});
