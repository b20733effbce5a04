import type { ConfigImage, ConfigRange } from './config-image.js';
import type {
  AdvancedFeatures,
  Aer,
  CapabilityEntry,
  DecodeNote,
  Express,
  ExpressType,
  Msi,
  Msix,
  PowerManagement,
  PowerState,
  Seen,
  Sriov,
} from './function.js';
import * as regs from './regs.js';

/** What a walk along the lists has found so far. The first capability of a kind counts, as in Linux. */
export interface Decoded {
  readonly capabilities: CapabilityEntry[];
  readonly notes: DecodeNote[];
  pm?: PowerManagement;
  msi?: Msi;
  msix?: Msix;
  express?: Express;
  af?: AdvancedFeatures;
  sriov?: Seen<Sriov>;
  aer?: Seen<Aer>;
}

const EXTENDED = 0x1_0000;
const POWER_STATES: readonly PowerState[] = ['D0', 'D1', 'D2', 'D3hot'];
/** PCIe 7.5.3.2, by the value of the Device/Port Type field. */
const EXPRESS_TYPES: Readonly<Record<number, ExpressType>> = {
  0: 'endpoint',
  1: 'legacy-endpoint',
  4: 'root-port',
  5: 'upstream-port',
  6: 'downstream-port',
  7: 'pcie-to-pci-bridge',
  8: 'pci-to-pcie-bridge',
  9: 'rc-endpoint',
  10: 'rc-event-collector',
};

/**
 * Decodes the capability at `at`, whose first dword is known, into `found`. `id` is that of the capability, plus
 * 0x10000 for one of the extended list.
 */
export function* decodeCapability(
  image: ConfigImage,
  id: number,
  at: number,
  found: Decoded,
): Generator<ConfigRange, void, void> {
  switch (id) {
    case regs.PCI_CAP_ID_PM:
      if (found.pm) return;
      yield* want(image, at + regs.PCI_PM_CTRL, 2);
      found.pm = decodePm(image, at);
      return;
    case regs.PCI_CAP_ID_MSI:
      found.msi ??= decodeMsi(image, at);
      return;
    case regs.PCI_CAP_ID_MSIX:
      found.msix ??= decodeMsix(image, at);
      return;
    case regs.PCI_CAP_ID_EXP:
      if (found.express) return;
      yield* want(image, at + regs.PCI_EXP_DEVCAP, 8);
      found.express = decodeExpress(image, at);
      return;
    case regs.PCI_CAP_ID_AF:
      if (found.af) return;
      yield* want(image, at + 4, 2);
      found.af = decodeAf(image, at);
      return;
    case regs.PCI_EXT_CAP_ID_SRIOV | EXTENDED: {
      if (found.sriov) return;
      yield* want(image, at + regs.PCI_SRIOV_CTRL, 0x14);
      found.sriov = decodeSriov(image, at);
      return;
    }
    case regs.PCI_EXT_CAP_ID_ERR | EXTENDED: {
      if (found.aer) return;
      yield* want(image, at + regs.PCI_ERR_UNCOR_STATUS, 4);
      yield* want(image, at + regs.PCI_ERR_COR_STATUS, 4);
      found.aer = decodeAer(image, at);
      return;
    }
    default:
  }
}

function* want(image: ConfigImage, offset: number, length: number): Generator<ConfigRange, void, void> {
  if (offset + length > image.visible || image.has(offset, length)) return;
  yield { offset, length };
  if (image.has(offset, length)) return;
  // A dump may have a hole here and go on behind it.
  for (let at = offset; at < offset + length; at += 2) if (!image.has(at, 2)) yield { offset: at, length: 2 };
}

function decodePm(image: ConfigImage, at: number): PowerManagement {
  const control = image.read(at + regs.PCI_PM_CTRL, 2);
  if (control === undefined) return { offset: at, state: 'unknown' };
  return { offset: at, state: POWER_STATES[control & regs.PCI_PM_CTRL_STATE_MASK] ?? 'unknown' };
}

function decodeMsi(image: ConfigImage, at: number): Msi {
  const control = image.read(at + regs.PCI_MSI_FLAGS, 2) ?? 0;
  return {
    offset: at,
    control,
    enable: (control & regs.PCI_MSI_FLAGS_ENABLE) !== 0,
    is64bit: (control & regs.PCI_MSI_FLAGS_64BIT) !== 0,
    perVectorMasking: (control & regs.PCI_MSI_FLAGS_MASKBIT) !== 0,
    vectorsWanted: 1 << ((control & regs.PCI_MSI_FLAGS_QMASK) >> 1),
    vectors: 1 << ((control & regs.PCI_MSI_FLAGS_QSIZE) >> 4),
  };
}

function decodeMsix(image: ConfigImage, at: number): Msix {
  const control = image.read(at + regs.PCI_MSIX_FLAGS, 2) ?? 0;
  return {
    offset: at,
    control,
    enable: (control & regs.PCI_MSIX_FLAGS_ENABLE) !== 0,
    functionMask: (control & regs.PCI_MSIX_FLAGS_MASKALL) !== 0,
    tableSize: (control & regs.PCI_MSIX_FLAGS_QSIZE) + 1,
  };
}

function decodeExpress(image: ConfigImage, at: number): Express {
  const flags = image.read(at + regs.PCI_EXP_FLAGS, 2) ?? 0;
  const devcap = image.read(at + regs.PCI_EXP_DEVCAP, 4);
  const deviceStatus = image.read(at + regs.PCI_EXP_DEVSTA, 2) ?? 'unknown';
  return {
    offset: at,
    version: flags & regs.PCI_EXP_FLAGS_VERS,
    type: EXPRESS_TYPES[(flags & regs.PCI_EXP_FLAGS_TYPE) >> 4] ?? 'reserved',
    deviceControl: image.read(at + regs.PCI_EXP_DEVCTL, 2) ?? 'unknown',
    deviceStatus,
    transactionsPending:
      deviceStatus === 'unknown' ? 'unknown' : (deviceStatus & regs.PCI_EXP_DEVSTA_TRPND) !== 0,
    flr: devcap === undefined ? 'unknown' : (devcap & regs.PCI_EXP_DEVCAP_FLR) !== 0,
  };
}

function decodeAf(image: ConfigImage, at: number): AdvancedFeatures {
  const cap = image.read(at + regs.PCI_AF_CAP, 1) ?? 0;
  const status = image.read(at + regs.PCI_AF_STATUS, 1);
  return {
    offset: at,
    flr: (cap & regs.PCI_AF_CAP_FLR) !== 0,
    hasPending: (cap & regs.PCI_AF_CAP_TP) !== 0,
    transactionsPending: status === undefined ? 'unknown' : (status & regs.PCI_AF_STATUS_TP) !== 0,
  };
}

function decodeSriov(image: ConfigImage, at: number): Seen<Sriov> {
  const read16 = (register: number) => image.read(at + register, 2);
  const control = read16(regs.PCI_SRIOV_CTRL);
  const totalVfs = read16(regs.PCI_SRIOV_TOTAL_VF);
  const numVfs = read16(regs.PCI_SRIOV_NUM_VF);
  const vfOffset = read16(regs.PCI_SRIOV_VF_OFFSET);
  const vfStride = read16(regs.PCI_SRIOV_VF_STRIDE);
  const vfDevice = read16(regs.PCI_SRIOV_VF_DID);
  if (control === undefined || totalVfs === undefined || numVfs === undefined) return 'unknown';
  if (vfOffset === undefined || vfStride === undefined || vfDevice === undefined) return 'unknown';
  const vfEnable = (control & regs.PCI_SRIOV_CTRL_VFE) !== 0;
  return { offset: at, vfEnable, numVfs, totalVfs, vfOffset, vfStride, vfDevice };
}

function decodeAer(image: ConfigImage, at: number): Seen<Aer> {
  const uncorrectableStatus = image.read(at + regs.PCI_ERR_UNCOR_STATUS, 4);
  const correctableStatus = image.read(at + regs.PCI_ERR_COR_STATUS, 4);
  if (uncorrectableStatus === undefined || correctableStatus === undefined) return 'unknown';
  return { offset: at, uncorrectableStatus, correctableStatus };
}
