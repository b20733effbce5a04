import type { Host, Width } from '../host/port.js';
import { ShootdownError } from '../pci/error.js';
import { hex, type Slot, slotKey, slotParts } from '../pci/slot.js';
import type { Exit } from './interpreter.js';
import type { PortRequest } from './x86-cpu.js';

/** One access to configuration space; `rid` is the routing ID in segment 0. */
export interface ConfigAccess {
  readonly write: boolean;
  readonly rid: number;
  readonly offset: number;
  readonly width: Width;
  /** Written, or read. */
  readonly value: number;
}

/** Configuration space at once: what a host is that need not wait. */
export interface ConfigBus {
  read(rid: number, offset: number, width: Width): number;
  write(rid: number, offset: number, width: Width, value: number): void;
}

const CF8 = 0xcf8;
const CFC = 0xcfc;
const PROGRESS_PORT = 0x80;
const ENABLE = 0x8000_0000;
/** Reserved in the address: extended registers of some AMD chips, and the lowest two bits. */
const RESERVED = 0x7f00_0003;

export interface ConfigPortsSetup {
  /** What port 0xCF8 holds at first. Default 0. */
  readonly cf8?: number;
  /** Whether there is anything at these ports. Default yes. */
  readonly there?: boolean;
}

/**
 * Configuration mechanism #1 (PCI Local Bus 3.0, 3.2.2.3.2), and port 0x80. Whatever else a program does with ports
 * stops it: port 0xCF9, a byte away, resets many machines.
 */
export class ConfigPorts {
  cf8: number;
  readonly #there: boolean;
  /** Every access to configuration space, in order. */
  readonly trace: ConfigAccess[] = [];
  /** What was written to port 0x80. */
  readonly progress: number[] = [];

  constructor({ cf8 = 0, there = true }: ConfigPortsSetup = {}) {
    this.cf8 = cf8 >>> 0;
    this.#there = there;
  }

  get reads(): number {
    return this.trace.length - this.writes;
  }

  get writes(): number {
    return this.trace.reduce((sum, access) => sum + (access.write ? 1 : 0), 0);
  }

  /** Serves a run: of its accesses to ports only those to configuration space are left. */
  *serve(run: Generator<PortRequest, Exit, number>): Generator<ConfigAccess, Exit, number> {
    let step = run.next();
    while (!step.done) {
      const request = step.value;
      const why = this.#problem(request);
      if (why !== null) {
        step = run.throw(new ShootdownError('unsupported', why));
        continue;
      }
      const access = this.#configAccess(request);
      if (access === null) {
        step = run.next(this.#own(request));
        continue;
      }
      const value = yield access;
      this.trace.push(access.write ? access : { ...access, value: value >>> 0 });
      step = run.next(value);
    }
    return step.value;
  }

  #problem(request: PortRequest): string | null {
    const { write, port, width } = request;
    if (port === CF8) return width === 4 ? null : textOf(request);
    if (port === PROGRESS_PORT) return write && width === 1 ? null : textOf(request);
    if (port < CFC || port + width > CFC + 4 || port % width !== 0) return textOf(request);
    if (!this.#there || ((this.cf8 & ENABLE) !== 0 && (this.cf8 & RESERVED) === 0)) return null;
    return `${textOf(request)}, while port cf8 holds ${hex(this.cf8, 8)}`;
  }

  #configAccess({ write, port, width, value }: PortRequest): ConfigAccess | null {
    if (port < CFC || !this.#there) return null;
    const rid = (this.cf8 >>> 8) & 0xffff;
    return { write, rid, offset: (this.cf8 & 0xff) + (port - CFC), width, value };
  }

  #own({ write, port, value }: PortRequest): number {
    if (port === PROGRESS_PORT) this.progress.push(value);
    if (!this.#there) return 0xffff_ffff;
    if (port === CF8 && write) this.cf8 = value >>> 0;
    return this.cf8;
  }
}

function textOf({ write, port, width, value }: PortRequest): string {
  return `${write ? `write of ${hex(value, 1)} to` : 'read from'} port ${hex(port, 1)}, ${width} bytes`;
}

/** Runs to the end on a bus that answers at once. */
export function runOnBus(run: Generator<ConfigAccess, Exit, number>, bus: ConfigBus): Exit {
  let step = run.next();
  while (!step.done) {
    const { write, rid, offset, width, value } = step.value;
    if (write) bus.write(rid, offset, width, value);
    step = run.next(write ? 0 : bus.read(rid, offset, width));
  }
  return step.value;
}

/** Runs to the end on segment 0 of a host. What it cannot read gives all ones, as on the bus. */
export async function runOnHost(run: Generator<ConfigAccess, Exit, number>, host: Host): Promise<Exit> {
  const slots = new Map<number, Slot>();
  for (const slot of await host.slots()) slots.set(slotKey(slotParts(slot)), slot);
  let step = run.next();
  while (!step.done) {
    const slot = slots.get(step.value.rid);
    const missing = 2 ** (step.value.width * 8) - 1;
    step = run.next(slot === undefined ? missing : await accessHost(host, slot, step.value, missing));
  }
  return step.value;
}

async function accessHost(host: Host, slot: Slot, access: ConfigAccess, missing: number): Promise<number> {
  const { write, offset, width, value } = access;
  try {
    if (!write) return await host.read(slot, offset, width);
    await host.write(slot, offset, width, value);
    return 0;
  } catch (error) {
    if (error instanceof ShootdownError && (error.code === 'io' || error.code === 'vanished')) return missing;
    throw error;
  }
}
