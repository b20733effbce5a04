import type { Slot } from '../pci/slot.js';

/**
 * What a host knows of a function beyond its configuration space. A key that is left out is not known; `null`
 * means known to be none.
 */
export interface FunctionFacts {
  /** As the system remembers them: for a function that must not be read now, and for a virtual one. */
  readonly ids?: { readonly vendor: number; readonly device: number; readonly classCode: number };
  /** The bound driver. */
  readonly driver?: string | null;
  /** Whether that driver quiesces the function at shutdown, as far as can be known. */
  readonly driverShutdown?: 'likely' | 'unknown';
  /** Linux's enable count. */
  readonly enabled?: number;
  /** As the kernel names it, D3cold included. */
  readonly powerState?: 'D0' | 'D1' | 'D2' | 'D3hot' | 'D3cold' | 'unknown';
  readonly runtimeStatus?: string;
  /** Reading its configuration space would wake it, or a bridge above it. */
  readonly asleep?: boolean;
  readonly numaNode?: number;
  readonly iommuGroup?: number | null;
  /** As sysfs says: `identity`, `DMA`, `DMA-FQ`, … */
  readonly iommuDomain?: string;
  /** `flr`, `af_flr`, `pm`, `bus`, … in the order in which the kernel would try them. */
  readonly resetMethods?: readonly string[];
  readonly physfn?: Slot | null;
  /** The PCI function above it in the system's device tree, also where that is in another domain (Intel VMD). */
  readonly parent?: Slot;
  readonly numVfs?: number;
  readonly bootVga?: boolean;
  /** What would be lost with this function: the root file system, swap, the console. */
  readonly holds?: readonly ('root' | 'swap' | 'console')[];
}

/** What a host knows of the machine. A key that is left out is not known. */
export interface MachineFacts {
  /** As the running kernel has it; never of a dump, which does not tell. */
  readonly hostname?: string;
  /** The running kernel's release, as `uname -r` prints it. */
  readonly kernel?: string;
  /** Differs from one boot to the next: what a journal says counts only for the kernel that it was written under. */
  readonly bootId?: string;
  /** It could not be told what the root file system or swap is on. */
  readonly holdsUnknown?: boolean;
  /** True for a kernel that is running now and could panic: sysfs on the real /sys, a simulated kernel. */
  readonly liveKernel?: boolean;
  readonly lockdown?: 'none' | 'integrity' | 'confidentiality';
  /** An IOMMU is present and translating for at least one group. */
  readonly iommu?: boolean;
  readonly captureKernelLoaded?: boolean;
  readonly kexecKernelLoaded?: boolean;
  /** The loaded capture kernel was wrapped, or its initramfs has the hook. */
  readonly captureKernelProtected?: boolean;
}
