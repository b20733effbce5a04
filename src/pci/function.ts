import type { VisibleBytes } from './config-image.js';
import type { Slot } from './slot.js';

/**
 * What a register showed, or `unknown` where the host could not see it: a 64-byte view hides the capabilities.
 * `null` always means "there is none", never "not seen".
 */
export type Seen<T> = T | 'unknown';

export type PowerState = 'D0' | 'D1' | 'D2' | 'D3hot';

/** Why a function could not be decoded; `present` if it could. */
export type Presence =
  | 'present'
  | 'all-ones' // the dword at offset 4 reads ffffffff: gone, or the link to it is down
  | 'd3cold' // without power; never read
  | 'suspended' // asleep by runtime power management; reading would wake it, so it was not read
  | 'unreadable'; // the host refused, or has fewer than the 64 bytes of a header

export interface PowerManagement {
  readonly offset: number;
  readonly state: Seen<PowerState>;
}

export interface Msi {
  readonly offset: number;
  readonly control: number;
  readonly enable: boolean;
  readonly is64bit: boolean;
  /** Has a mask bit for each vector. */
  readonly perVectorMasking: boolean;
  /** Vectors that the function asks for, which an audit in a file does not say, and those it was given. */
  readonly vectorsWanted: Seen<number>;
  readonly vectors: number;
}

export interface Msix {
  readonly offset: number;
  readonly control: number;
  readonly enable: boolean;
  readonly functionMask: boolean;
  readonly tableSize: number;
}

export const EXPRESS_TYPES = [
  'endpoint',
  'legacy-endpoint',
  'root-port',
  'upstream-port',
  'downstream-port',
  'pcie-to-pci-bridge',
  'pci-to-pcie-bridge',
  'rc-endpoint',
  'rc-event-collector',
  'reserved',
] as const;
export type ExpressType = (typeof EXPRESS_TYPES)[number];

export interface Express {
  readonly offset: number;
  readonly version: number;
  readonly type: ExpressType;
  readonly deviceControl: Seen<number>;
  readonly deviceStatus: Seen<number>;
  readonly transactionsPending: Seen<boolean>;
  readonly flr: Seen<boolean>;
}

/** The Advanced Features capability of conventional PCI. */
export interface AdvancedFeatures {
  readonly offset: number;
  readonly flr: boolean;
  readonly hasPending: boolean;
  readonly transactionsPending: Seen<boolean>;
}

export interface Sriov {
  readonly offset: number;
  readonly vfEnable: boolean;
  readonly numVfs: number;
  readonly totalVfs: number;
  /** First VF's routing ID minus the PF's, and the distance between VFs. */
  readonly vfOffset: number;
  readonly vfStride: number;
  readonly vfDevice: number;
}

export interface Aer {
  readonly offset: number;
  readonly uncorrectableStatus: number;
  readonly correctableStatus: number;
}

export interface Bridge {
  readonly primary: number;
  readonly secondary: number;
  readonly subordinate: number;
  /** Bridge Control of a type 1 header; `unknown` for CardBus, whose register lies elsewhere. */
  readonly control: Seen<number>;
}

export interface CapabilityEntry {
  readonly id: number;
  readonly offset: number;
  readonly extended: boolean;
}

/** Something about the configuration space that is not as the specification wants it, in one line. */
export interface DecodeNote {
  readonly kind: 'capability-loop' | 'capability-pointer' | 'capability-truncated' | 'header-type';
  readonly offset: number;
  readonly text: string;
}

/** One PCI function as its registers show it. All numbers are register values as read. */
export interface PciFunction {
  readonly slot: Slot;
  readonly visibleBytes: VisibleBytes;
  readonly presence: Presence;
  readonly vendor: number;
  readonly device: number;
  readonly revision: number;
  /** 24 bits: base class, subclass, programming interface. */
  readonly classCode: number;
  /** Without the multi-function bit. */
  readonly headerType: number;
  readonly multiFunction: boolean;
  readonly command: number;
  readonly status: number;
  /** 0 none, 1 … 4 INTA … INTD. */
  readonly interruptPin: number;
  readonly interruptLine: number;
  /** `null` for anything but a type 1 or 2 header. */
  readonly bridge: Bridge | null;
  readonly capabilities: readonly CapabilityEntry[];
  /** `null` without such a capability. */
  readonly pm: Seen<PowerManagement | null>;
  readonly msi: Seen<Msi | null>;
  readonly msix: Seen<Msix | null>;
  readonly express: Seen<Express | null>;
  readonly af: Seen<AdvancedFeatures | null>;
  readonly sriov: Seen<Sriov | null>;
  readonly aer: Seen<Aer | null>;
  readonly notes: readonly DecodeNote[];
}

/** There, and yet its vendor ID reads ffff: a virtual function, whose ids the system has from the physical one. */
export function readsAsVirtual(fn: PciFunction): boolean {
  return fn.presence === 'present' && fn.vendor === 0xffff;
}

/** The value if it was seen and is there. */
export function seen<T>(value: Seen<T | null>): T | undefined {
  return value === 'unknown' || value === null ? undefined : value;
}
