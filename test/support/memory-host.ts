import type { Clock } from '../../src/host/clock.js';
import type { FunctionFacts, MachineFacts } from '../../src/host/facts.js';
import { checkAccess, type Host, type HostActions, unknownSlot, type Width } from '../../src/host/port.js';
import type { VisibleBytes } from '../../src/pci/config-image.js';
import { ShootdownError } from '../../src/pci/error.js';
import { compareSlots, parseSlot, type Slot } from '../../src/pci/slot.js';
import { encodeFunction, type FunctionDescription } from './encode.js';

export interface Access {
  readonly kind: 'read' | 'write';
  readonly slot: Slot;
  readonly offset: number;
  readonly width: Width;
  readonly value: number;
}

export interface MemoryFunction extends FunctionDescription {
  readonly facts?: FunctionFacts;
}

/** What a test may put between a host and its bytes: return a value to answer in their stead, or throw. */
export interface Interference {
  read?(slot: Slot, offset: number, width: Width, value: number): number | undefined;
  /** Return false to drop the write. */
  write?(slot: Slot, offset: number, width: Width, value: number): boolean | undefined;
}

export interface MemoryHost extends Host {
  readonly log: Access[];
  readonly calls: string[];
  bytes(): Record<string, string>;
  interfere: Interference;
}

export const slotOf = (text: string): Slot => {
  const slot = parseSlot(text);
  if (!slot) throw new Error(`not a slot: ${text}`);
  return slot;
};

/** A host whose functions are plain bytes, all writable, with a log of every access. */
export function memoryHost(
  functions: Record<string, MemoryFunction>,
  machineFacts: MachineFacts = {},
): MemoryHost {
  const space = new Map<Slot, Uint8Array>();
  const facts = new Map<Slot, FunctionFacts>();
  for (const [text, description] of Object.entries(functions)) {
    space.set(slotOf(text), encodeFunction(description));
    facts.set(slotOf(text), { driver: null, ...description.facts });
  }
  const log: Access[] = [];
  const calls: string[] = [];
  const bytesOf = (slot: Slot) => {
    const bytes = space.get(slot);
    if (!bytes) throw unknownSlot('memory', slot);
    return bytes;
  };
  const visible = (slot: Slot) => bytesOf(slot).length as VisibleBytes;
  const actions: HostActions = {
    async unbind(slot, driver) {
      calls.push(`unbind ${slot} ${driver}`);
      facts.set(slot, { ...facts.get(slot), driver: null });
    },
    async bind(slot, driver) {
      calls.push(`bind ${slot} ${driver}`);
      facts.set(slot, { ...facts.get(slot), driver });
    },
    async reset(slot) {
      calls.push(`reset ${slot}`);
    },
  };
  const host: MemoryHost = {
    name: 'memory',
    writable: true,
    notes: [],
    log,
    calls,
    actions,
    interfere: {},
    slots: async () => [...space.keys()].sort(compareSlots),
    visibleBytes: async (slot) => visible(slot),
    async read(slot, offset, width) {
      checkAccess(slot, offset, width, visible(slot));
      const bytes = bytesOf(slot);
      let value = 0;
      for (let i = width - 1; i >= 0; i--) value = value * 256 + (bytes[offset + i] ?? 0);
      value = host.interfere.read?.(slot, offset, width, value) ?? value;
      log.push({ kind: 'read', slot, offset, width, value });
      return value;
    },
    async write(slot, offset, width, value) {
      checkAccess(slot, offset, width, visible(slot));
      log.push({ kind: 'write', slot, offset, width, value });
      if (host.interfere.write?.(slot, offset, width, value) === false) return;
      const bytes = bytesOf(slot);
      for (let i = 0; i < width; i++) bytes[offset + i] = (value >>> (8 * i)) & 0xff;
    },
    facts: async (slot) => facts.get(slot) ?? {},
    machineFacts: async () => machineFacts,
    close: async () => {},
    bytes: () =>
      Object.fromEntries([...space].map(([slot, bytes]) => [slot, Buffer.from(bytes).toString('hex')])),
  };
  return host;
}

/** A clock that stands still until somebody sleeps. */
export function testClock(): Clock {
  let now = 0;
  return {
    now: () => now,
    async sleep(ms, signal) {
      if (signal) return new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
      now += Math.max(ms, 0);
    },
  };
}

/** A clock on which everything that may time out does so at once. */
export function impatientClock(): Clock {
  let now = 0;
  return {
    now: () => now,
    async sleep(ms) {
      now += ms;
    },
  };
}

export const ioError = (slot: Slot) => new ShootdownError('io', `${slot}: input/output error`, { slot });
