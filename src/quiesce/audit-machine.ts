import type { FunctionFacts } from '../host/facts.js';
import type { Machine } from '../host/scan.js';
import { ShootdownError } from '../pci/error.js';
import type { Msi, Msix, PciFunction, PowerManagement, PowerState, Seen } from '../pci/function.js';
import * as regs from '../pci/regs.js';
import type { Slot } from '../pci/slot.js';
import { buildTopology } from '../pci/topology.js';
import { type AuditData, type AuditedFunctionData, parseAudit } from './audit-data.js';

/**
 * The machine that `audit --json` printed, as far as it is in there: enough for what a policy decides and for what a
 * wrapped kernel is told of a machine, not for a plan that would be performed. `name` is what messages call it. Throws
 * `bad-input` for what is no audit, or one of a part of a machine.
 */
export function machineFromAudit(json: string, name: string): Machine {
  return machineInAudit(parseAudit(json, name), name);
}

/** As `machineFromAudit`, of one that was read already. @internal */
export function machineInAudit(audit: AuditData, name: string): Machine {
  const slots = new Set(audit.functions.map(({ slot }) => slot));
  const kin = { parents: new Map<Slot, Slot>(), physfns: new Map<Slot, Slot>() };
  const facts = new Map<Slot, FunctionFacts>();
  for (const fn of audit.functions) {
    if (fn.parent !== null && !slots.has(fn.parent)) {
      const message = `${name}: ${fn.slot} is below ${fn.parent}, which is missing: make an audit of the whole machine, without -s and -d`;
      throw new ShootdownError('bad-input', message);
    }
    facts.set(fn.slot, factsOf(fn));
    if (fn.parent !== null) kin.parents.set(fn.slot, fn.parent);
    if (fn.physfn !== null && fn.presence === 'present') kin.physfns.set(fn.slot, fn.physfn);
  }
  const { lockdown, iommu } = audit.machine;
  return {
    host: audit.host,
    topology: buildTopology(audit.functions.map(functionOf), kin),
    facts,
    machineFacts: { ...(lockdown === null ? {} : { lockdown }), ...(iommu === null ? {} : { iommu }) },
    notes: audit.notes,
  };
}

function factsOf(fn: AuditedFunctionData): FunctionFacts {
  return {
    ...(fn.driverKnown ? { driver: fn.driver } : {}),
    ...(fn.holds.length > 0 ? { holds: fn.holds } : {}),
    ...(fn.bootVga === null ? {} : { bootVga: fn.bootVga }),
    ...(fn.physfn === null ? {} : { physfn: fn.physfn }),
    ...(fn.parent === null ? {} : { parent: fn.parent }),
  };
}

function functionOf(fn: AuditedFunctionData): PciFunction {
  const capabilities = fn.capabilities.map(({ id, offset, extended }) => ({
    id: number(id),
    offset: number(offset),
    extended,
  }));
  const offsetOf = (id: number, extended = false) =>
    capabilities.find((one) => one.id === id && one.extended === extended)?.offset;
  const none = fn.capabilitiesComplete ? null : 'unknown';
  const at = <T>(offset: number | undefined, make: (offset: number) => T): Seen<T | null> =>
    offset === undefined ? none : make(offset);
  const { msi, msix, express, af, sriov, bridge } = fn;
  return {
    slot: fn.slot,
    visibleBytes: fn.visibleBytes,
    presence: fn.presence,
    vendor: number(fn.vendor),
    device: number(fn.device),
    revision: number(fn.revision),
    classCode: number(fn.class),
    headerType: fn.headerType,
    multiFunction: fn.multiFunction,
    command: number(fn.command ?? 'ffff'),
    status: number(fn.status ?? 'ffff'),
    interruptPin: fn.interruptPin ?? 0,
    interruptLine: 0,
    bridge: bridge && {
      ...bridge,
      control: bridge.control === null ? ('unknown' as const) : number(bridge.control),
    },
    capabilities,
    pm: at(offsetOf(regs.PCI_CAP_ID_PM), (offset) => powerOf(fn, offset)),
    msi: msi ? at(offsetOf(regs.PCI_CAP_ID_MSI), (offset) => msiOf(msi, offset)) : none,
    msix: msix ? at(offsetOf(regs.PCI_CAP_ID_MSIX), (offset) => msixOf(msix, offset)) : none,
    express: express
      ? at(offsetOf(regs.PCI_CAP_ID_EXP), (offset) => ({
          ...express,
          offset,
          deviceControl: 'unknown' as const,
          deviceStatus: 'unknown' as const,
          transactionsPending: fn.transactionsPending ?? 'unknown',
        }))
      : none,
    af: af ? at(offsetOf(regs.PCI_CAP_ID_AF), (offset) => ({ ...af, offset })) : none,
    sriov: sriov
      ? at(offsetOf(regs.PCI_EXT_CAP_ID_SRIOV, true), (offset) => ({ ...sriov, offset, vfDevice: 0 }))
      : 'unknown',
    aer: 'unknown',
    notes: [],
  };
}

const number = (hexadecimal: string): number => Number.parseInt(hexadecimal, 16);

const POWER_STATES: readonly PowerState[] = ['D0', 'D1', 'D2', 'D3hot'];

function powerOf(fn: AuditedFunctionData, offset: number): PowerManagement {
  return { offset, state: POWER_STATES.find((state) => state === fn.powerState) ?? 'unknown' };
}

/** Message Control as far as it was printed. */
function msiOf(msi: NonNullable<AuditedFunctionData['msi']>, offset: number): Msi {
  const control =
    (msi.enable ? regs.PCI_MSI_FLAGS_ENABLE : 0) |
    (msi.is64bit ? regs.PCI_MSI_FLAGS_64BIT : 0) |
    (msi.maskable ? regs.PCI_MSI_FLAGS_MASKBIT : 0) |
    (Math.log2(msi.vectors) << 4);
  const { enable, is64bit, maskable: perVectorMasking, vectors } = msi;
  return { offset, control, enable, is64bit, perVectorMasking, vectors, vectorsWanted: 'unknown' };
}

function msixOf(
  { enable, masked, tableSize }: NonNullable<AuditedFunctionData['msix']>,
  offset: number,
): Msix {
  const control =
    (enable ? regs.PCI_MSIX_FLAGS_ENABLE : 0) | (masked ? regs.PCI_MSIX_FLAGS_MASKALL : 0) | (tableSize - 1);
  return { offset, control, enable, functionMask: masked, tableSize };
}
