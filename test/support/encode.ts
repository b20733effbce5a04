import * as regs from '../../src/pci/regs.js';

export type CapabilityDescription =
  | { readonly kind: 'pm'; readonly state?: 0 | 1 | 2 | 3 }
  | {
      readonly kind: 'msi';
      readonly enable?: boolean;
      readonly is64bit?: boolean;
      readonly perVectorMasking?: boolean;
      /** As logarithms to base 2: 0 … 5. */
      readonly vectorsWantedLog2?: number;
      readonly vectorsLog2?: number;
    }
  | {
      readonly kind: 'msix';
      readonly enable?: boolean;
      readonly functionMask?: boolean;
      /** 1 … 2048 */
      readonly tableSize?: number;
    }
  | {
      readonly kind: 'express';
      /** The value of the Device/Port Type field: 0 endpoint, 4 root port, 5 upstream, 6 downstream, … */
      readonly type?: number;
      readonly flr?: boolean;
      readonly transactionsPending?: boolean;
    }
  | {
      readonly kind: 'af';
      readonly flr?: boolean;
      readonly hasPending?: boolean;
      readonly transactionsPending?: boolean;
    }
  /** `length` is that of the whole capability. */
  | { readonly kind: 'vendor'; readonly length?: number };

export type ExtendedDescription =
  | {
      readonly kind: 'sriov';
      readonly vfEnable?: boolean;
      readonly totalVfs?: number;
      readonly numVfs?: number;
      readonly vfOffset?: number;
      readonly vfStride?: number;
      readonly vfDevice?: number;
    }
  | { readonly kind: 'aer'; readonly uncorrectableStatus?: number; readonly correctableStatus?: number };

export interface FunctionDescription {
  readonly vendor?: number;
  readonly device?: number;
  readonly revision?: number;
  /** 24 bits */
  readonly classCode?: number;
  readonly headerType?: number;
  readonly multiFunction?: boolean;
  readonly command?: number;
  /** Without PCI_STATUS_CAP_LIST, which follows from the capabilities. */
  readonly status?: number;
  readonly interruptPin?: number;
  readonly interruptLine?: number;
  readonly bridge?: {
    readonly primary?: number;
    readonly secondary: number;
    readonly subordinate?: number;
    readonly control?: number;
  };
  readonly capabilities?: readonly CapabilityDescription[];
  readonly extended?: readonly ExtendedDescription[];
  readonly size?: 64 | 256 | 4096;
}

/** The configuration space of a function that is as described; capabilities follow each other from 40 (CardBus: 80) up. */
export function encodeFunction(description: FunctionDescription): Uint8Array {
  const bytes = new Uint8Array(4096);
  const view = new DataView(bytes.buffer);
  const u8 = (at: number, value: number) => view.setUint8(at, value);
  const u16 = (at: number, value: number) => view.setUint16(at, value, true);
  const u32 = (at: number, value: number) => view.setUint32(at, value, true);
  const { capabilities = [], extended = [], headerType = description.bridge ? 1 : 0 } = description;

  u16(regs.PCI_VENDOR_ID, description.vendor ?? 0x8086);
  u16(regs.PCI_VENDOR_ID + 2, description.device ?? 0x1234);
  u16(regs.PCI_COMMAND, description.command ?? 0);
  u16(regs.PCI_STATUS, (description.status ?? 0) | (capabilities.length > 0 ? regs.PCI_STATUS_CAP_LIST : 0));
  u32(
    regs.PCI_CLASS_REVISION,
    (description.classCode ?? (headerType === 1 ? 0x060400 : 0x020000)) * 256 + (description.revision ?? 0),
  );
  u8(regs.PCI_HEADER_TYPE, headerType | (description.multiFunction ? regs.PCI_HEADER_TYPE_MFD : 0));
  u8(regs.PCI_INTERRUPT_PIN, description.interruptPin ?? 0);
  u8(regs.PCI_INTERRUPT_LINE, description.interruptLine ?? 0);
  if (description.bridge) {
    u8(regs.PCI_PRIMARY_BUS, description.bridge.primary ?? 0);
    u8(regs.PCI_SECONDARY_BUS, description.bridge.secondary);
    u8(regs.PCI_SUBORDINATE_BUS, description.bridge.subordinate ?? description.bridge.secondary);
    u16(regs.PCI_BRIDGE_CONTROL, description.bridge.control ?? 0);
  }

  let pointer: number =
    headerType === regs.PCI_HEADER_TYPE_CARDBUS ? regs.PCI_CB_CAPABILITY_LIST : regs.PCI_CAPABILITY_LIST;
  let at = headerType === regs.PCI_HEADER_TYPE_CARDBUS ? 0x80 : 0x40;
  for (const capability of capabilities) {
    const length = encodeCapability(view, at, capability);
    if (at + length > 256) throw new RangeError('these capabilities do not fit into 256 bytes');
    u8(pointer, at);
    pointer = at + 1;
    at += (length + 3) & ~3;
  }

  let ext = regs.PCI_EXT_CAP_START;
  for (const [index, capability] of extended.entries()) {
    const length = encodeExtended(view, ext, capability);
    const next = index + 1 < extended.length ? ext + length : 0;
    u32(ext, (view.getUint32(ext, true) | (next << 20)) >>> 0);
    ext += length;
  }
  return bytes.slice(0, description.size ?? (extended.length > 0 ? 4096 : 256));
}

function encodeCapability(view: DataView, at: number, capability: CapabilityDescription): number {
  const head = (id: number) => view.setUint8(at, id);
  const u16 = (offset: number, value: number) => view.setUint16(at + offset, value, true);
  switch (capability.kind) {
    case 'pm':
      head(regs.PCI_CAP_ID_PM);
      u16(2, 0x0003);
      u16(regs.PCI_PM_CTRL, capability.state ?? 0);
      return 8;
    case 'msi': {
      head(regs.PCI_CAP_ID_MSI);
      u16(
        regs.PCI_MSI_FLAGS,
        (capability.enable ? regs.PCI_MSI_FLAGS_ENABLE : 0) |
          (capability.is64bit ? regs.PCI_MSI_FLAGS_64BIT : 0) |
          (capability.perVectorMasking ? regs.PCI_MSI_FLAGS_MASKBIT : 0) |
          ((capability.vectorsWantedLog2 ?? 0) << 1) |
          ((capability.vectorsLog2 ?? 0) << 4),
      );
      return (capability.is64bit ? 14 : 10) + (capability.perVectorMasking ? 10 : 0);
    }
    case 'msix':
      head(regs.PCI_CAP_ID_MSIX);
      u16(
        regs.PCI_MSIX_FLAGS,
        (capability.enable ? regs.PCI_MSIX_FLAGS_ENABLE : 0) |
          (capability.functionMask ? regs.PCI_MSIX_FLAGS_MASKALL : 0) |
          ((capability.tableSize ?? 1) - 1),
      );
      return 12;
    case 'express':
      head(regs.PCI_CAP_ID_EXP);
      u16(regs.PCI_EXP_FLAGS, 2 | ((capability.type ?? 0) << 4));
      view.setUint32(at + regs.PCI_EXP_DEVCAP, capability.flr ? regs.PCI_EXP_DEVCAP_FLR : 0, true);
      u16(regs.PCI_EXP_DEVSTA, capability.transactionsPending ? regs.PCI_EXP_DEVSTA_TRPND : 0);
      return 60;
    case 'af':
      head(regs.PCI_CAP_ID_AF);
      view.setUint8(at + 2, 6);
      view.setUint8(
        at + regs.PCI_AF_CAP,
        (capability.hasPending ? regs.PCI_AF_CAP_TP : 0) | (capability.flr ? regs.PCI_AF_CAP_FLR : 0),
      );
      view.setUint8(at + regs.PCI_AF_STATUS, capability.transactionsPending ? regs.PCI_AF_STATUS_TP : 0);
      return 6;
    case 'vendor': {
      const length = capability.length ?? 8;
      head(0x09);
      view.setUint8(at + 2, length);
      return length;
    }
  }
}

function encodeExtended(view: DataView, at: number, capability: ExtendedDescription): number {
  const u16 = (offset: number, value: number) => view.setUint16(at + offset, value, true);
  switch (capability.kind) {
    case 'sriov': {
      view.setUint32(at, 0x1_0000 | regs.PCI_EXT_CAP_ID_SRIOV, true);
      const total = capability.totalVfs ?? capability.numVfs ?? 0;
      u16(regs.PCI_SRIOV_CTRL, capability.vfEnable ? regs.PCI_SRIOV_CTRL_VFE : 0);
      u16(regs.PCI_SRIOV_TOTAL_VF - 2, total);
      u16(regs.PCI_SRIOV_TOTAL_VF, total);
      u16(regs.PCI_SRIOV_NUM_VF, capability.numVfs ?? 0);
      u16(regs.PCI_SRIOV_VF_OFFSET, capability.vfOffset ?? 0);
      u16(regs.PCI_SRIOV_VF_STRIDE, capability.vfStride ?? 0);
      u16(regs.PCI_SRIOV_VF_DID, capability.vfDevice ?? 0);
      return 0x40;
    }
    case 'aer':
      view.setUint32(at, 0x1_0000 | regs.PCI_EXT_CAP_ID_ERR, true);
      view.setUint32(at + regs.PCI_ERR_UNCOR_STATUS, capability.uncorrectableStatus ?? 0, true);
      view.setUint32(at + regs.PCI_ERR_COR_STATUS, capability.correctableStatus ?? 0, true);
      return 0x48;
  }
}

export interface DumpEntry {
  readonly slot: string;
  readonly bytes: Uint8Array;
  /** The rest of the header line. */
  readonly title?: string;
}

/** As `lspci -x`, `-xxx` or `-xxxx` prints it, by the length of each entry's bytes. */
export function formatDump(entries: readonly DumpEntry[]): string {
  return entries.map(formatEntry).join('');
}

function formatEntry({
  slot,
  bytes,
  title = 'Ethernet controller: Made Up Systems Device',
}: DumpEntry): string {
  const lines = [`${slot} ${title}`];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = [...bytes.subarray(at, at + 16)].map((byte) => byte.toString(16).padStart(2, '0'));
    lines.push(`${at.toString(16).padStart(2, '0')}: ${row.join(' ')}`);
  }
  return `${lines.join('\n')}\n\n`;
}
