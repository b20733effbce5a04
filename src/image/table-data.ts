import { ACTION, KNOWN, KNOWN_FLAGS, RULE, TABLE, TABLE_FLAGS } from './layout.js';

export type TableAction = keyof typeof ACTION;

/** A rule: what is set must match. */
export interface TableRule {
  /** Of the dword at offset 8: class code and revision. */
  readonly classMask: number;
  readonly classValue: number;
  /** Of the dword at offset 0: vendor and device. */
  readonly idMask: number;
  readonly idValue: number;
  readonly routingIdMask: number;
  readonly routingIdValue: number;
  /** `null` for any. */
  readonly headerType: number | null;
  /** `CONDITIONS` */
  readonly conditions: number;
  /** Which bit of a function's facts must be set; `null` for none. */
  readonly factBit: number | null;
  readonly action: TableAction;
}

/** A function as it was when the kernel was wrapped. */
export interface KnownFunction {
  readonly routingId: number;
  /** The physical function of a virtual one; its own routing ID where that is not known, and for others. */
  readonly physfn: number;
  /** Vendor and device as in the dword at offset 0; of a virtual function as the system knows them. */
  readonly id: number;
  readonly facts: number;
  /** Offsets, 0 for none; `null` where they are not all known. */
  readonly capabilities: {
    readonly pm: number;
    readonly msi: number;
    readonly msix: number;
    readonly express: number;
    readonly af: number;
  } | null;
  readonly vf: boolean;
  /** `null` where the system does not say. */
  readonly bootVga: boolean | null;
  readonly oneDevice: boolean;
}

/** What a flight record repeats: who wrapped the kernel, with which policy. */
export interface TableTemplate {
  readonly tool: string;
  readonly policy: { readonly name: string; readonly sha256: string };
  /** Ids of the rules, in their order. */
  readonly rules: readonly string[];
  /** Whether the ticks were computed with the frequency of the machine's TSC; without it, not known. */
  readonly tsc?: 'measured' | 'assumed' | undefined;
}

/** What lies behind the stub's program; `layout.ts` has where. */
export interface Table {
  readonly scanAll: boolean;
  readonly progress: boolean;
  readonly stopOnFailure: boolean;
  /** A rule preserves: what is quiet is looked at, too. */
  readonly hasPreserve: boolean;
  /** Of the time-stamp counter. */
  readonly walkTicks: bigint;
  readonly pendingTicks: bigint;
  readonly slowTicks: bigint;
  readonly maxAccesses: number;
  readonly tscKhz: number;
  readonly defaultFacts: number;
  readonly otherwise: TableAction;
  /** `BUS_FLAGS` of 256 buses. */
  readonly busFlags: Uint8Array;
  readonly rules: readonly TableRule[];
  /** By routing ID in order. */
  readonly known: readonly KnownFunction[];
  readonly template: TableTemplate;
}

/** In a byte that may say none. */
export const NONE = 0xff;
/** Of a table's parts, from its start. */
export const TABLE_ALIGNMENT = 8;

/** The bytes of a table; their number is a multiple of 8. */
export function encodeTable(table: Table): Uint8Array {
  const template = templateBytes(table.template);
  const rulesAt = TABLE.headerBytes;
  const knownAt = rulesAt + table.rules.length * RULE.bytes;
  const templateAt = knownAt + table.known.length * KNOWN.bytes;
  const bytes = new Uint8Array(templateAt + template.length);
  const view = new DataView(bytes.buffer);
  const u32 = (at: number, value: number) => view.setUint32(at, value, true);
  u32(TABLE.magicAt, TABLE.magic);
  view.setUint16(TABLE.versionAt, TABLE.version, true);
  view.setUint16(TABLE.flags, flagsOf(table, TABLE_FLAGS), true);
  view.setBigUint64(TABLE.walkTicks, table.walkTicks, true);
  view.setBigUint64(TABLE.pendingTicks, table.pendingTicks, true);
  view.setBigUint64(TABLE.slowTicks, table.slowTicks, true);
  u32(TABLE.maxAccesses, table.maxAccesses);
  u32(TABLE.tscKhz, table.tscKhz);
  u32(TABLE.rules, rulesAt);
  u32(TABLE.ruleCount, table.rules.length);
  u32(TABLE.known, knownAt);
  u32(TABLE.knownCount, table.known.length);
  u32(TABLE.template, templateAt);
  u32(TABLE.templateBytes, template.length);
  u32(TABLE.defaultFacts, table.defaultFacts);
  bytes[TABLE.otherwise] = ACTION[table.otherwise];
  bytes.set(table.busFlags, TABLE.busFlags);
  table.rules.forEach((rule, n) => {
    encodeRule(new DataView(bytes.buffer, rulesAt + n * RULE.bytes, RULE.bytes), rule);
  });
  table.known.forEach((fn, n) => {
    encodeKnown(new DataView(bytes.buffer, knownAt + n * KNOWN.bytes, KNOWN.bytes), fn);
  });
  bytes.set(template, templateAt);
  return bytes;
}

function templateBytes(template: TableTemplate): Uint8Array {
  const { tool, policy, rules, tsc } = template;
  const { name, sha256 } = policy;
  const text = new TextEncoder().encode(JSON.stringify({ tool, policy: { name, sha256 }, rules, tsc }));
  const padded = new Uint8Array(Math.ceil(text.length / TABLE_ALIGNMENT) * TABLE_ALIGNMENT).fill(0x20);
  padded.set(text);
  return padded;
}

function flagsOf<K extends string>(
  values: Readonly<Record<NoInfer<K>, boolean | null>>,
  bits: Readonly<Record<K, number>>,
): number {
  let flags = 0;
  for (const key of Object.keys(bits) as K[]) if (values[key] === true) flags |= bits[key];
  return flags;
}

function encodeRule(view: DataView, rule: TableRule): void {
  view.setUint32(RULE.classMask, rule.classMask, true);
  view.setUint32(RULE.classValue, rule.classValue, true);
  view.setUint32(RULE.idMask, rule.idMask, true);
  view.setUint32(RULE.idValue, rule.idValue, true);
  view.setUint16(RULE.ridMask, rule.routingIdMask, true);
  view.setUint16(RULE.ridValue, rule.routingIdValue, true);
  view.setUint8(RULE.headerType, rule.headerType ?? NONE);
  view.setUint8(RULE.conditions, rule.conditions);
  view.setUint32(RULE.factMask, rule.factBit === null ? 0 : 1 << rule.factBit, true);
  view.setUint8(RULE.action, ACTION[rule.action]);
}

function encodeKnown(view: DataView, fn: KnownFunction): void {
  view.setUint16(KNOWN.rid, fn.routingId, true);
  view.setUint16(KNOWN.physfn, fn.physfn, true);
  view.setUint32(KNOWN.id, fn.id, true);
  view.setUint32(KNOWN.facts, fn.facts, true);
  for (const name of CAPABILITIES) view.setUint8(KNOWN[name], fn.capabilities?.[name] ?? 0);
  const flags = {
    vf: fn.vf,
    bootVgaKnown: fn.bootVga !== null,
    bootVga: fn.bootVga,
    capabilities: fn.capabilities !== null,
    oneDevice: fn.oneDevice,
  };
  view.setUint8(KNOWN.flags, flagsOf(flags, KNOWN_FLAGS));
}

const CAPABILITIES = ['pm', 'msi', 'msix', 'express', 'af'] as const;
