import type { ExpressType } from '../../pci/function.js';
import * as regs from '../../pci/regs.js';
import type { FunctionDescription } from '../description.js';
import { ConfigSpace } from './config-space.js';
import * as hw from './regs.js';

/** Where a function has its capabilities; `undefined` where it has none. */
export interface Layout {
  readonly pm: number | undefined;
  readonly msi: number | undefined;
  readonly msix: number | undefined;
  readonly express: number | undefined;
  readonly sriov: number | undefined;
  readonly aer: number | undefined;
}

export const VF_STRIDE = 1;

const PM_AT = 0x40;
const MSI_AT = 0x50;
const EXPRESS_AT = 0x70;
const MSIX_AT = 0xb0;
const AER_AT = 0x100;
const SRIOV_AT = 0x160;
const ERROR_REPORTING =
  hw.PCI_EXP_DEVCTL_CERE | hw.PCI_EXP_DEVCTL_NFERE | hw.PCI_EXP_DEVCTL_FERE | hw.PCI_EXP_DEVCTL_URRE;
const EXPRESS_TYPE: Readonly<Record<Exclude<ExpressType, 'reserved'>, number>> = {
  endpoint: 0,
  'legacy-endpoint': 1,
  'root-port': 4,
  'upstream-port': 5,
  'downstream-port': 6,
  'pcie-to-pci-bridge': 7,
  'pci-to-pcie-bridge': 8,
  'rc-endpoint': 9,
  'rc-event-collector': 10,
};

export interface BuildContext {
  readonly subordinate: number;
  readonly multiFunction: boolean;
  readonly primary: number;
  /** 1 MiB each; where its first base address register points. */
  readonly window: number;
  readonly vf: boolean;
}

/** A function's configuration space as it is after firmware has set up the machine. */
export function buildConfig(
  of: FunctionDescription,
  context: BuildContext,
): { space: ConfigSpace; layout: Layout } {
  const space = new ConfigSpace(of.express === undefined ? 256 : 4096);
  header(space, of, context);
  if (of.secondary !== undefined) bridgeHeader(space, of.secondary, context);
  else endpointHeader(space, of, context);
  return { space, layout: capabilities(space, of, context) };
}

function header(space: ConfigSpace, of: FunctionDescription, { vf, multiFunction }: BuildContext): void {
  // PCIe 9.3.4.1: a virtual function has no IDs of its own.
  space.set(regs.PCI_VENDOR_ID, 2, vf ? 0xffff : of.vendor);
  space.set(regs.PCI_VENDOR_ID + 2, 2, vf ? 0xffff : of.device);
  space.set(regs.PCI_CLASS_REVISION, 4, of.classCode * 256 + (of.revision ?? 1));
  const type = of.secondary === undefined ? regs.PCI_HEADER_TYPE_NORMAL : regs.PCI_HEADER_TYPE_BRIDGE;
  space.set(regs.PCI_HEADER_TYPE, 1, type | (multiFunction ? regs.PCI_HEADER_TYPE_MFD : 0));
  let command = regs.PCI_COMMAND_MASTER;
  if (!vf) {
    command |= regs.PCI_COMMAND_IO | regs.PCI_COMMAND_MEMORY | hw.PCI_COMMAND_PARITY | hw.PCI_COMMAND_SERR;
    if (of.intxDisable !== false) command |= regs.PCI_COMMAND_INTX_DISABLE;
    const reporting = of.express === undefined && of.errorReporting ? hw.PCI_COMMAND_SERR : 0;
    space.set(regs.PCI_COMMAND, 2, regs.PCI_COMMAND_MEMORY | reporting);
  }
  if (of.busMasterReadOnly) command &= ~regs.PCI_COMMAND_MASTER;
  space.allowWrites(regs.PCI_COMMAND, 2, command);
  space.clearByOne(regs.PCI_STATUS, 2, hw.PCI_STATUS_ERRORS);
  if (vf) return;
  space.allowWrites(hw.PCI_CACHE_LINE_SIZE, 1, 0xff);
  space.allowWrites(regs.PCI_INTERRUPT_LINE, 1, 0xff);
  space.set(regs.PCI_INTERRUPT_LINE, 1, of.line ?? 0xff);
  space.set(regs.PCI_INTERRUPT_PIN, 1, of.pin ?? 0);
}

function endpointHeader(space: ConfigSpace, of: FunctionDescription, context: BuildContext): void {
  if (context.vf) return;
  space.set(hw.PCI_SUBSYSTEM_VENDOR_ID, 2, of.vendor);
  if (!of.workload) return;
  space.set(hw.PCI_BASE_ADDRESS_0, 4, context.window);
  space.allowWrites(hw.PCI_BASE_ADDRESS_0, 4, 0xfff0_0000);
}

function bridgeHeader(space: ConfigSpace, secondary: number, context: BuildContext): void {
  space.set(regs.PCI_PRIMARY_BUS, 1, context.primary);
  space.set(regs.PCI_SECONDARY_BUS, 1, secondary);
  space.set(regs.PCI_SUBORDINATE_BUS, 1, context.subordinate);
  space.allowWrites(regs.PCI_PRIMARY_BUS, 4, 0x00ff_ffff);
  space.clearByOne(hw.PCI_SEC_LATENCY_TIMER + 3, 2, hw.PCI_STATUS_ERRORS);
  space.allowWrites(hw.PCI_MEMORY_BASE, 4, 0xfff0_fff0);
  space.allowWrites(regs.PCI_BRIDGE_CONTROL, 2, 0x005f);
}

/** Appends capabilities to the list that begins at the header's pointer. */
class Chain {
  readonly #space: ConfigSpace;
  #last: number = regs.PCI_CAPABILITY_LIST;

  constructor(space: ConfigSpace) {
    this.#space = space;
  }

  add(id: number, at: number): number {
    this.#space.set(this.#last, 1, at);
    this.#space.set(at, 2, id);
    this.#space.setBits(regs.PCI_STATUS, 2, regs.PCI_STATUS_CAP_LIST, true);
    this.#last = at + 1;
    return at;
  }
}

function capabilities(space: ConfigSpace, of: FunctionDescription, context: BuildContext): Layout {
  const chain = new Chain(space);
  const plain = of.express === undefined && of.workload === undefined && of.power === undefined;
  const pm = plain || context.vf ? undefined : chain.add(regs.PCI_CAP_ID_PM, PM_AT);
  if (pm !== undefined) {
    space.set(pm + hw.PCI_PM_PMC, 2, 0x0003);
    space.set(pm + regs.PCI_PM_CTRL, 2, hw.PCI_PM_CTRL_NO_SOFT_RESET | (of.power === 'D3hot' ? 3 : 0));
    space.allowWrites(pm + regs.PCI_PM_CTRL, 2, regs.PCI_PM_CTRL_STATE_MASK | 0x0100);
    space.clearByOne(pm + regs.PCI_PM_CTRL, 2, hw.PCI_PM_CTRL_PME_STATUS);
  }
  const msi = of.messages === 'msi' ? chain.add(regs.PCI_CAP_ID_MSI, MSI_AT) : undefined;
  if (msi !== undefined) {
    space.set(msi + regs.PCI_MSI_FLAGS, 2, regs.PCI_MSI_FLAGS_64BIT);
    space.allowWrites(msi + regs.PCI_MSI_FLAGS, 2, regs.PCI_MSI_FLAGS_ENABLE | regs.PCI_MSI_FLAGS_QSIZE);
    space.allowWrites(msi + hw.PCI_MSI_ADDRESS_LO, 4, 0xffff_fffc);
    space.allowWrites(msi + hw.PCI_MSI_ADDRESS_LO + 4, 4, 0xffff_ffff);
    space.allowWrites(msi + hw.PCI_MSI_DATA_64, 2, 0xffff);
  }
  const express = of.express === undefined ? undefined : chain.add(regs.PCI_CAP_ID_EXP, EXPRESS_AT);
  if (express !== undefined) expressCapability(space, express, of);
  const msix = of.messages === 'msix' ? chain.add(regs.PCI_CAP_ID_MSIX, MSIX_AT) : undefined;
  if (msix !== undefined) {
    space.set(msix + regs.PCI_MSIX_FLAGS, 2, 7);
    space.allowWrites(
      msix + regs.PCI_MSIX_FLAGS,
      2,
      regs.PCI_MSIX_FLAGS_ENABLE | regs.PCI_MSIX_FLAGS_MASKALL,
    );
    space.set(msix + hw.PCI_MSIX_TABLE, 4, 0x8000);
    space.set(msix + hw.PCI_MSIX_PBA, 4, 0xc000);
  }
  const sriov = of.vfs && !context.vf ? sriovCapability(space, of, of.vfs) : undefined;
  return { pm, msi, msix, express, sriov, aer: express === undefined ? undefined : AER_AT };
}

function expressCapability(space: ConfigSpace, at: number, of: FunctionDescription): void {
  const type = EXPRESS_TYPE[of.express === undefined || of.express === 'reserved' ? 'endpoint' : of.express];
  space.set(at + regs.PCI_EXP_FLAGS, 2, 2 | (type << 4));
  space.set(at + regs.PCI_EXP_DEVCAP, 4, 0x8001 | (of.flr ? regs.PCI_EXP_DEVCAP_FLR : 0));
  // What firmware and the kernel's AER driver turn on.
  space.set(at + regs.PCI_EXP_DEVCTL, 2, of.errorReporting === false ? 0x2010 : 0x2010 | ERROR_REPORTING);
  space.allowWrites(at + regs.PCI_EXP_DEVCTL, 2, of.flr ? 0xffff : 0x7fff);
  space.clearByOne(at + regs.PCI_EXP_DEVSTA, 2, hw.PCI_EXP_DEVSTA_ERRORS);
  space.set(at + hw.PCI_EXP_LNKCAP, 4, 0x0043);
  space.set(at + hw.PCI_EXP_LNKSTA, 2, 0x0043);
  extended(space, AER_AT, regs.PCI_EXT_CAP_ID_ERR, of.vfs ? SRIOV_AT : 0);
  space.clearByOne(AER_AT + regs.PCI_ERR_UNCOR_STATUS, 4, 0x003f_f030);
  space.allowWrites(AER_AT + regs.PCI_ERR_UNCOR_MASK, 4, 0x003f_f030);
  space.clearByOne(AER_AT + regs.PCI_ERR_COR_STATUS, 4, 0x31c1);
}

function sriovCapability(space: ConfigSpace, of: FunctionDescription, vfs: number): number | undefined {
  if (of.express === undefined) return undefined;
  extended(space, SRIOV_AT, regs.PCI_EXT_CAP_ID_SRIOV, 0);
  space.set(SRIOV_AT + regs.PCI_SRIOV_CTRL, 2, regs.PCI_SRIOV_CTRL_VFE | 0x0008);
  space.allowWrites(SRIOV_AT + regs.PCI_SRIOV_CTRL, 2, 0x001d);
  space.set(SRIOV_AT + hw.PCI_SRIOV_INITIAL_VF, 2, vfs);
  space.set(SRIOV_AT + regs.PCI_SRIOV_TOTAL_VF, 2, vfs);
  space.set(SRIOV_AT + regs.PCI_SRIOV_NUM_VF, 2, vfs);
  space.set(SRIOV_AT + regs.PCI_SRIOV_VF_OFFSET, 2, VF_STRIDE);
  space.set(SRIOV_AT + regs.PCI_SRIOV_VF_STRIDE, 2, VF_STRIDE);
  space.set(SRIOV_AT + regs.PCI_SRIOV_VF_DID, 2, of.device);
  return SRIOV_AT;
}

function extended(space: ConfigSpace, at: number, id: number, next: number): void {
  space.set(at, 4, id + 0x1_0000 + next * 0x10_0000);
}
