import type { Machine } from '../host/scan.js';
import { hex, slotParts, VMD_DOMAINS } from '../pci/slot.js';
import type { Policy } from '../quiesce/policy.js';
import { policyDigest } from '../quiesce/policy-digest.js';
import { verdictOf } from '../quiesce/verdict.js';
import { encodeTable, type Table } from './table-data.js';
import { busFlags, knownFunctions, leadingElsewhere } from './table-known.js';
import { type CompiledRules, compileRules, ruleForOne } from './table-rules.js';

export interface TableOptions {
  /** The machine that the kernel is wrapped for, its capabilities read whole, those of quiet functions too. */
  readonly machine?: Machine | undefined;
  /** Over the policy's `between.scan` and `between.progress`. */
  readonly scanAll?: boolean | undefined;
  readonly progress?: boolean | undefined;
  /** Of that machine's time-stamp counter. Default 3,000,000: then bounds are off by as much as it is. */
  readonly tscKhz?: number | undefined;
  /** Waited before each access: for tests. Default 0. */
  readonly slowTicks?: bigint | undefined;
  readonly maxAccesses?: number | undefined;
  /** Name and version, for the flight record. */
  readonly tool: string;
}

export interface CompiledTable {
  readonly bytes: Uint8Array;
  readonly table: Table;
  /** What is out of the stub's reach and which rules were left out, in one line each. */
  readonly notes: readonly string[];
}

const TSC_KHZ = 3_000_000;
/** All 65,536 routing IDs looked at, with room for what 3,000 functions cost. About half a second of port I/O. */
const ACCESSES_MAX = 262_144;

/**
 * What the stub needs to know: a policy, and a machine if the kernel is wrapped for one. Its decisions are those of
 * `decider` between the kernels. Throws `bad-input` for a policy that does not fit.
 */
export function compileTable(policy: Policy, options: TableOptions): CompiledTable {
  const { machine, tscKhz = TSC_KHZ } = options;
  const tsc = options.tscKhz === undefined ? 'assumed' : 'measured';
  const compiled = compileRules(policy);
  const { predicates } = compiled;
  // The stub cannot see what hangs behind these: like a plan, it leaves them and every bridge above them open.
  const kept = leadingElsewhere(machine).map((slot) => ruleForOne(slot, 'preserve'));
  const rules = [...kept, ...compiled.rules];
  const ids = [...kept.map(() => 'ladder'), ...compiled.ids];
  const ticks = (milliseconds: number) => BigInt(Math.round(milliseconds * tscKhz));
  const buses = busFlags(machine);
  let defaultFacts = 0;
  predicates.forEach(({ unknown }, bit) => {
    if (unknown) defaultFacts |= 1 << bit;
  });
  const table: Table = {
    scanAll: options.scanAll ?? policy.between.scan === 'all',
    progress: options.progress ?? policy.between.progress,
    stopOnFailure: policy.onFailure === 'stop',
    hasPreserve: rules.some(({ action }) => action === 'preserve'),
    walkTicks: ticks(policy.between.walkTimeoutMs),
    pendingTicks: ticks(policy.bounds.pendingTimeoutMs),
    slowTicks: options.slowTicks ?? 0n,
    maxAccesses: options.maxAccesses ?? ACCESSES_MAX,
    tscKhz,
    defaultFacts: defaultFacts >>> 0,
    otherwise: policy.otherwise.action,
    busFlags: buses,
    rules,
    known: machine ? knownFunctions(machine, predicates, buses) : [],
    template: {
      tool: options.tool,
      policy: { name: policy.name, sha256: policyDigest(policy) },
      rules: ids,
      tsc,
    },
  };
  const unknown = machine ? [] : withoutFacts(compiled);
  return { bytes: encodeTable(table), table, notes: [...outOfReach(machine), ...unknown, ...compiled.notes] };
}

/** Rules that ask for a driver or for what a function holds, where there is no machine to say. */
function withoutFacts({ rules, ids, predicates }: CompiledRules): string[] {
  return ids.flatMap((id, n) => {
    const bit = rules[n]?.factBit ?? null;
    if (bit === null) return [];
    const counts = predicates[bit]?.unknown ? 'counts whatever driver is bound' : 'matches nothing';
    return [`rule ${id} ${counts}: that is known only where a machine is named (--for)`];
  });
}

/** What is not in segment 0, in a line a segment. */
function outOfReach(machine: Machine | undefined): string[] {
  const segments = new Map<number, { first: string; functions: number; live: number }>();
  for (const [slot, { function: fn }] of machine?.topology.nodes ?? []) {
    const { domain } = slotParts(slot);
    if (domain === 0) continue;
    const segment = segments.get(domain) ?? { first: slot, functions: 0, live: 0 };
    segment.functions++;
    if (verdictOf(fn) === 'live') segment.live++;
    segments.set(domain, segment);
  }
  return [...segments].map(([domain, { first, functions, live }]) => {
    const vmd = domain >= VMD_DOMAINS ? ' (behind Intel VMD)' : '';
    return `PCI segment ${hex(domain, 4)}${vmd} is out of reach: functions ${functions}, live ${live}, first ${first}`;
  });
}
