import type { ErrorCode } from '../pci/error.js';
import type { ExpressType } from '../pci/function.js';
import type { MemoryMap } from './memory/memory-map.js';
import type { PlatformName, PlatformRules } from './platform.js';

/** The engine behind a function; each has a file of its own in `devices/`. */
export const WORKLOADS = [
  'nic', // receive ring, frames from outside for ever
  'buffering-nic', // its firmware keeps what it may not write, and replays it when BME returns
  'nvme',
  'ahci', // its commands in flight fail if its bus mastering is cut; `wedgesWhenCut` makes that final
  'xhci', // may belong to firmware, which wants its DMA until the handoff
  'display', // scans out of stolen memory; wedged if its reads are refused
  'gpu',
  'egpu', // floods with interrupts, by message or by wire, whichever it is left
  'hotplug-port', // answers hot-plug commands late
  'dma-engine', // copies in memory for ever; `faults.ignoreBme` makes it the one that no bit stops
] as const;
export type Workload = (typeof WORKLOADS)[number];

/** The driver of every PCI Express port, which has no device of its own to stop. */
export const PORT_DRIVER = 'pcieport';

export interface DriverDescription {
  readonly name: string;
  /**
   * Its shutdown method: none (`false`), one that stops the device (`true`), or one that only disables the PCI
   * function, as portdrv's of 2018 to 2023 and ena's did (`'disables'`).
   */
  readonly shutdown: boolean | 'disables';
  /** Its probe refuses a device that still works for somebody else ("Host not halted"). */
  readonly needsIdle?: boolean;
  /** Its shutdown method asks the device's firmware, and waits for an answer that comes by DMA. */
  readonly shutdownNeedsDma?: boolean;
  /** Its probe lets so long pass between pci_set_master and the reset of the device. In milliseconds. Default 0. */
  readonly resetAfterMs?: number;
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
  /**
   * From the jump on it does nothing and answers no configuration access, with its link up: who asks it waits for the
   * completion timeout.
   */
  readonly hangsAtJump?: boolean;
  /** One of its requests is never answered. */
  readonly pendingForever?: boolean;
  /** Its requests are answered this much later than those of others. In ticks. */
  readonly lateCompletionTicks?: number;
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
  /** It sends its message again and again until somebody serves it. */
  readonly repeatsMessages?: boolean;
  /**
   * For a disk controller (`ahci`): if its requests are refused while commands are in flight it answers no reset any
   * more, until its power goes off and on. One report has it so (H18); others are reset by their next driver.
   */
  readonly wedgesWhenCut?: boolean;
  /** For a hot-plug port: how long it takes to complete a command. In milliseconds. */
  readonly commandMs?: number;
  /** It reports uncorrectable errors by message. Default: true for PCI Express. */
  readonly errorReporting?: boolean;
  /** The driver that the old kernel bound; without one nobody looks after the function. */
  readonly driver?: DriverDescription;
  /** Driverless, and yet somebody set it going and went away. `firmware` gave it memory that no kernel uses. */
  readonly leftBy?: 'driver' | 'firmware';
  /** Its DMA is wanted across the jump, by a guest that lives on: nobody drives it, and it must not be stopped. */
  readonly wanted?: boolean;
  /** BME at the start, for a function that has neither driver nor `leftBy`. */
  readonly busMaster?: boolean;
  readonly busMasterReadOnly?: boolean;
  readonly power?: 'D0' | 'D3hot' | 'D3cold';
  /** Reads all ones from the start. */
  readonly gone?: boolean;
  /** Virtual functions, each with the workload and driver of this one; they start on the next routing ID. */
  readonly vfs?: number;
  /** The driver that the virtual functions have instead; `null` for none: they work for somebody all the same. */
  readonly vfDriver?: DriverDescription | null;
  readonly bootVga?: boolean;
  readonly holds?: readonly ('root' | 'swap' | 'console')[];
  /** From the start; `MachineOptions.faults` arms others later. */
  readonly faults?: Faults;
}

/** What is known of a kernel's habits at a time; see `eras.ts`. */
export const ERAS = ['2006', '3.13', 'today'] as const;
export type Era = (typeof ERAS)[number];

export interface MachineDescription {
  readonly name: string;
  /** Default `x86-server`. */
  readonly platform?: PlatformName;
  /** Rules in which it differs from its platform. */
  readonly rules?: Partial<PlatformRules>;
  /** Of the old and the next kernel. Default `today`. */
  readonly era?: Era;
  /** Left out for one that grows with the number of functions. */
  readonly memory?: MemoryMap;
  readonly functions: readonly FunctionDescription[];
  /** Drivers that the initramfs of a capture kernel carries; a next kernel on the normal path has them all. */
  readonly captureDrivers: readonly string[];
}
