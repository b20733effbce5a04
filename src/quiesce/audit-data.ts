import * as v from 'valibot';
import { ShootdownError } from '../pci/error.js';
import { EXPRESS_TYPES } from '../pci/function.js';
import type { Slot } from '../pci/slot.js';
import { SEVERITIES } from './findings.js';
import { parseJson } from './parse-json.js';
import { POLICY_ACTIONS } from './policy.js';
import { count, type Data, flag, hexadecimal, name, slot, uint } from './schema-parts.js';

// What `audit --json` prints, schema `shootdown.audit/1`. `null` means none, or not to be seen. `report/audit-json.ts`
// makes it.

const functionSchema = v.strictObject({
  slot,
  vendor: hexadecimal(4),
  device: hexadecimal(4),
  class: hexadecimal(6),
  revision: hexadecimal(2),
  headerType: v.pipe(uint(0x7f), v.description('without the multi-function bit')),
  multiFunction: v.boolean(),
  visibleBytes: v.picklist([64, 256, 4096]),
  presence: v.picklist(['present', 'all-ones', 'd3cold', 'suspended', 'unreadable']),
  command: v.nullable(hexadecimal(4)),
  status: v.nullable(hexadecimal(4)),
  busMaster: flag,
  intxDisable: flag,
  intxAsserted: flag,
  interruptPin: v.nullable(uint(0xff)),
  capabilities: v.array(
    v.strictObject({
      id: v.pipe(v.string(), v.regex(/^[0-9a-f]{2}([0-9a-f]{2})?$/)),
      offset: v.pipe(v.string(), v.regex(/^[0-9a-f]{2,3}$/)),
      extended: v.boolean(),
    }),
  ),
  capabilitiesComplete: v.pipe(v.boolean(), v.description('the list in the first 256 bytes was seen whole')),
  msi: v.nullable(
    v.strictObject({ enable: v.boolean(), vectors: uint(128), is64bit: v.boolean(), maskable: v.boolean() }),
  ),
  msix: v.nullable(v.strictObject({ enable: v.boolean(), masked: v.boolean(), tableSize: uint(2048) })),
  transactionsPending: flag,
  powerState: name,
  express: v.nullable(
    v.strictObject({
      type: v.picklist(EXPRESS_TYPES),
      version: uint(15),
      flr: v.boolean(),
    }),
  ),
  af: v.nullable(
    v.strictObject({ flr: v.boolean(), hasPending: v.boolean(), transactionsPending: v.boolean() }),
  ),
  sriov: v.nullable(
    v.strictObject({
      vfEnable: v.boolean(),
      numVfs: uint(0xffff),
      totalVfs: uint(0xffff),
      vfOffset: uint(0xffff),
      vfStride: uint(0xffff),
    }),
  ),
  aer: v.nullable(v.strictObject({ uncorrectableStatus: hexadecimal(8), correctableStatus: hexadecimal(8) })),
  bridge: v.nullable(
    v.strictObject({
      primary: uint(0xff),
      secondary: uint(0xff),
      subordinate: uint(0xff),
      control: v.nullable(hexadecimal(4)),
    }),
  ),
  parent: v.pipe(v.nullable(slot), v.description('the function above, by bus numbers or as the system says')),
  physfn: v.pipe(v.nullable(slot), v.description('of a virtual function')),
  driver: name,
  driverKnown: v.boolean(),
  bootVga: v.pipe(flag, v.description('as the system says')),
  numaNode: v.nullable(v.pipe(v.number(), v.integer())),
  iommuGroup: v.nullable(count),
  iommuDomain: name,
  resetMethods: v.nullable(v.array(v.string())),
  holds: v.array(v.picklist(['root', 'swap', 'console'])),
  verdict: v.picklist(['live', 'open', 'quiet', 'unknown']),
  policy: v.strictObject({ action: v.picklist(POLICY_ACTIONS), rule: v.string(), reason: v.string() }),
});

const findingSchema = v.strictObject({
  id: v.pipe(v.string(), v.regex(/^SD\d{3}$/)),
  slot: v.nullable(slot),
  severity: v.picklist(SEVERITIES),
  title: v.string(),
  evidence: v.string(),
  advice: v.string(),
  hazards: v.array(v.strictObject({ id: v.string(), title: v.string(), source: v.string() })),
});

/** @internal */
export const auditSchema = v.strictObject({
  schema: v.literal('shootdown.audit/1'),
  host: v.string(),
  for: v.picklist(['normal', 'crash']),
  policy: v.string(),
  machine: v.strictObject({
    hostname: v.pipe(v.optional(v.string()), v.description('only of a machine that runs, not of a dump')),
    kernel: v.pipe(v.optional(v.string()), v.description('its release, as uname -r prints it')),
    liveKernel: v.boolean(),
    lockdown: v.nullable(v.picklist(['none', 'integrity', 'confidentiality'])),
    iommu: flag,
    captureKernelLoaded: flag,
    captureKernelProtected: flag,
    kexecKernelLoaded: flag,
  }),
  functions: v.array(functionSchema),
  findings: v.array(findingSchema),
  notes: v.array(v.string()),
});

/** @internal */
export type AuditData = Data<typeof auditSchema>;
/** @internal */
export type AuditedFunctionData = AuditData['functions'][number];
/** @internal */
export type FindingData = AuditData['findings'][number];

/** @internal */
export const isBridgeData = ({ bridge }: AuditedFunctionData): boolean => bridge !== null;

/** Reads what `audit --json` printed. `name` is what messages call it. Throws `bad-input`. @internal */
export function parseAudit(json: string, name: string): AuditData {
  const audit = parseJson(auditSchema, json, name, 'audit');
  const slots = new Set<Slot>();
  for (const fn of audit.functions) {
    if (slots.has(fn.slot)) throw new ShootdownError('bad-input', `${name}: ${fn.slot} stands twice`);
    slots.add(fn.slot);
  }
  return audit;
}
