import { judgeOurs } from '../sim/checkers/violations.js';
import { OURS } from '../sim/policies/index.js';
import type { PlayedJump } from '../sim/policies/play.js';
import { recordGaps, whyNoRecord } from '../sim/policies/record-gaps.js';
import { excusedLines } from './excused-text.js';
import { pagesText } from './jump-pages.js';
import { timelineText, whatBroke } from './jump-text.js';
import { counted, verdictRemark } from './jump-words.js';
import { coloredVerdict, paragraph, type Style, styledLine } from './table.js';

/** One case of a soak, for people: what each jump came to, who did it, and how the first that did harm went. */
export function replayText(
  { number, seed, functions }: { number: number; seed: number; functions: number },
  jumps: readonly PlayedJump[],
  style: Style,
): string {
  const verdicts = jumps.map((played) => `${played.result.path}: ${verdictOf(played)}`).join(', ');
  const of = counted(functions, 'function', 'functions');
  const parts = [paragraph(`Case ${number} of seed ${seed}, ${of}: ${verdicts}`, 0, style)];
  for (const [at, jump] of jumps.entries()) parts.push(jumpText(jump, at + 1, jumps.length, style));
  const harmful = jumps.findIndex(({ result }) => result.verdict !== 'clean');
  const shown = jumps[harmful];
  if (shown) parts.push(`How jump ${harmful + 1} went:\n${timelineText(shown.result, style, '--json')}`);
  return `${parts.join('\n\n')}\n`;
}

function verdictOf(played: PlayedJump): string {
  return `${played.result.verdict}${verdictRemark(recordGaps(played))}`;
}

function jumpText(played: PlayedJump, number: number, of: number, style: Style): string {
  const { result, policy } = played;
  const remark = verdictRemark(recordGaps(played));
  const head = `Jump ${number} of ${of}, ${result.path} path, policy ${policy}`;
  const lines = [
    styledLine(`${head}: ${coloredVerdict(result.verdict, style)}${remark}`, style),
    paragraph(whatBroke(result), 0, style),
  ];
  const noRecord = whyNoRecord(played);
  if (noRecord !== null) lines.push(paragraph(noRecord, 0, style));
  const excused = OURS.has(policy) ? excusedLines(judgeOurs(played).harms, '--json') : [];
  if (excused.length > 0) {
    lines.push('Not held against ours:');
    lines.push(...excused.map((line) => paragraph(line, 2, style)));
  }
  const pages = pagesText(result, style);
  if (pages !== null) lines.push('', pages);
  return lines.join('\n');
}
