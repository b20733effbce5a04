import { EXCUSES, type Excuse } from '../sim/checkers/violations.js';
import type { PlayedJump } from '../sim/policies/play.js';
import { recordGaps, whyNoRecord } from '../sim/policies/record-gaps.js';
import type { SoakJumpOutcome } from '../sim/soak/play.js';
import { pagesText } from './jump-pages.js';
import { timelineText, whatBroke } from './jump-text.js';
import { counted, verdictRemark } from './jump-words.js';
import { coloredVerdict, paragraph, type Style } from './table.js';

/** Of what is said of a jump, lines that are shown. */
const LINES_MAX = 12;

export interface ReplayedJump {
  readonly played: PlayedJump;
  readonly outcome: SoakJumpOutcome;
}

/** One case of a soak, for people: what each jump came to, who did it, and how the first that did harm went. */
export function replayText(
  { number, seed, functions }: { number: number; seed: number; functions: number },
  jumps: readonly ReplayedJump[],
  style: Style,
): string {
  const verdicts = jumps.map(({ played }) => `${played.result.path}: ${verdictOf(played)}`).join(', ');
  const of = counted(functions, 'function', 'functions');
  const parts = [paragraph(`Case ${number} of seed ${seed}, ${of}: ${verdicts}`, 0, style)];
  for (const [at, jump] of jumps.entries()) parts.push(jumpText(jump, at + 1, jumps.length, style));
  const harmful = jumps.findIndex(({ played }) => played.result.verdict !== 'clean');
  const shown = jumps[harmful];
  if (shown)
    parts.push(`How jump ${harmful + 1} went:\n${timelineText(shown.played.result, style, '--json')}`);
  return `${parts.join('\n\n')}\n`;
}

function verdictOf(played: PlayedJump): string {
  return `${played.result.verdict}${verdictRemark(recordGaps(played))}`;
}

function jumpText({ played, outcome }: ReplayedJump, number: number, of: number, style: Style): string {
  const { result, policy } = played;
  const remark = verdictRemark(recordGaps(played));
  const lines = [
    `Jump ${number} of ${of}, ${result.path} path, policy ${policy}: ${coloredVerdict(result.verdict, style)}${remark}`,
    paragraph(whatBroke(result), 0, style),
  ];
  const noRecord = whyNoRecord(played);
  if (noRecord !== null) lines.push(paragraph(noRecord, 0, style));
  if (outcome.excused.length > 0) {
    lines.push('Not held against ours:');
    lines.push(...few(outcome.excused.map(excusedWords)).map((line) => paragraph(line, 2, style)));
  }
  const pages = pagesText(result, style);
  if (pages !== null) lines.push('', pages);
  return lines.join('\n');
}

/** `what: excuse`, with what that excuse means. */
function excusedWords(text: string): string {
  const end = text.lastIndexOf(': ');
  const excuse = text.slice(end + 2);
  return excuse in EXCUSES ? `${text.slice(0, end)}: ${EXCUSES[excuse as Excuse]} (${excuse})` : text;
}

function few(lines: readonly string[]): readonly string[] {
  if (lines.length <= LINES_MAX) return lines;
  return [...lines.slice(0, LINES_MAX), `and ${lines.length - LINES_MAX} more: --json has all`];
}
