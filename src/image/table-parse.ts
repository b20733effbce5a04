import { ShootdownError } from '../pci/error.js';
import { ACTION, KNOWN, KNOWN_FLAGS, RULE, TABLE, TABLE_FLAGS } from './layout.js';
import {
  type KnownFunction,
  NONE,
  TABLE_ALIGNMENT,
  type Table,
  type TableAction,
  type TableRule,
} from './table-data.js';
import { parseTemplate } from './table-template.js';

const ACTION_NAMES = Object.keys(ACTION) as TableAction[];

/** Reads a table back. Throws `bad-input` for bytes that are none, or one of another version. */
export function parseTable(bytes: Uint8Array): Table {
  if (bytes.length < TABLE.headerBytes) throw broken('shorter than its header');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const u32 = (at: number) => view.getUint32(at, true);
  if (u32(TABLE.magicAt) !== TABLE.magic) throw broken('it does not begin as one');
  const version = view.getUint16(TABLE.versionAt, true);
  if (version !== TABLE.version) throw broken(`version ${version}, and this tool knows ${TABLE.version}`);
  const range = (name: string, at: number, length: number) => {
    if (at % TABLE_ALIGNMENT !== 0 || at < TABLE.headerBytes || at + length > bytes.length) {
      throw broken(`its ${name} lie outside it`);
    }
    return bytes.subarray(at, at + length);
  };
  const rules = range('rules', u32(TABLE.rules), u32(TABLE.ruleCount) * RULE.bytes);
  const known = range('known functions', u32(TABLE.known), u32(TABLE.knownCount) * KNOWN.bytes);
  const template = range('texts', u32(TABLE.template), u32(TABLE.templateBytes));
  const flags = view.getUint16(TABLE.flags, true);
  return {
    scanAll: (flags & TABLE_FLAGS.scanAll) !== 0,
    progress: (flags & TABLE_FLAGS.progress) !== 0,
    stopOnFailure: (flags & TABLE_FLAGS.stopOnFailure) !== 0,
    hasPreserve: (flags & TABLE_FLAGS.hasPreserve) !== 0,
    walkTicks: view.getBigUint64(TABLE.walkTicks, true),
    pendingTicks: view.getBigUint64(TABLE.pendingTicks, true),
    slowTicks: view.getBigUint64(TABLE.slowTicks, true),
    maxAccesses: u32(TABLE.maxAccesses),
    tscKhz: u32(TABLE.tscKhz),
    defaultFacts: u32(TABLE.defaultFacts),
    otherwise: actionOf(view.getUint8(TABLE.otherwise)),
    busFlags: bytes.slice(TABLE.busFlags, TABLE.busFlags + 256),
    rules: entries(rules, RULE.bytes).map(parseRule),
    known: entries(known, KNOWN.bytes).map(parseKnown),
    template: parseTemplate(template, 'table'),
  };
}

function broken(why: string): ShootdownError {
  return new ShootdownError('bad-input', `not a table of a wrapped kernel: ${why}`);
}

function entries(bytes: Uint8Array, size: number): DataView[] {
  return Array.from(
    { length: bytes.length / size },
    (_, n) => new DataView(bytes.buffer, bytes.byteOffset + n * size, size),
  );
}

function actionOf(value: number): TableAction {
  const name = ACTION_NAMES.find((action) => ACTION[action] === value);
  if (name === undefined) throw broken(`action ${value} is none`);
  return name;
}

function parseRule(view: DataView): TableRule {
  const orNull = (value: number) => (value === NONE ? null : value);
  return {
    classMask: view.getUint32(RULE.classMask, true),
    classValue: view.getUint32(RULE.classValue, true),
    idMask: view.getUint32(RULE.idMask, true),
    idValue: view.getUint32(RULE.idValue, true),
    routingIdMask: view.getUint16(RULE.ridMask, true),
    routingIdValue: view.getUint16(RULE.ridValue, true),
    headerType: orNull(view.getUint8(RULE.headerType)),
    conditions: view.getUint8(RULE.conditions),
    factBit: factBitOf(view.getUint32(RULE.factMask, true)),
    action: actionOf(view.getUint8(RULE.action)),
  };
}

function factBitOf(mask: number): number | null {
  if (mask === 0) return null;
  const bit = 31 - Math.clz32(mask);
  if (mask !== (1 << bit) >>> 0) throw broken(`fact mask ${mask} has more than one bit`);
  return bit;
}

function parseKnown(view: DataView): KnownFunction {
  const flags = view.getUint8(KNOWN.flags);
  const has = (flag: number) => (flags & flag) !== 0;
  const at = (offset: number) => view.getUint8(offset);
  return {
    routingId: view.getUint16(KNOWN.rid, true),
    physfn: view.getUint16(KNOWN.physfn, true),
    id: view.getUint32(KNOWN.id, true),
    facts: view.getUint32(KNOWN.facts, true),
    capabilities: has(KNOWN_FLAGS.capabilities)
      ? {
          pm: at(KNOWN.pm),
          msi: at(KNOWN.msi),
          msix: at(KNOWN.msix),
          express: at(KNOWN.express),
          af: at(KNOWN.af),
        }
      : null,
    vf: has(KNOWN_FLAGS.vf),
    bootVga: has(KNOWN_FLAGS.bootVgaKnown) ? has(KNOWN_FLAGS.bootVga) : null,
    oneDevice: has(KNOWN_FLAGS.oneDevice),
  };
}
