import type { Machine } from '../host/scan.js';
import { CONDITIONS } from '../image/layout.js';
import type { TableRule } from '../image/table-data.js';
import { type CompiledRules, compileRules } from '../image/table-rules.js';
import { parseSlotSelector } from '../pci/selector.js';
import { hex } from '../pci/slot.js';
import type { TopologyNode } from '../pci/topology.js';
import type { Policy, PolicyRule } from '../quiesce/policy.js';
import { policyDigest } from '../quiesce/policy-digest.js';

/** Of the text; `integrations/lib/gate` refuses any other. */
const VERSION = 1;

export interface GateTableOptions {
  /** The machine that the initramfs is for: which driver a function had, and what was on it. */
  readonly machine?: Machine | undefined;
  /** In capture kernels only, or in each kernel whose initramfs has the hook. */
  readonly when: 'crash' | 'always';
  /** Name and version. */
  readonly tool: string;
}

export interface GateTable {
  readonly text: string;
  /** Rules that were left out or that lack facts, in one line each. */
  readonly notes: readonly string[];
}

/**
 * A policy as text that a shell can follow in the next kernel's initramfs. One line each: `rule ID ACTION FACTS
 * PATTERN`, where the pattern is a shell's, for `class/vendor:device/slot/bus/kind` with bus `r` (a root bus) or `b`
 * (below a bridge) and kind `v` (virtual) or `p`. FACTS is `-` where the pattern decides alone; else the rule asks
 * for a driver or for what a function held, and counts for functions whose `known` line names it, and with `yes` for
 * those without a line, too. The last line has the number of those before it: what is cut off does not count.
 *
 * The decisions are those of `decider` after the jump, with drivers and holdings as they were on `machine`, for what
 * the hook may touch at all: rules for bridges and displays are left out.
 */
export function compileGateTable(policy: Policy, { machine, when, tool }: GateTableOptions): GateTable {
  const compiled = compileRules(policy, 'after');
  const rules = compiled.rules.flatMap((rule, n) => {
    const source = compiled.sources[n];
    return source && mayMatch(source) ? [ruleLine(rule, source, compiled)] : [];
  });
  const lines = [
    `shootdown-gate ${VERSION}`,
    `tool ${plain(tool)}`,
    `policy ${plain(policy.name).replaceAll(' ', '-')} ${policyDigest(policy)}`,
    `when ${when}`,
    `on-failure ${policy.onFailure}`,
    ...rules,
    `otherwise ${policy.otherwise.action}`,
    ...(machine ? knownLines(machine, compiled) : []),
  ];
  const text = [...lines, `end ${lines.length}`].map((line) => `${line}\n`).join('');
  return { text, notes: [...(machine ? [] : withoutFacts(compiled)), ...compiled.notes] };
}

/** Of what the hook never touches, nothing needs to be said. */
function mayMatch({ match }: PolicyRule): boolean {
  return (match.headerType ?? 'normal') === 'normal' && match.bootDisplay !== true;
}

/** What a rule that unbinds gates here, where nothing is bound. */
const ACTIONS = {
  exempt: 'exempt',
  preserve: 'preserve',
  gate: 'gate',
  unbind: 'gate',
  reset: 'reset',
} as const satisfies Record<PolicyRule['action'], string>;

function ruleLine(rule: TableRule, source: PolicyRule, { predicates }: CompiledRules): string {
  const predicate = rule.factBit === null ? undefined : predicates[rule.factBit];
  const facts = predicate ? (predicate.unknown ? 'yes' : 'no') : '-';
  return `rule ${source.id} ${ACTIONS[source.action]} ${facts} ${patternOf(rule, source)}`;
}

function patternOf(rule: TableRule, source: PolicyRule): string {
  const classCode = digits(rule.classMask >>> 8, rule.classValue >>> 8, 6);
  const vendor = digits(rule.idMask & 0xffff, rule.idValue & 0xffff, 4);
  const device = digits(rule.idMask >>> 16, rule.idValue >>> 16, 4);
  const has = (condition: number) => (rule.conditions & condition) !== 0;
  const bus = has(CONDITIONS.rootBus) ? 'r' : has(CONDITIONS.notRootBus) ? 'b' : '?';
  const kind = has(CONDITIONS.vf) ? 'v' : has(CONDITIONS.notVf) ? 'p' : '?';
  return `${classCode}/${vendor}:${device}/${slotPattern(rule, source)}/${bus}/${kind}`;
}

function slotPattern(
  { routingIdMask: mask, routingIdValue: value }: TableRule,
  { match }: PolicyRule,
): string {
  const domain = match.slot === undefined ? undefined : parseSlotSelector(match.slot).domain;
  const bus = digits(mask >>> 8, value >>> 8, 2);
  const device = (mask & 0xf8) === 0 ? '??' : hex((value >>> 3) & 0x1f, 2);
  const fn = (mask & 7) === 0 ? '?' : hex(value & 7, 1);
  return `${domain === undefined ? '*' : hex(domain, 4)}:${bus}:${device}.${fn}`;
}

/** Hexadecimal, `?` for a digit that does not count. Selectors have no finer masks. */
function digits(mask: number, value: number, count: number): string {
  let text = '';
  for (let shift = 4 * (count - 1); shift >= 0; shift -= 4) {
    const counts = (mask >>> shift) & 0xf;
    if (counts !== 0 && counts !== 0xf)
      throw new RangeError(`a mask that splits a digit: ${hex(mask, count)}`);
    text += counts === 0 ? '?' : hex((value >>> shift) & 0xf, 1);
  }
  return text;
}

/** `known SLOT VENDOR:DEVICE ,ID,…,`: the rules whose facts are true of a function. */
function knownLines(machine: Machine, { rules, ids, predicates }: CompiledRules): string[] {
  if (predicates.length === 0) return [];
  const lines: string[] = [];
  for (const node of machine.topology.nodes.values()) {
    const fn = node.function;
    if (fn.bridge !== null) continue;
    const held = ids.filter((_, n) => holds(rules[n]?.factBit ?? null, node));
    const named = held.map((id) => `${id},`).join('');
    lines.push(`known ${fn.slot} ${hex(fn.vendor, 4)}:${hex(fn.device, 4)} ,${named}`);
  }
  return lines;

  function holds(bit: number | null, node: TopologyNode): boolean {
    return bit !== null && predicates[bit]?.holds(node, machine) === true;
  }
}

/** Rules that ask for a driver or for what a function holds, where there is no machine to say. */
function withoutFacts({ sources, rules, predicates }: CompiledRules): string[] {
  return sources.flatMap((source, n) => {
    const bit = rules[n]?.factBit ?? null;
    if (bit === null || !mayMatch(source)) return [];
    const counts = predicates[bit]?.unknown ? 'counts whatever driver was bound' : 'matches nothing';
    return [`rule ${source.id} ${counts}: that is known only where a machine is named (--for)`];
  });
}

/** One line, in characters that a shell and a kernel's log take as they are. */
function plain(text: string): string {
  return text.replaceAll(/[^\w .,:;+/@()-]/g, '_').trim() || '_';
}
