import type { Random } from '../random.js';
import type { DevicePort } from './device.js';

/** A port as seen through something that sits before it; a part that behaves otherwise overrides its method. */
export class PortView implements DevicePort {
  readonly port: DevicePort;

  constructor(port: DevicePort) {
    this.port = port;
  }

  get now(): number {
    return this.port.now;
  }

  get random(): Random {
    return this.port.random;
  }

  get busMaster(): boolean {
    return this.port.busMaster;
  }

  get served(): boolean {
    return this.port.served;
  }

  get outstanding(): number {
    return this.port.outstanding;
  }

  write(address: number, length: number): boolean {
    return this.port.write(address, length);
  }

  read(address: number): boolean {
    return this.port.read(address);
  }

  interrupt(count?: number): void {
    this.port.interrupt(count);
  }
}
