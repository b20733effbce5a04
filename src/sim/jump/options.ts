import type { Host } from '../../host/port.js';
import type { JumpPath } from '../../quiesce/findings.js';
import type { Kernel } from '../kernel/kernel.js';
import type { SimMachine } from '../machine.js';

/** Where a policy can act. What is left out does nothing there. */
export interface JumpHooks {
  /** In the old kernel's userspace, before it is told to jump. Normal path only. */
  readonly before?: (machine: SimMachine) => Promise<void>;
  /** The old kernel's pci_device_shutdown clears BME after each driver's shutdown. Normal path only. */
  readonly clearsBusMasters?: boolean;
  /** What a panicking kernel does on processor `cpu` before it stops the others. Interrupts are off. Crash path only. */
  readonly firstAct?: (machine: SimMachine, kernel: Kernel, cpu: number) => void;
  /**
   * The last act of the old kernel, on processor `cpu`: after device_shutdown, or in the panic, once the others have
   * stopped. Interrupts are off.
   */
  readonly lastAct?: (machine: SimMachine, kernel: Kernel, cpu: number) => void;
  /** At the next kernel's entry, before its first instruction; sees what ports CF8 and CFC show. */
  readonly between?: (host: Host) => Promise<void>;
  /** In the next kernel, before it turns interrupts on. */
  readonly early?: (machine: SimMachine, kernel: Kernel) => void;
  /** In the next kernel's initramfs, before it binds drivers. */
  readonly after?: (machine: SimMachine) => Promise<void>;
}

export interface JumpOptions extends JumpHooks {
  readonly path: JumpPath;
  /**
   * Where the next kernel is loaded, which on the normal path comes after `before`: copied to its place at the jump, or
   * lying there already, where a write before the jump hurts, too. Default: relocated on the normal path; a capture
   * kernel is always in place.
   */
  readonly load?: 'relocated' | 'in-place';
  /** The processor that panics. Default 0, the boot processor. */
  readonly crashCpu?: number;
  /** How long the next kernel is watched once its drivers are bound. Default 2000 ticks. */
  readonly ticks?: number;
  /** Drivers of the next kernel. Default: all on the normal path, those of the capture initramfs after a crash. */
  readonly drivers?: readonly string[];
  /** Processors that the next kernel uses. Default 1 after a crash (nr_cpus=1), else 8. */
  readonly cpus?: number;
  /** A capture kernel reboots once its dump is saved. Default true. */
  readonly reboot?: boolean;
}
