import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FunctionFacts } from '../src/host/facts.js';
import { type Host, readRange, type Width } from '../src/host/port.js';
import { plainFacts } from '../src/host/sysfs-facts.js';
import { ShootdownError } from '../src/pci/error.js';
import * as regs from '../src/pci/regs.js';
import { compareSlots, parseSlot, type Slot } from '../src/pci/slot.js';

/** A host and what is known of the machine behind it. */
export interface ContractSubject {
  readonly host: Host;
  /** Every slot, in order. */
  readonly slots: readonly string[];
  /** An endpoint that is there; on a writable host its bus-master enable and interrupt line can be written. */
  readonly present: string;
  /** How much of `present` the host can see. */
  readonly visible: 64 | 256 | 4096;
  /** A function that reads all ones, if the host has one. */
  readonly absent?: string;
  cleanUp?(): void | Promise<void>;
}

const ABSENT_FROM_ALL = 'fedc:ba:1f.7' as Slot;
const WIDTHS: readonly Width[] = [1, 2, 4];

/** What every host must do, whatever is behind it; `open` makes a fresh machine each time. */
export function describeHostContract(name: string, open: () => Promise<ContractSubject>): void {
  describe(`host contract: ${name}`, () => {
    let subject: ContractSubject;
    let host: Host;
    let slot: Slot;

    beforeEach(async () => {
      subject = await open();
      host = subject.host;
      slot = known(subject.present);
    });
    afterEach(async () => {
      await host.close();
      await subject.cleanUp?.();
    });

    it('names every function once and in order', async () => {
      const slots = await host.slots();
      expect(slots).toEqual(subject.slots);
      expect([...slots].sort(compareSlots)).toEqual(slots);
      expect(new Set(slots).size).toBe(slots.length);
      expect(slots.map((s) => parseSlot(s))).toEqual(slots);
      expect(await host.slots()).toEqual(slots);
    });

    it('says how much of a function it can see', async () => {
      expect(await host.visibleBytes(slot)).toBe(subject.visible);
    });

    it('reads the same in every width, little-endian', async () => {
      const bytes = await readRange(host, slot, 0, 64);
      expect(bytes).toHaveLength(64);
      for (const width of WIDTHS) {
        for (let offset = 0; offset < 64; offset += width) {
          // Status, and what comes after it in its dword, may change between two reads.
          if (offset >= 4 && offset < 8) continue;
          expect(await host.read(slot, offset, width)).toBe(littleEndian(bytes, offset, width));
        }
      }
    });

    it('reads a range in the middle like one from the start', async () => {
      const bytes = await readRange(host, slot, 0, 64);
      expect(await readRange(host, slot, 8, 8)).toEqual(bytes.slice(8, 16));
      expect(await readRange(host, slot, 0x2a, 6)).toEqual(bytes.slice(0x2a, 0x30));
    });

    it('ends a range where it cannot see on', async () => {
      if (!host.readRange) return;
      expect((await host.readRange(slot, subject.visible - 4, 16)).length).toBeLessThanOrEqual(4);
      expect(await host.readRange(slot, subject.visible, 4)).toHaveLength(0);
    });

    it('rejects what is misaligned, invisible or of an unknown function', async () => {
      const { visible } = subject;
      await rejects(host.read(slot, 1, 2), 'usage');
      await rejects(host.read(slot, 2, 4), 'usage');
      await rejects(host.read(slot, visible, 1), 'usage');
      await rejects(host.read(slot, visible - 2, 4), 'usage');
      await rejects(host.read(slot, -4, 4), 'usage');
      await rejects(host.read(slot, 0.5, 1), 'usage');
      await rejects(host.read(ABSENT_FROM_ALL, 0, 4), 'usage');
      await rejects(host.visibleBytes(ABSENT_FROM_ALL), 'usage');
      if (!host.writable) return;
      await rejects(host.write(slot, 1, 2, 0), 'usage');
      await rejects(host.write(slot, visible, 1, 0), 'usage');
      await rejects(host.write(ABSENT_FROM_ALL, 4, 2, 0), 'usage');
    });

    it('writes exactly the bytes of a register, or refuses to', async () => {
      const before = await readRange(host, slot, 0, 64);
      const command = littleEndian(before, regs.PCI_COMMAND, 2);
      const line = littleEndian(before, regs.PCI_INTERRUPT_LINE, 1);
      const change = command ^ regs.PCI_COMMAND_MASTER;
      if (!host.writable) {
        await rejects(host.write(slot, regs.PCI_COMMAND, 2, change), 'read-only');
        expect(await readRange(host, slot, 0, 64)).toEqual(before);
        expect(host.actions).toBeUndefined();
        return;
      }
      await host.write(slot, regs.PCI_COMMAND, 2, change);
      expect(await host.read(slot, regs.PCI_COMMAND, 2)).toBe(change);
      await host.write(slot, regs.PCI_INTERRUPT_LINE, 1, line ^ 0x5a);
      expect(await host.read(slot, regs.PCI_INTERRUPT_LINE, 1)).toBe(line ^ 0x5a);
      const after = await readRange(host, slot, 0, 64);
      expect(differences(before, after)).toEqual([regs.PCI_COMMAND, regs.PCI_INTERRUPT_LINE]);
      await host.write(slot, regs.PCI_COMMAND, 2, command);
      await host.write(slot, regs.PCI_INTERRUPT_LINE, 1, line);
      expect(differences(before, await readRange(host, slot, 0, 64))).toEqual([]);
    });

    it('reads all ones where nothing answers', async () => {
      if (subject.absent === undefined) return;
      expect(await host.read(known(subject.absent), 4, 4)).toBe(0xffff_ffff);
      expect(await host.read(known(subject.absent), 0, 2)).toBe(0xffff);
      expect(await host.read(known(subject.absent), 0x0e, 1)).toBe(0xff);
    });

    it('goes on after a function was released', async () => {
      const id = await host.read(slot, 0, 4);
      host.release?.(slot);
      host.release?.(slot);
      expect(await host.read(slot, 0, 4)).toBe(id);
    });

    it('has facts that are well-formed', async () => {
      for (const each of await host.slots()) {
        const facts = await host.facts?.(each);
        if (facts) checkFacts(facts, await host.slots());
      }
      const machine = await host.machineFacts?.();
      for (const value of Object.values(machine ?? {})) expect(value).toBeDefined();
      for (const note of host.notes) expect(note).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
    });

    it('can be closed twice', async () => {
      await host.read(slot, 0, 4);
      await host.close();
      await host.close();
    });
  });
}

function known(text: string): Slot {
  const slot = parseSlot(text);
  if (slot !== text) throw new Error(`${text} is not a slot in full`);
  return slot;
}

function littleEndian(bytes: Uint8Array, offset: number, width: Width): number {
  let value = 0;
  for (let at = width - 1; at >= 0; at--) value = value * 256 + (bytes[offset + at] ?? 0);
  return value;
}

/** Offsets at which two headers differ, without Status, which devices change on their own. */
function differences(before: Uint8Array, after: Uint8Array): number[] {
  const offsets = [...before.keys()].filter((at) => before[at] !== after[at]);
  return offsets.filter((at) => at !== regs.PCI_STATUS && at !== regs.PCI_STATUS + 1);
}

async function rejects(promise: Promise<unknown>, code: string): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ShootdownError);
  if (!(error instanceof ShootdownError)) return;
  expect(error.code).toBe(code);
  expect(error.message).not.toMatch(/[\u0000-\u001f]/);
}

function checkFacts(facts: FunctionFacts, slots: readonly Slot[]): void {
  for (const [key, value] of Object.entries(plainFacts(facts))) expect(value, key).toBeDefined();
  if (facts.driver) expect(facts.driver).toMatch(/^[^\u0000-\u001f/]+$/);
  if (facts.ids) {
    for (const id of Object.values(facts.ids)) expect(Number.isInteger(id)).toBe(true);
  }
  for (const count of [facts.enabled, facts.numaNode, facts.numVfs, facts.iommuGroup ?? undefined]) {
    if (count !== undefined) expect(Number.isInteger(count) && count >= 0).toBe(true);
  }
  if (facts.physfn) expect(slots).toContain(facts.physfn);
  for (const method of facts.resetMethods ?? []) expect(method).toMatch(/^[a-z_]+$/);
  if (facts.holds) expect(facts.holds.length).toBeGreaterThan(0);
}
