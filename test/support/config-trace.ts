import { type ConfigBus, runOnBus } from '../../src/image/config-ports.js';
import { ImageRun } from '../../src/image/enter-image.js';
import { routingId, type Slot } from '../../src/pci/slot.js';
import { BARE } from './bare-code.js';
import type { BareResult } from './bare-machine.js';
import { slotOf } from './memory-host.js';

/** One access to a function that is there. */
export interface TracedAccess {
  readonly write: boolean;
  readonly slot: Slot;
  readonly offset: number;
  readonly value: number;
}

const LINE = /^pci_cfg_(read|write) \S+ ([0-9a-f:.]+) @0x([0-9a-f]+) (?:->|<-) 0x([0-9a-f]+)$/;

/** What QEMU's trace events `pci_cfg_read` and `pci_cfg_write` say, in order. Reads of empty places are not in it. */
export function configAccesses(trace: string): TracedAccess[] {
  const accesses: TracedAccess[] = [];
  for (const line of trace.split('\n')) {
    if (!line.startsWith('pci_cfg_')) continue;
    const [, kind, slot = '', offset = '', value = ''] = LINE.exec(line) ?? [];
    if (kind === undefined) throw new Error(`not a line of a trace: ${line}`);
    accesses.push({
      write: kind === 'write',
      slot: slotOf(slot),
      offset: Number.parseInt(offset, 16),
      value: Number.parseInt(value, 16),
    });
  }
  return accesses;
}

export type Snapshot = ReadonlyMap<Slot, Uint8Array>;

export interface Replay {
  readonly accesses: readonly TracedAccess[];
  /** Empty places included. */
  readonly reads: number;
  readonly writes: number;
  readonly disturbed: readonly string[];
}

/**
 * The same bytes once more, in the interpreter: on configuration space as it was, in which a register that is written
 * becomes what it became.
 */
export function replay(run: BareResult, commandLine: string, before: Snapshot, after: Snapshot): Replay {
  const spaces = new Map<number, { slot: Slot; view: DataView; after: DataView }>();
  for (const [slot, bytes] of before) {
    const became = after.get(slot) ?? bytes;
    spaces.set(routingId(slot), {
      slot,
      view: new DataView(bytes.slice().buffer),
      after: new DataView(became.buffer, became.byteOffset),
    });
  }
  const bus: ConfigBus = {
    read(rid, offset, width) {
      const space = spaces.get(rid)?.view;
      if (!space) return 2 ** (8 * width) - 1;
      if (width === 4) return space.getUint32(offset, true);
      return width === 2 ? space.getUint16(offset, true) : space.getUint8(offset);
    },
    write(rid, offset) {
      const space = spaces.get(rid);
      space?.view.setUint16(offset & ~1, space.after.getUint16(offset & ~1, true), true);
    },
  };
  const image = new ImageRun({
    code: run.code,
    bootParams: run.bootParams,
    commandLine,
    loadAddress: BARE.kernel,
    bootParamsAddress: BARE.bootParams,
    commandLineAddress: BARE.commandLine,
  });
  const exit = runOnBus(image.run(), bus);
  const { trace, reads, writes } = image.ports;
  return {
    accesses: trace.flatMap(({ write, rid, offset, value }) => {
      const slot = spaces.get(rid)?.slot;
      return slot === undefined ? [] : [{ write, slot, offset, value }];
    }),
    reads,
    writes,
    disturbed: exit.kind === 'arrived' ? image.disturbed() : [`${exit.kind}: ${exit.why}`],
  };
}
