import { printable } from '../pci/printable.js';
import type { LabOutcome } from './scenario.js';
import type { Ready } from './serial.js';

export type ConsoleProblem = 'oops' | 'nobody-cared' | 'aer' | 'dmar-fault' | 'stall';

/** One line of the next kernel's console that should not be there. */
export interface ConsoleFinding {
  readonly problem: ConsoleProblem;
  readonly line: string;
}

const PATTERNS: readonly (readonly [ConsoleProblem, RegExp])[] = [
  ['oops', /\b(BUG:|Oops:|general protection fault|kernel BUG at|Kernel panic|Bad page state|WARNING: CPU)/],
  ['nobody-cared', /irq \d+: nobody cared/],
  ['aer', /\bAER: .*(error|fatal)|PCIe Bus Error/i],
  ['dmar-fault', /DMAR: .*(fault|handling)|IO_PAGE_FAULT/i],
  ['stall', /soft lockup|rcu: INFO: .* detected stalls|blocked for more than \d+ seconds/],
];

const FINDINGS_MAX = 50;

/** What a kernel's console complains of; at most 50 lines. */
export function consoleFindings(text: string): readonly ConsoleFinding[] {
  const findings: ConsoleFinding[] = [];
  for (const raw of text.replaceAll('\r', '').split('\n')) {
    const line = printable(raw);
    const problem = PATTERNS.find(([, pattern]) => pattern.test(line))?.[0];
    if (problem !== undefined) findings.push({ problem, line });
    if (findings.length >= FINDINGS_MAX) break;
  }
  return findings;
}

/**
 * Who has come up after a jump to the kernel that was told to call itself `boot`: a machine that firmware has started
 * anew brings the first kernel back, which is not the next one.
 */
export function comeUp(
  seen: Ready | undefined,
  boot: number,
): { readonly ready: Ready | undefined; readonly instead: 'another-kernel' | null } {
  if (seen === undefined || seen.boot === boot) return { ready: seen, instead: null };
  return { ready: undefined, instead: 'another-kernel' };
}

/** One word for a run: the worst that is true. */
export function outcomeOf(seen: {
  readonly up: boolean;
  readonly stray: number;
  readonly findings: readonly ConsoleFinding[];
  /** What `restore` in the guest came to, if it was tried. */
  readonly restored?: boolean | null | undefined;
  /** Whether the trace bears out the flight record, where there should be one. */
  readonly recorded?: boolean | undefined;
  /** Whether the next kernel could use what it was asked to use. */
  readonly usable?: boolean | undefined;
  /** The master was seen at work before the jump; true where there is none to be seen. */
  readonly aliveBefore?: boolean;
}): LabOutcome {
  const has = (...problems: ConsoleProblem[]) =>
    seen.findings.some(({ problem }) => problems.includes(problem));
  if (!seen.up) return 'stuck';
  if (seen.stray > 0) return 'stray';
  if (has('nobody-cared')) return 'irq-storm';
  if (has('aer', 'dmar-fault')) return 'faulted';
  if (has('oops', 'stall')) return 'oops';
  if (seen.restored === false) return 'not-restored';
  if (seen.usable === false) return 'crippled';
  if (seen.recorded === false) return 'unrecorded';
  return seen.aliveBefore === false ? 'unproven' : 'clean';
}
