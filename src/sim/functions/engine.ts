import { type Device, type DevicePort, NEVER } from '../devices/device.js';
import type { SimMachine } from '../machine.js';
import type { Random } from '../random.js';
import type { SimFunction } from './function.js';

/** Calls a device when it is due, and is all of the machine that the device sees. */
export class Engine implements DevicePort {
  readonly random: Random;
  readonly #machine: SimMachine;
  readonly #fn: SimFunction;
  readonly #device: Device;
  /** When the device wants to be called. */
  #due = NEVER;
  #acting = false;
  /** Ticks for which the schedule has an entry: it is never asked twice for one. */
  readonly #entries: number[] = [];
  readonly #called = () => this.#fire();

  constructor(machine: SimMachine, fn: SimFunction, device: Device, random: Random) {
    this.#machine = machine;
    this.#fn = fn;
    this.#device = device;
    this.random = random;
  }

  /** Something has changed: the device is called within this tick. */
  wake(): void {
    this.#want(this.#machine.schedule.now);
  }

  /** Calls the device at once, unless it is at it. */
  act(): void {
    if (this.#acting) {
      this.wake();
      return;
    }
    this.#due = NEVER;
    // A device that is not there is called again when it comes back.
    if (!this.#fn.alive) return;
    this.#acting = true;
    const next = this.#device.act(this);
    this.#acting = false;
    if (next < this.#due) this.#want(Math.max(next, this.now + 1));
  }

  get now(): number {
    return this.#machine.schedule.now;
  }

  get busMaster(): boolean {
    return this.#fn.busMaster || this.#fn.faults.ignoreBme === true;
  }

  get served(): boolean {
    return !this.#machine.interrupts.waits(this.#fn);
  }

  get outstanding(): number {
    return this.#fn.outstanding;
  }

  write(address: number, length: number): boolean {
    return this.#machine.bus.write(this.#fn, address, length);
  }

  read(address: number): boolean {
    return this.#machine.bus.read(this.#fn, address);
  }

  interrupt(count = 1): void {
    this.#machine.interrupts.raise(this.#fn, count);
  }

  #want(tick: number): void {
    this.#due = tick;
    if (this.#entries.includes(tick)) return;
    this.#entries.push(tick);
    this.#machine.schedule.at(tick, this.#called);
  }

  #fire(): void {
    const { now } = this.#machine.schedule;
    const last = this.#entries.pop() ?? now;
    if (last !== now) this.#entries[this.#entries.indexOf(now)] = last;
    if (this.#due <= now) this.act();
  }
}
