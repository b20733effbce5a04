import { type Device, NEVER } from './device.js';

/**
 * The hot-plug controller of a port. It masters nothing of its own; what it does to a jump is to be slow: its driver
 * waits for a command to complete, for as long as the description's `commandMs` says.
 */
export class HotplugPort implements Device {
  readonly busy = false;
  readonly wedged = null;

  act(): number {
    return NEVER;
  }

  program(): void {}

  serve(): void {}

  stop(): void {}
}
