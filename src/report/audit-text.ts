import { seen } from '../pci/function.js';
import type { PciNames } from '../pci/pci-ids.js';
import { hex } from '../pci/slot.js';
import { type Audit, type AuditedFunction, CHIPSET_CLASSES, liveFunctions } from '../quiesce/audit.js';
import { FINDINGS, type Finding, SEVERITIES, type Severity } from '../quiesce/findings.js';
import { busMaster, intxAsserted, intxDisabled, isBridge, type Verdict } from '../quiesce/verdict.js';
import { paragraph, type Style, table } from './table.js';

export interface AuditTextOptions {
  readonly names: PciNames;
  readonly style: Style;
  /** Also list functions that are quiet, and findings of severity info in full. */
  readonly all?: boolean;
}

/** The audit for people: one sentence, the functions, the findings. */
export function auditText(audit: Audit, options: AuditTextOptions): string {
  const { style } = options;
  const parts = [style.bold(headline(audit)), breakdown(audit), '', liveTable(audit, options)];
  parts.push('', findingsText(audit.findings, options));
  if (audit.notes.length > 0) parts.push('', notesText(audit.notes, style));
  return `${parts.join('\n')}\n`;
}

/** The one sentence that says it. */
export function headline(audit: Audit): string {
  const masters = liveFunctions(audit).filter((f) => busMaster(f.node.function) && !isChipset(f));
  if (audit.path === 'crash') {
    return `If this kernel panicked now, ${functionCount(masters.length)} could keep writing to memory.`;
  }
  const left = masters.filter(({ facts }) => facts.driver == null);
  const known = masters.every(({ facts }) => facts.driver !== undefined);
  const head = `If this kernel jumped now, ${known ? '' : 'up to '}${functionCount(left.length)} could keep writing to memory`;
  const driven = masters.length - left.length;
  return `${head}${driven > 0 ? `; ${driven} more would be left to their drivers' shutdown` : ''}.`;
}

/** Firmware and chipset functions that the policy leaves alone: BME means nothing there. */
function isChipset({ node, decision }: AuditedFunction): boolean {
  return decision.action === 'exempt' && CHIPSET_CLASSES.includes(node.function.classCode >>> 16);
}

function breakdown(audit: Audit): string {
  const live = liveFunctions(audit);
  if (live.length === 0) return `${functionCount(audit.functions.length)} seen, none of them live.`;
  const exempt = live.filter(
    ({ decision }) => decision.action === 'exempt' || decision.action === 'preserve',
  ).length;
  const unknown = audit.functions.filter(({ verdict }) => verdict === 'unknown').length;
  const parts = [
    `${functionCount(audit.functions.length)} seen`,
    `${live.length} live`,
    `${exempt} of these exempt by policy ${audit.policy}`,
  ];
  if (unknown > 0) parts.push(`${unknown} unknown`);
  return `${parts.join(', ')}.`;
}

function functionCount(count: number): string {
  return `${count} function${count === 1 ? '' : 's'}`;
}

/** What is live or unknown; everything with `all`. */
export function liveTable(audit: Audit, options: AuditTextOptions): string {
  const rows = audit.functions.filter((audited) => options.all || isWorthShowing(audited));
  const hidden = audit.functions.length - rows.length;
  if (rows.length === 0) return `No function is live. ${hidden} not shown: --all shows them.`;
  const text = table(
    [
      { title: 'slot' },
      { title: 'verdict' },
      { title: 'registers' },
      { title: 'driver' },
      { title: 'rule' },
      { title: 'device', flexible: 'cut' },
    ],
    rows.map((audited) => {
      const fn = audited.node.function;
      return [
        fn.slot,
        audited.verdict,
        registers(audited),
        audited.facts.driver === undefined ? '?' : (audited.facts.driver ?? '-'),
        ruleOf(audited),
        `${options.names.className(fn.classCode)}: ${options.names.device(fn.vendor, fn.device)}`,
      ];
    }),
    options.style,
  );
  return hidden > 0
    ? `${text}\n${options.style.dim(`${hidden} quiet or open not shown: --all shows them.`)}`
    : text;
}

/** The rule that decided; where none did, what happens to all others. */
function ruleOf({ verdict, decision }: AuditedFunction): string {
  if (verdict === 'quiet') return '';
  return decision.rule === 'otherwise' ? decision.action : decision.rule;
}

function isWorthShowing({ verdict, node }: AuditedFunction): boolean {
  return (verdict === 'live' && !isBridge(node.function)) || verdict === 'unknown';
}

/** The bits that decide, in lspci's notation. */
function registers({ node, verdict }: AuditedFunction): string {
  const fn = node.function;
  if (fn.presence !== 'present') return fn.presence;
  if (verdict === 'unknown') return '?';
  const flag = (name: string, value: boolean) => `${name}${value ? '+' : '-'}`;
  const parts = [flag('BusMaster', busMaster(fn)), flag('DisINTx', intxDisabled(fn))];
  const msi = seen(fn.msi);
  const msix = seen(fn.msix);
  if (msi?.enable) parts.push('MSI+');
  if (msix?.enable) parts.push('MSI-X+');
  if (intxAsserted(fn)) parts.push('INTx+');
  return parts.join(' ');
}

const ADVISED: readonly Severity[] = ['error', 'warning'];

function findingsText(findings: readonly Finding[], options: AuditTextOptions): string {
  if (findings.length === 0) return 'No findings.';
  const { style } = options;
  const groups = new Map<string, Finding[]>();
  for (const finding of findings) {
    const key = `${SEVERITIES.indexOf(finding.severity)} ${finding.id}`;
    const group = groups.get(key);
    if (group) group.push(finding);
    else groups.set(key, [finding]);
  }
  const lines = [style.bold('Findings')];
  for (const key of [...groups.keys()].sort()) {
    const group = groups.get(key) ?? [];
    const [first] = group;
    if (!first) continue;
    const hazards = first.hazards.length > 0 ? ` (${first.hazards.join(', ')})` : '';
    lines.push(
      `${paintSeverity(first.severity, style)} ${first.id} ${first.title}${hazards}: ${where(group)}`,
    );
    if (!ADVISED.includes(first.severity) && !options.all) continue;
    lines.push(paragraph(FINDINGS[first.id].meaning, 4, style));
    for (const finding of group.slice(0, options.all ? undefined : 4)) {
      lines.push(paragraph(`${finding.slot ?? 'machine'}: ${finding.evidence}`, 4, style));
    }
    lines.push(paragraph(`→ ${first.advice}`, 4, style));
  }
  return lines.join('\n');
}

function where(group: readonly Finding[]): string {
  const slots = group.flatMap(({ slot }) => (slot === null ? [] : [slot]));
  if (slots.length === 0) return 'the machine';
  const shown = slots.slice(0, 4).join(', ');
  return slots.length > 4 ? `${shown} and ${slots.length - 4} more` : shown;
}

function paintSeverity(severity: Severity, style: Style): string {
  const text = severity.padEnd(7);
  return severity === 'error'
    ? style.red(text)
    : severity === 'warning'
      ? style.yellow(text)
      : style.dim(text);
}

export function paintVerdict(verdict: Verdict | 'gated' | 'stopped', style: Style): string {
  if (verdict === 'live') return style.red(verdict);
  if (verdict === 'unknown') return style.yellow(verdict);
  return verdict === 'gated' || verdict === 'stopped' ? style.green(verdict) : verdict;
}

export function notesText(notes: readonly string[], style: Style): string {
  const shown = notes.slice(0, 20).map((note) => paragraph(`note: ${note}`, 0, style));
  if (notes.length > 20) shown.push(`note: and ${notes.length - 20} more`);
  return shown.join('\n');
}

/** `8086:10d3`, for where there are no names. */
export function ids(vendor: number, device: number): string {
  return `${hex(vendor, 4)}:${hex(device, 4)}`;
}
