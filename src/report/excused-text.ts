import { EXCUSES, type ExcusedHarm } from '../sim/checkers/violations.js';
import { JUMP_VERDICTS } from '../sim/jump/result.js';

/** Of what is said of a jump, lines that are shown. */
const LINES_MAX = 12;

/**
 * What is not held against ours, a line each: what the verdict is made of first, and what has the same excuse in one
 * line with the first as an example. `all` is the flag that shows the rest, if there is one.
 */
export function excusedLines(harms: readonly ExcusedHarm[], all?: string): readonly string[] {
  const where = all === undefined ? '' : ` (${all} has all)`;
  const groups = new Map<string, ExcusedHarm[]>();
  for (const harm of [...harms].sort((a, b) => weight(a) - weight(b))) {
    const key = `${harm.verdict} ${harm.excuse}`;
    groups.set(key, [...(groups.get(key) ?? []), harm]);
  }
  const lines = [...groups.values()].flatMap(([first, ...more]) => {
    if (!first) return [];
    const { what, excuse } = first;
    const rest = more.length === 0 ? '' : `; ${more.length} more likewise${where}`;
    return [`${what}: ${EXCUSES[excuse]} (${excuse})${rest}`];
  });
  if (lines.length <= LINES_MAX) return lines;
  return [...lines.slice(0, LINES_MAX), `and ${lines.length - LINES_MAX} more${where}`];
}

/** The worst first; what changed no verdict last. */
function weight({ verdict }: ExcusedHarm): number {
  return verdict === null ? JUMP_VERDICTS.length : JUMP_VERDICTS.indexOf(verdict);
}
