import type { Slot } from '../pci/slot.js';
import type { HazardId } from './hazards.generated.js';

export type Severity = 'error' | 'warning' | 'info';
export const SEVERITIES: readonly Severity[] = ['error', 'warning', 'info'];

/** Which jump an audit is about: kexec on purpose, or kdump after a panic. */
export type JumpPath = 'normal' | 'crash';

interface FindingKind {
  readonly title: string;
  /** By path; a path that is left out does not have this finding. */
  readonly severity: Partial<Record<JumpPath, Severity>>;
  readonly meaning: string;
  /** Which registers or facts it is read from. */
  readonly evidence: string;
  readonly advice: string;
  readonly hazards: readonly HazardId[];
}

const both = (severity: Severity) => ({ normal: severity, crash: severity });

/** Every finding there is. Ids are stable: one that is dropped is never given again. SD0 is about a function, SD1 about the machine. */
export const FINDINGS = {
  SD001: {
    title: 'live bus master without a driver',
    severity: both('error'),
    meaning:
      'The function may write to memory and no driver will stop it. A kernel that panicked stops nothing at all. One that jumps on purpose skips a function whose power state it does not know, which before about Linux 6.16 is every function that never had a driver; where power_state is known it clears BME, in no order and without a look back, and then this is a warning.',
    evidence: 'PCI_COMMAND bit 2 (BME) is set; no driver is bound, or (normal) power_state reads unknown.',
    advice: 'Gate it before the jump with `shootdown apply`, or bind its driver, which resets it.',
    hazards: ['H01', 'H02', 'H03'],
  },
  SD002: {
    title: 'live bus master whose driver may not stop it',
    severity: { normal: 'warning' },
    meaning:
      'A jump on purpose calls the shutdown method of each driver. None is known for this one, or the driver itself is not known: the kernel still clears BME afterwards, but nobody waits for what is under way or stops the device itself.',
    evidence: 'PCI_COMMAND bit 2 (BME) is set; no *_shutdown symbol of the driver in kallsyms.',
    advice:
      'Unbind the driver before the jump (policy action `unbind`), which runs its better tested remove method.',
    hazards: ['H18', 'H01'],
  },
  SD003: {
    title: 'live bus master that a panic leaves running',
    severity: { crash: 'warning' },
    meaning:
      'The device works for a driver, as far as can be known. If this kernel panicked now, nobody would run that driver again: the device could go on writing and interrupting while the capture kernel boots and saves the dump.',
    evidence:
      'PCI_COMMAND bit 2 (BME) is set, or INTx is asserted and not disabled; a driver is bound or it is not known whether one is.',
    advice:
      'Wrap the capture kernel (shootdown wrap), or put the driver into the capture initramfs, so that it resets the device.',
    hazards: ['H07', 'H12'],
  },
  SD004: {
    title: 'MSI enabled with INTx not disabled',
    severity: both('info'),
    meaning:
      'The next kernel switches MSI off when it finds the function. With INTx-disable clear the function then falls back to its INTx wire, which nobody serves: "irq N: nobody cared".',
    evidence:
      'MSI or MSI-X Enable is set, the function has an interrupt pin, and PCI_COMMAND bit 10 (INTx-disable) is clear.',
    advice: 'Set INTx-disable together with BME off, as every gate of a plan does.',
    hazards: ['H05', 'H07'],
  },
  SD005: {
    title: 'transactions pending',
    severity: both('info'),
    meaning:
      'The function has sent requests whose answers have not come yet. That is normal at work. After BME is cleared they must drain before the memory that they aim at is reused.',
    evidence: 'PCI_EXP_DEVSTA bit 5, or bit 0 of the AF status.',
    advice: 'A plan waits for them, within a bound. If they never drain, reset the function.',
    hazards: ['H12', 'H13'],
  },
  SD006: {
    title: 'asleep',
    severity: both('info'),
    meaning:
      'The function is in a low-power state: it can make no requests, and it is neither read further nor written. It wakes with the registers that it had, or with none.',
    evidence: 'The PM capability shows D1, D2 or D3hot, or the kernel says that it is suspended.',
    advice:
      'Nothing to do before the jump. If the next kernel misses the device, look at the power state of the bridges above it.',
    hazards: ['H09'],
  },
  SD007: {
    title: 'without power',
    severity: both('info'),
    meaning:
      'The function is in D3cold. It cannot do anything, and reading it would wake it or hang: it was not read.',
    evidence: 'power_state reads D3cold.',
    advice: 'Nothing to do.',
    hazards: ['H09'],
  },
  SD008: {
    title: 'does not answer',
    severity: both('warning'),
    meaning:
      'Its registers read all ones: the function is gone, its link is down, or a bridge above it sleeps. What it would do cannot be told.',
    evidence: 'The dword at offset 4 reads ffffffff.',
    advice: 'Remove it (`echo 1 > remove`) and rescan, or look at the link and the power state above it.',
    hazards: ['H09'],
  },
  SD009: {
    title: 'bridge gated above a live function',
    severity: both('error'),
    meaning:
      'The bridge refuses what the live function below it sends. Each refused request is signalled as an error, and on some servers firmware turns that into an NMI and the machine hangs.',
    evidence: 'PCI_COMMAND bit 2 (BME) is clear in the bridge and set in a function below it.',
    advice: 'Gate the functions below before the bridge, or leave the bridge open.',
    hazards: ['H03', 'H04'],
  },
  SD010: {
    title: 'display that the policy leaves alone',
    severity: both('info'),
    meaning:
      'Integrated graphics fetch from stolen memory and need BME; some displays reset the machine when it goes. It keeps on reading, and could write.',
    evidence: 'Base class 03, BME set, and a rule that exempts it.',
    advice:
      'On a server without a console, blacklist the driver or boot with nomodeset; to gate it anyway, write a rule.',
    hazards: ['H15', 'H16', 'H17'],
  },
  SD011: {
    title: 'USB controller without a driver',
    severity: both('warning'),
    meaning:
      'Firmware may still own it, to serve a keyboard. Clearing BME before the handoff has hung machines. Whether firmware owns it stands in memory-mapped registers, which are not read here.',
    evidence: 'Class 0c03, BME set, no driver bound.',
    advice: 'Let its driver take it over once, or switch legacy USB off in the firmware setup.',
    hazards: ['H10', 'H11'],
  },
  SD012: {
    title: 'preserved on purpose',
    severity: both('info'),
    meaning: 'The policy wants the DMA of this function, or of one below it, to go on across the jump.',
    evidence: 'A rule with the action `preserve` matches it or a function below it.',
    advice: 'Make sure that the next kernel leaves its memory alone.',
    hazards: [],
  },
  SD013: {
    title: 'holds what the running system needs',
    severity: { normal: 'info' },
    meaning:
      'The root file system, swap or the console is on this function, so it is not touched before the jump: its driver may stop it on the way.',
    evidence: 'The device of the mount, swap area or console lies below this function in sysfs.',
    advice: 'To stop it all the same, do it between the kernels.',
    hazards: ['H18', 'H19'],
  },
  SD014: {
    title: 'live virtual function',
    severity: both('warning'),
    meaning:
      'A virtual function has its own BME. The next kernel clears VF Enable of its physical function when it finds it, and until then nobody stops it; a guest may own it.',
    evidence: 'PCI_COMMAND bit 2 (BME) is set in a function that is a VF.',
    advice: 'Stop the guests, then gate the virtual functions before their physical one, as a plan does.',
    hazards: ['H01'],
  },
  SD015: {
    title: 'capabilities not visible',
    severity: both('info'),
    meaning:
      'Only the 64-byte header could be read. Whether MSI is enabled, transactions are pending or the function sleeps is not known.',
    evidence:
      'The configuration space ends at 64 bytes although PCI_STATUS bit 4 says that there are capabilities.',
    advice: 'Run as root, or dump with `lspci -xxx` as root.',
    hazards: [],
  },
  SD016: {
    title: 'INTx asserted and not disabled',
    severity: both('warning'),
    meaning:
      'The function holds its interrupt wire. A next kernel without its driver gets an interrupt that nobody serves, and disables the line for everyone who shares it.',
    evidence: 'PCI_STATUS bit 3 is set and PCI_COMMAND bit 10 (INTx-disable) is clear.',
    advice: 'Set INTx-disable, as every gate of a plan does, or have its driver in the next initramfs.',
    hazards: ['H05', 'H06', 'H28'],
  },
  SD017: {
    title: 'capability list not sound',
    severity: both('info'),
    meaning:
      'The list loops, leads into the header or ends in all ones. What lies behind that point was not seen.',
    evidence: 'The pointers of the capability list.',
    advice: 'Read it again as root; if it stays like that, the function may be broken or half asleep.',
    hazards: [],
  },
  SD018: {
    title: 'firmware or chipset function that the policy leaves alone',
    severity: both('info'),
    meaning:
      'Host bridges, memory controllers and their like often have BME set or hardwired. It means nothing there, whether a driver is bound or not. An IOMMU must go on translating.',
    evidence: 'PCI_COMMAND bit 2 (BME) is set, and a rule that exempts it.',
    advice: 'Nothing to do.',
    hazards: [],
  },
  SD019: {
    title: 'the bridge above was not seen',
    severity: both('info'),
    meaning: 'Its bus lies behind a bridge that is not in this view. What that bridge would do is not known.',
    evidence:
      'No function has the secondary bus number that this slot needs, yet a bridge has it in its range.',
    advice: 'Read the whole machine, not a part of it.',
    hazards: [],
  },
  SD020: {
    title: 'could not be read',
    severity: both('warning'),
    meaning:
      'Its configuration space was not to be had: the host refused, or a dump does not show enough of it. What it would do is not known.',
    evidence: 'Not even the first 16 bytes of the header could be read; a note says why.',
    advice: 'Read it again as root, or make a new dump with `lspci -k -xxxx`.',
    hazards: [],
  },
  SD021: {
    title: 'bridge that may interrupt',
    severity: { crash: 'info' },
    meaning:
      'The bridge keeps BME for what is below it, and may also raise interrupts of its own: hot-plug, errors, power management. On a crash nobody switches those off before the next kernel finds the bridge.',
    evidence:
      'BME is set in a bridge whose MSI or MSI-X is enabled or not visible, or whose INTx is not disabled.',
    advice:
      'Nothing to do in most cases; pcie_ports=compat keeps the capture kernel from using port services.',
    hazards: ['H07', 'H25'],
  },
  SD022: {
    title: 'out of reach of a wrapped kernel',
    severity: { crash: 'info' },
    meaning:
      'The function is in a PCI segment that ports CF8 and CFC do not reach, or behind Intel VMD, which Linux numbers as a segment of its own. What a wrapped kernel does between the kernels leaves it as it is, and leaves open what it hangs below.',
    evidence:
      'The function is live and its domain is not 0000; Linux counts those behind Intel VMD from 10000.',
    advice: 'Put its driver into the capture initramfs, so that it resets the device.',
    hazards: ['H07', 'H12'],
  },
  SD101: {
    title: 'no IOMMU between devices and memory',
    severity: both('info'),
    meaning: 'No IOMMU translates, or it passes everything through: a live function can reach all of memory.',
    evidence: 'No DMA domain in iommu_groups/*/type, or a live function in one of type identity.',
    advice:
      'Where the workload allows it, boot with an IOMMU that translates: intel_iommu=on (AMD has it on), iommu.passthrough=0.',
    hazards: ['H12', 'H29'],
  },
  SD102: {
    title: 'functions out of reach between the kernels',
    severity: both('warning'),
    meaning:
      'A wrapped kernel reaches configuration space through ports CF8 and CFC, which know segment 0 only. Functions in other segments, those behind Intel VMD among them, stay as they are.',
    evidence: 'Live functions whose domain is not 0000.',
    advice: 'Stop them before the jump, or have their drivers in the next initramfs.',
    hazards: [],
  },
  SD103: {
    title: 'no capture kernel is loaded',
    severity: { crash: 'info' },
    meaning:
      'If this kernel panicked now, no other would start: the machine would halt or reboot through its firmware.',
    evidence: '/sys/kernel/kexec_crash_loaded reads 0.',
    advice: 'Set up kdump (Debian: kdump-tools; reserve memory with crashkernel=).',
    hazards: [],
  },
  SD104: {
    title: 'capture kernel without protection',
    severity: { crash: 'warning' },
    meaning:
      'A capture kernel is loaded, and nothing shows that it will stop the functions that are live then.',
    evidence: '/sys/kernel/kexec_crash_loaded reads 1.',
    advice:
      'Wrap the capture kernel (`shootdown install kdump`, or `shootdown wrap`), or put the drivers of the live functions into the capture initramfs, so that they reset them.',
    hazards: ['H07', 'H12'],
  },
  SD105: {
    title: 'the kernel is locked down',
    severity: { normal: 'info' },
    meaning: 'Lockdown refuses writes to configuration space from userspace: `apply` cannot gate anything.',
    evidence: '/sys/kernel/security/lockdown.',
    advice: 'Unbind drivers instead, which stays possible, or stop the functions between the kernels.',
    hazards: [],
  },
} as const satisfies Record<string, FindingKind>;

export type FindingId = keyof typeof FINDINGS;

/** One thing that an audit has to say about one function, or about the machine where `slot` is null. */
export interface Finding {
  readonly id: FindingId;
  readonly slot: Slot | null;
  readonly severity: Severity;
  readonly title: string;
  /** The register and bits, or the fact, that shows it here. */
  readonly evidence: string;
  readonly advice: string;
  readonly hazards: readonly HazardId[];
}

/** What may differ from the catalogue in one case. */
export interface FindingOptions {
  readonly advice?: string;
  readonly severity?: Severity;
}

/** The finding, unless it does not concern this path. */
export function finding(
  id: FindingId,
  path: JumpPath,
  slot: Slot | null,
  evidence: string,
  options: FindingOptions = {},
): Finding[] {
  const kind: FindingKind = FINDINGS[id];
  const usual = kind.severity[path];
  if (usual === undefined) return [];
  const { advice = kind.advice, severity = usual } = options;
  const { title, hazards } = kind;
  return [{ id, slot, severity, title, evidence, advice, hazards }];
}
