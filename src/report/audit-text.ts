import { seen } from '../pci/function.js';
import type { PciNames } from '../pci/pci-ids.js';
import { type Audit, type AuditedFunction, liveFunctions, unattended, writers } from '../quiesce/audit.js';
import { FINDINGS, type Finding, type Severity } from '../quiesce/findings.js';
import { HAZARDS } from '../quiesce/hazards.generated.js';
import { busMaster, intxAsserted, intxDisabled, isBridge } from '../quiesce/verdict.js';
import { findingGroups, placesText } from './finding-groups.js';
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
  const parts = [
    style.bold(paragraph(headline(audit), 0, style)),
    paragraph(breakdown(audit), 0, style),
    '',
    liveTable(audit, options),
  ];
  parts.push('', findingsText(audit.findings, options));
  if (audit.notes.length > 0) parts.push('', notesText(audit.notes, style));
  return `${parts.join('\n')}\n`;
}

/** The one sentence that says it. */
export function headline(audit: Audit): string {
  const kernel = audit.machineFacts.liveKernel ? 'this kernel' : 'the kernel of this machine';
  const left = unattended(audit);
  const unread = audit.functions.filter(({ node }) => node.function.presence === 'unreadable').length;
  const blind = unread > 0 ? `; ${unread} could not be read` : '';
  if (audit.path === 'crash') {
    return `If ${kernel} panicked now, ${functionCount(left.length)} could keep writing to memory${blind}.`;
  }
  const upTo = left.some(({ facts }) => facts.driver === undefined) ? 'up to ' : '';
  const attended = writers(audit).length - left.length;
  const others =
    attended > 0 ? `; ${attended} would be left to their drivers and to Linux, which verifies nothing` : '';
  return `If ${kernel} jumped now, ${upTo}${functionCount(left.length)} could keep writing to memory${others}${blind}.`;
}

/** How the counts come about. */
export function breakdown(audit: Audit): string {
  const { functions, policy } = audit;
  const masters = writers(audit);
  const spared = masters.filter(
    ({ decision }) => decision.action === 'exempt' || decision.action === 'preserve',
  );
  const bridges = functions.filter((f) => f.verdict === 'live' && isBridge(f.node.function)).length;
  const others = liveFunctions(audit).length - masters.length;
  const unknown = functions.filter(({ verdict }) => verdict === 'unknown').length;
  const parts = [`${functionCount(functions.length)} seen`];
  if (spared.length > 0) parts.push(`of the writers ${spared.length} left alone by policy "${policy}"`);
  if (others > 0) parts.push(`${others} more live but asleep, only interrupting, or part of the chipset`);
  if (bridges > 0) parts.push(`${bridges} live bridge${bridges === 1 ? '' : 's'}`);
  if (unknown > 0) parts.push(`${unknown} unknown`);
  return `${parts.join('; ')}.`;
}

function functionCount(count: number): string {
  return `${count} function${count === 1 ? '' : 's'}`;
}

/** Too narrow for the policy's part, which `plan` shows as well. */
const NARROW = 100;

/** Endpoints that are live, and what is unknown; everything with `all`. */
export function liveTable(audit: Audit, options: AuditTextOptions): string {
  const rows = audit.functions.filter((audited) => options.all || isWorthShowing(audited));
  const hidden = audit.functions.length - rows.length;
  const note = `Not shown: ${hidden} bridges and quiet functions (--all shows them).`;
  if (rows.length === 0) return options.style.dim(note);
  const wide = options.style.width >= NARROW;
  const policy = wide ? [{ title: 'policy' }] : [];
  const text = table(
    [
      { title: 'slot' },
      { title: 'verdict' },
      { title: 'registers' },
      { title: 'driver' },
      ...policy,
      { title: 'device', flexible: 'cut' },
    ],
    rows.map((audited) => {
      const fn = audited.node.function;
      return [
        fn.slot,
        audited.verdict,
        registers(audited),
        audited.facts.driver === undefined ? '?' : (audited.facts.driver ?? '-'),
        ...(wide ? [policyOf(audited)] : []),
        `${options.names.className(fn.classCode)}: ${options.names.device(fn.vendor, fn.device)}`,
      ];
    }),
    options.style,
  );
  return hidden > 0 ? `${text}\n${options.style.dim(note)}` : text;
}

/** What the policy does with it, and by which rule if by one of its own. */
function policyOf({ verdict, decision }: AuditedFunction): string {
  if (verdict === 'quiet' || verdict === 'open') return '';
  return decision.rule === 'otherwise' ? decision.action : `${decision.action}: ${decision.rule}`;
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
  const state = seen(fn.pm)?.state;
  if (state && state !== 'D0' && state !== 'unknown') parts.push(state);
  return parts.join(' ');
}

const SEVERITY_WIDTH = 7;
const ADVISED: readonly Severity[] = ['error', 'warning'];

function findingsText(findings: readonly Finding[], options: AuditTextOptions): string {
  if (findings.length === 0) return 'No findings.';
  const { style } = options;
  const lines = [style.bold('Findings')];
  for (const { first, all: group, advice } of findingGroups(findings)) {
    const title = `${first.id} ${first.title}: ${placesText(group)}`;
    const line = paragraph(title, SEVERITY_WIDTH + 1, style).trimStart();
    lines.push(`${paintSeverity(first.severity, style)} ${line}`);
    if (!ADVISED.includes(first.severity) && !options.all) continue;
    lines.push(paragraph(FINDINGS[first.id].meaning, 4, style));
    const shown = options.all || group.length <= 5 ? group : group.slice(0, 4);
    for (const finding of shown)
      lines.push(paragraph(`${finding.slot ?? 'machine'}: ${finding.evidence}`, 4, style));
    if (shown.length < group.length)
      lines.push(paragraph(`and ${group.length - shown.length} more: --all lists them`, 4, style));
    for (const id of first.hazards)
      lines.push(paragraph(`why: ${id} ${HAZARDS[id].title} (${HAZARDS[id].source})`, 4, style));
    for (const { text, of } of advice) {
      const places = advice.length > 1 ? `${placesText(of)}: ` : '';
      lines.push(paragraph(`→ ${places}${text}`, 4, style));
    }
  }
  return lines.join('\n');
}

function paintSeverity(severity: Severity, style: Style): string {
  const text = severity.padEnd(SEVERITY_WIDTH);
  return severity === 'error'
    ? style.red(text)
    : severity === 'warning'
      ? style.yellow(text)
      : style.dim(text);
}

function notesText(notes: readonly string[], style: Style): string {
  const shown = notes.slice(0, 20).map((note) => paragraph(`note: ${note}`, 0, style));
  if (notes.length > 20) shown.push(`note: and ${notes.length - 20} more`);
  return shown.join('\n');
}
