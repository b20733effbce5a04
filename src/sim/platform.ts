/** What chipset and firmware make of things: the rules in which machines differ. */
export interface PlatformRules {
  /**
   * What comes of an uncorrectable error message, an Unsupported Request among them, that reaches a root port with
   * reporting enabled: nothing, a line in the log, an NMI to the processor, or firmware that stops the machine.
   */
  readonly uncorrectableError: 'nothing' | 'logged' | 'nmi' | 'hang';
  /** Clearing BME of a root port also stops the processor's own accesses to what is below it (Loongson LS7A). */
  readonly rootPortGatesMmio: boolean;
  readonly interruptController: 'io-apic' | 'iosapic';
  /** INTx that finds its IO-APIC pin masked comes out on this line instead (chipset boot interrupts); `null` if not. */
  readonly bootInterruptLine: number | null;
  /** Legacy interrupts, the timer's among them, reach the boot processor only. */
  readonly legacyInterruptsToBootCpuOnly: boolean;
  /** The line of the legacy timer; a PCI function can be wired to it. */
  readonly timerLine: number;
  /** The interrupt controller keeps tables of pending messages in memory of the kernel that set it up (GICv3). */
  readonly pendingTables: boolean;
  /** Interrupt vectors that one processor has for devices. */
  readonly vectorsPerCpu: number;
  /** `null` where there is none, or where the old kernel left it off. */
  readonly iommu: IommuRules | null;
}

export interface IommuRules {
  /** How the old kernel set up the domains of functions that it drives. */
  readonly domains: 'identity' | 'translated';
  /**
   * What a next kernel does with the tables that it finds: a fresh set at once, the old ones until a driver takes its
   * function over (a capture kernel only: Linux turns translation off in any other, and sets up its own), or the old
   * ones for good.
   */
  readonly nextKernel: 'resets' | 'copies' | 'takes-over';
  /**
   * What comes of a read that is not in the tables, beyond being dropped and reported: nothing, as if it had not been
   * asked; an answer that says its data is poisoned; or no answer, which its function reports once it has waited in vain.
   */
  readonly aborts: 'dropped' | 'poisoned' | 'completion-timeout';
}

const X86_SERVER: PlatformRules = {
  uncorrectableError: 'logged',
  rootPortGatesMmio: false,
  interruptController: 'io-apic',
  bootInterruptLine: null,
  legacyInterruptsToBootCpuOnly: false,
  timerLine: 0,
  pendingTables: false,
  vectorsPerCpu: 200,
  iommu: null,
};

export const PLATFORMS = {
  'x86-server': X86_SERVER,
  /** Firmware looks at errors first, and turns a refused request into an NMI. */
  'hpe-like': { ...X86_SERVER, uncorrectableError: 'nmi' },
  /** Its timer is a counter of each processor's, with a vector and no line that a function could be wired to. */
  ia64: { ...X86_SERVER, interruptController: 'iosapic', uncorrectableError: 'hang', timerLine: 239 },
  'loongson-like': { ...X86_SERVER, rootPortGatesMmio: true, uncorrectableError: 'nothing' },
  laptop: { ...X86_SERVER, uncorrectableError: 'nothing' },
} as const satisfies Record<string, PlatformRules>;

export type PlatformName = keyof typeof PLATFORMS;
