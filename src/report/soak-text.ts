import { EXCUSES, type Excuse } from '../sim/checkers/violations.js';
import type { SoakCase } from '../sim/soak/case.js';
import type { SoakState, SoakViolation } from '../sim/soak/soak.js';
import { paragraph, type Style, table } from './table.js';

/** What is left of a case when all that can be is taken away. */
export interface SmallestCase {
  readonly case: SoakCase;
  readonly file: string | null;
  readonly command: string | null;
}

export interface SoakSummary {
  readonly seconds: number;
  /** Of the first violation. */
  readonly smallest: SmallestCase | null;
  /** The command that plays it again. */
  readonly again: string | null;
}

/** What a soak came to, for people. */
export function soakText(state: SoakState, { seconds, smallest, again }: SoakSummary, style: Style): string {
  const { jumps, verdicts, violations, excuses, policy } = state;
  const say = (text: string) => paragraph(text, 0, style);
  const rate = seconds >= 1 ? `, ${Math.round(jumps.all / seconds)} jumps a second` : '';
  const counts = Object.entries(verdicts)
    .filter(([, count]) => count > 0)
    .map(([verdict, count]) => [verdict, String(count), `${((100 * count) / jumps.all).toFixed(1)} %`]);
  const parts = [
    say(
      `${jumps.all} jumps (${jumps.normal} normal, ${jumps.crash} crash, ${jumps.chained} of them not the first of their machine) on ${state.cases} machines of about ${state.functions} functions, policy ${policy}, seed ${state.seed}: ${seconds.toFixed(1)} s${rate}.`,
    ),
    table([{ title: 'verdict' }, { title: 'jumps' }, { title: '' }], counts, style),
  ];
  if (policy === 'none') {
    const { firstCorruption } = state;
    parts.push(
      say(
        firstCorruption === null ? 'No memory was hit.' : `Memory was first hit in jump ${firstCorruption}.`,
      ),
    );
  }
  const told = Object.entries(excuses).map(([excuse, count]) => [
    String(count),
    excuse in EXCUSES ? EXCUSES[excuse as Excuse] : excuse,
  ]);
  if (told.length > 0) {
    const columns = [
      { title: 'jumps' },
      { title: 'harm that is not held against ours, because', flexible: 'wrap' as const },
    ];
    parts.push(table(columns, told, style));
  }
  parts.push(
    violations.count === 0
      ? style.green('No violation.')
      : style.red(violations.count === 1 ? '1 violation.' : `${violations.count} violations.`),
  );
  for (const violation of violations.first) parts.push(violationText(violation, null));
  if (smallest) parts.push(smallestText(smallest, style));
  if (again) parts.push(style.dim(`Again: ${again}`));
  return `${parts.join('\n\n')}\n`;
}

export function violationText({ number, jump, what }: SoakViolation, again: string | null): string {
  const shown = what.slice(0, 5).map((line) => `  ${line}`);
  if (what.length > 5) shown.push(`  and ${what.length - 5} more`);
  return [
    `violation in case ${number}, jump ${jump}:`,
    ...shown,
    ...(again ? [`  again: ${again}`] : []),
  ].join('\n');
}

export function smallestText({ case: of, file, command }: SmallestCase, style: Style): string {
  const { machine, jumps, faults } = of;
  const rows = machine.functions.map((fn) => [
    fn.slot,
    fn.workload ?? '',
    fn.driver?.name ?? (fn.leftBy === undefined ? '' : `left by ${fn.leftBy}`),
    faultsText({ ...fn.faults, ...Object.entries(faults).find(([slot]) => slot.endsWith(fn.slot))?.[1] }),
  ]);
  const on = `${machine.platform ?? 'x86-server'}, era ${machine.era ?? 'today'}`;
  const does = jumps.map(({ path, policy }) => `${path} jump, ${policy}`).join(', then ');
  const columns = [{ title: 'slot' }, { title: 'is' }, { title: 'driver' }];
  const lines = [
    paragraph(`The smallest machine that still shows it (${on}; ${does}):`, 0, style),
    table([...columns, { title: 'faults', flexible: 'wrap' }], rows, style),
  ];
  if (file && command) lines.push(`Written to ${file}: ${command}`);
  return lines.join('\n');
}

function faultsText(faults: object): string {
  return Object.entries(faults)
    .map(([key, value]) => (value === true ? key : `${key} ${value}`))
    .join(', ');
}
