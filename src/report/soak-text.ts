import { EXCUSES, type Excuse } from '../sim/checkers/violations.js';
import type { SoakCase } from '../sim/soak/case.js';
import type { SoakState, SoakViolation } from '../sim/soak/soak.js';
import { counted } from './jump-words.js';
import { paragraph, type Style, table } from './table.js';

/** Of what is wrong, lines that are shown. */
const WHAT_MAX = 5;

/** What is left of a case when all that can be is taken away. */
export interface SmallestCase {
  readonly case: SoakCase;
  /** What is wrong in it, a line each. */
  readonly what: readonly string[];
  /** Where it was written as a scenario; `null` if it was not, and `why` says why. */
  readonly file: string | null;
  /** What plays that scenario, or the case that it came from. */
  readonly command: string;
  readonly why: string | null;
}

export interface SoakSummary {
  /** Of this run, which may have gone on from another. */
  readonly seconds: number;
  readonly jumpsInThisRun: number;
  /** Of the first violation. */
  readonly smallest: SmallestCase | null;
  /** The command that plays a case again. */
  readonly again: (number: number) => string;
}

/** What a soak came to, for people. */
export function soakText(state: SoakState, summary: SoakSummary, style: Style): string {
  const { jumps, verdicts, violations, excuses, examples, policy } = state;
  const say = (text: string) => paragraph(text, 0, style);
  const counts = Object.entries(verdicts)
    .filter(([, count]) => count > 0)
    .map(([verdict, count]) => [
      verdict,
      String(count),
      `${((100 * count) / jumps.all).toFixed(1)} %`,
      caseOf(examples.verdicts, verdict),
    ]);
  const parts = [
    say(
      `${jumps.all} jumps (${jumps.normal} normal, ${jumps.crash} crash, ${jumps.chained} of them not the first of their machine) on ${state.cases} machines of about ${state.functions} functions, policy ${policy}, seed ${state.seed}${timeText(state, summary)}.`,
    ),
    table([{ title: 'verdict' }, { title: 'jumps' }, { title: '' }, { title: 'first case' }], counts, style),
  ];
  const told = Object.entries(excuses).map(([excuse, count]) => [
    String(count),
    caseOf(examples.excuses, excuse),
    excuse in EXCUSES ? EXCUSES[excuse as Excuse] : excuse,
  ]);
  if (told.length > 0) {
    const columns = [
      { title: 'jumps' },
      { title: 'first case' },
      { title: 'why', flexible: 'wrap' as const },
    ];
    const head = say(
      'In these jumps harm was done that is not held against ours, which did not promise otherwise or could not prevent it (one jump may be in several lines):',
    );
    parts.push(`${head}\n${table(columns, told, style)}`);
  }
  parts.push(outcomeText(state, style));
  for (const violation of violations.first) parts.push(violationText(violation, null));
  if (summary.smallest) parts.push(smallestText(summary.smallest, style));
  const [number, why] = exampleOf(state) ?? [];
  if (number !== undefined) {
    const head = `Cases are counted from 0, and one may be several jumps. Case ${number} is ${why}; this command plays it again, and says who did what:`;
    parts.push(`${say(head)}\n${style.dim(`Again: ${summary.again(number)}`)}`);
  }
  return `${parts.join('\n\n')}\n`;
}

/** A run that went on from another is as fast as its own jumps. */
function timeText({ jumps }: SoakState, { seconds, jumpsInThisRun }: SoakSummary): string {
  const rate = seconds >= 1 ? `, ${Math.round(jumpsInThisRun / seconds)} jumps a second` : '';
  const part = jumpsInThisRun === jumps.all ? '' : `; ${jumpsInThisRun} of them in this run`;
  return `${part}: ${seconds.toFixed(1)} s${rate}`;
}

/** A state of an earlier version does not know of all. */
function caseOf(examples: Readonly<Record<string, number>>, what: string): string {
  return Object.hasOwn(examples, what) ? String(examples[what]) : '';
}

/** The case that is most worth a look, and what it shows: a violation, else memory that was hit, else other harm. */
function exampleOf({ violations, examples }: SoakState): readonly [number: number, why: string] | undefined {
  const [violation] = violations.first;
  if (violation) return [violation.number, 'the first violation'];
  const { corrupted } = examples.verdicts;
  if (corrupted !== undefined) return [corrupted, 'the first that is corrupted'];
  const [other] = Object.entries(examples.verdicts).sort(([, a], [, b]) => a - b);
  return other && [other[1], `the first that is ${other[0]}`];
}

/** What was found, and so what the exit status is. */
function outcomeText(
  { policy, jumps, verdicts, violations, firstHarm, firstCorruption }: SoakState,
  style: Style,
) {
  const say = (text: string) => paragraph(text, 0, style);
  if (violations.count > 0)
    return style.red(say(`${counted(violations.count, 'violation', 'violations')}: exit status 2.`));
  if (policy === 'ours') return style.green(say('No violation.'));
  const sound = 'No invariant of the machine itself was broken.';
  if (firstHarm === null) return say(`No jump did harm. ${sound}`);
  const harmed = counted(jumps.all - verdicts.clean, 'jump', 'jumps');
  const memory =
    firstCorruption === null ? 'no memory was hit' : `memory was first hit in jump ${firstCorruption}`;
  return say(
    `${harmed} of ${jumps.all} did harm, the first of them jump ${firstHarm}; ${memory}. That is what none is there to show, and why the exit status is 2. ${sound}`,
  );
}

export function violationText({ number, jump, what }: SoakViolation, again: string | null): string {
  const shown = what.slice(0, WHAT_MAX).map((line) => `  ${line}`);
  if (what.length > WHAT_MAX) shown.push(`  and ${what.length - WHAT_MAX} more`);
  return [
    `violation in case ${number}, jump ${jump + 1} of it:`,
    ...shown,
    ...(again ? [`  again: ${again}`] : []),
  ].join('\n');
}

export function smallestText({ case: of, what, file, command, why }: SmallestCase, style: Style): string {
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
  lines.push(...what.slice(0, WHAT_MAX).map((line) => paragraph(line, 2, style)));
  if (what.length > WHAT_MAX) lines.push(`  and ${what.length - WHAT_MAX} more`);
  lines.push(
    file === null
      ? `It is not written as a scenario: ${why}. The case that it came from: ${command}`
      : `Written to ${file}: ${command}`,
  );
  return lines.join('\n');
}

function faultsText(faults: object): string {
  return Object.entries(faults)
    .map(([key, value]) => (value === true ? key : `${key} ${value}`))
    .join(', ');
}
