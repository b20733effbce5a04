import { type PciFunction, seen } from '../pci/function.js';
import { hex } from '../pci/slot.js';
import type { Audit, AuditedFunction } from '../quiesce/audit.js';
import type { AuditData, AuditedFunctionData } from '../quiesce/audit-data.js';
import { HAZARDS } from '../quiesce/hazards.generated.js';
import { busMaster, intxAsserted, intxDisabled, transactionsPending } from '../quiesce/verdict.js';

/** The audit as one JSON value, schema `shootdown.audit/1`. `null` means none, or not to be seen. */
export function auditJson(audit: Audit): object {
  return auditData(audit);
}

/** The same, key for key: who uses the library needs no schema's types. @internal */
export function auditData(audit: Audit): AuditData {
  const { hostname, kernel } = audit.machineFacts;
  return {
    schema: 'shootdown.audit/1',
    host: audit.host,
    for: audit.path,
    policy: audit.policy,
    machine: {
      ...(hostname === undefined ? {} : { hostname }),
      ...(kernel === undefined ? {} : { kernel }),
      liveKernel: audit.machineFacts.liveKernel ?? false,
      lockdown: audit.machineFacts.lockdown ?? null,
      iommu: audit.machineFacts.iommu ?? null,
      captureKernelLoaded: audit.machineFacts.captureKernelLoaded ?? null,
      captureKernelProtected: audit.machineFacts.captureKernelProtected ?? null,
      kexecKernelLoaded: audit.machineFacts.kexecKernelLoaded ?? null,
    },
    functions: audit.functions.map(functionJson),
    findings: audit.findings.map(({ id, slot, severity, title, evidence, advice, hazards }) => ({
      id,
      slot,
      severity,
      title,
      evidence,
      advice,
      hazards: hazards.map((hazard) => ({ id: hazard, ...HAZARDS[hazard] })),
    })),
    notes: audit.notes,
  };
}

function functionJson({ node, facts, verdict, decision }: AuditedFunction): AuditedFunctionData {
  const fn = node.function;
  const registers = fn.presence === 'present';
  const msi = seen(fn.msi);
  const msix = seen(fn.msix);
  const express = seen(fn.express);
  const af = seen(fn.af);
  const sriov = seen(fn.sriov);
  const aer = seen(fn.aer);
  return {
    slot: fn.slot,
    vendor: hex(fn.vendor, 4),
    device: hex(fn.device, 4),
    class: hex(fn.classCode, 6),
    revision: hex(fn.revision, 2),
    headerType: fn.headerType,
    multiFunction: fn.multiFunction,
    visibleBytes: fn.visibleBytes,
    presence: fn.presence,
    command: registers ? hex(fn.command, 4) : null,
    status: registers ? hex(fn.status, 4) : null,
    busMaster: registers ? busMaster(fn) : null,
    intxDisable: registers ? intxDisabled(fn) : null,
    intxAsserted: registers ? intxAsserted(fn) : null,
    interruptPin: registers ? fn.interruptPin : null,
    capabilities: fn.capabilities.map(({ id, offset, extended }) => ({
      id: hex(id, extended ? 4 : 2),
      offset: hex(offset, extended ? 3 : 2),
      extended,
    })),
    capabilitiesComplete: [fn.pm, fn.msi, fn.msix, fn.express, fn.af].every((one) => one !== 'unknown'),
    msi: msi
      ? { enable: msi.enable, vectors: msi.vectors, is64bit: msi.is64bit, maskable: msi.perVectorMasking }
      : null,
    msix: msix ? { enable: msix.enable, masked: msix.functionMask, tableSize: msix.tableSize } : null,
    transactionsPending: express ? transactionsPending(fn) : null,
    powerState: powerState(fn, facts.powerState),
    express: express ? { type: express.type, version: express.version, flr: express.flr === true } : null,
    af: af
      ? { flr: af.flr, hasPending: af.hasPending, transactionsPending: af.transactionsPending === true }
      : null,
    sriov: sriov
      ? {
          vfEnable: sriov.vfEnable,
          numVfs: sriov.numVfs,
          totalVfs: sriov.totalVfs,
          vfOffset: sriov.vfOffset,
          vfStride: sriov.vfStride,
        }
      : null,
    aer: aer
      ? {
          uncorrectableStatus: hex(aer.uncorrectableStatus, 8),
          correctableStatus: hex(aer.correctableStatus, 8),
        }
      : null,
    bridge: fn.bridge && {
      primary: fn.bridge.primary,
      secondary: fn.bridge.secondary,
      subordinate: fn.bridge.subordinate,
      control: fn.bridge.control === 'unknown' ? null : hex(fn.bridge.control, 4),
    },
    parent: node.parent ?? facts.parent ?? null,
    physfn: facts.physfn ?? node.physfn,
    driver: facts.driver ?? null,
    driverKnown: facts.driver !== undefined,
    bootVga: facts.bootVga ?? null,
    numaNode: facts.numaNode ?? null,
    iommuGroup: facts.iommuGroup ?? null,
    iommuDomain: facts.iommuDomain ?? null,
    resetMethods: facts.resetMethods ?? null,
    holds: facts.holds ?? [],
    verdict,
    policy: { action: decision.action, rule: decision.rule, reason: decision.reason },
  };
}

function powerState(fn: PciFunction, kernel: string | undefined): string | null {
  if (fn.presence === 'd3cold') return 'D3cold';
  const state = seen(fn.pm)?.state;
  if (state && state !== 'unknown') return state;
  return fn.presence === 'suspended' && kernel !== undefined ? kernel : null;
}
