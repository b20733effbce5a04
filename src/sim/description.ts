import type { ErrorCode } from '../pci/error.js';
import type { ExpressType } from '../pci/function.js';

/** What a function does, beyond being there. */
export type Workload = 'nic' | 'nvme' | 'xhci' | 'display' | 'gpu';

export interface DriverDescription {
  readonly name: string;
  /** It has a shutdown method, which stops the device. */
  readonly shutdown: boolean;
}

/** Ways in which one function differs from a sound one. */
export interface Faults {
  /** Goes on writing with its own BME clear. Bridges still gate it. */
  readonly ignoreBme?: boolean;
  /** Configuration writes have no effect. */
  readonly ignoreWrites?: boolean;
  /** Bus-master enable is hardwired to what it was. */
  readonly busMasterReadOnly?: boolean;
  /** Falls off the bus after so many reads. */
  readonly allOnesAfterReads?: number;
  /** Falls off the bus at the first configuration write. */
  readonly vanishOnWrite?: boolean;
  /** One of its requests is never answered. */
  readonly pendingForever?: boolean;
  /** The host rejects reads or writes with this code. */
  readonly readError?: ErrorCode;
  readonly writeError?: ErrorCode;
}

export interface FunctionDescription {
  /** `[dddd:]bb:dd.f` */
  readonly slot: string;
  readonly vendor: number;
  readonly device: number;
  readonly classCode: number;
  readonly revision?: number;
  /** Left out for a conventional PCI function. */
  readonly express?: ExpressType;
  readonly flr?: boolean;
  /** For a bridge, the bus below it. */
  readonly secondary?: number;
  /** The kind of message interrupt that it offers; a driver uses it where there is one. */
  readonly messages?: 'msi' | 'msix';
  /** 1 … 4 for INTA … INTD, and the line that the platform wires it to. */
  readonly pin?: number;
  readonly line?: number;
  /** PCI 2.2 functions have no INTx-disable bit. */
  readonly intxDisable?: boolean;
  readonly workload?: Workload;
  /** The driver that the old kernel bound; without one nobody looks after the function. */
  readonly driver?: DriverDescription;
  /** Driverless, and yet somebody set it going and went away. `firmware` gave it memory that no kernel uses. */
  readonly leftBy?: 'driver' | 'firmware';
  /** BME at the start, for a function that has neither driver nor `leftBy`. */
  readonly busMaster?: boolean;
  readonly busMasterReadOnly?: boolean;
  readonly power?: 'D0' | 'D3hot' | 'D3cold';
  /** Reads all ones from the start. */
  readonly gone?: boolean;
  /** Virtual functions, each with the workload and driver of this one; they start on the next routing ID. */
  readonly vfs?: number;
  readonly bootVga?: boolean;
  readonly holds?: readonly ('root' | 'swap' | 'console')[];
}

export interface MachineDescription {
  readonly name: string;
  readonly functions: readonly FunctionDescription[];
  /** Drivers that the initramfs of a capture kernel carries; a next kernel on the normal path has them all. */
  readonly captureDrivers: readonly string[];
}
