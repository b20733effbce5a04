import type { PciNames } from '../../pci/pci-ids.js';
import { paragraph, type Style, table } from '../table.js';
import type { FleetData } from './fleet-data.js';
import { OUTCOME_MEANINGS } from './outcome.js';
import {
  breakdown,
  counted,
  differenceText,
  examplesText,
  headline,
  kindName,
  madeOf,
  nearlyText,
  number,
  otherAdvice,
  riskText,
} from './words.js';

interface FleetTextOptions {
  readonly names: PciNames;
  readonly style: Style;
  /** Lines of each list. */
  readonly limit: number;
}

/** The fleet for people: one sentence, the machines at risk, what to mend, who is not like the others. */
export function fleetText(data: FleetData, options: FleetTextOptions): string {
  const { style } = options;
  const parts = [
    `${style.bold(paragraph(headline(data), 0, style))}\n${paragraph(breakdown(data), 0, style)}`,
    outcomesText(data, style),
    risksText(data, options),
    fixesText(data, options),
    topologiesText(data, options),
    deviationsText(data, options),
    nearlySection(data, options),
    brokenText(data, options),
    ...(data.leftOut.length > 0 ? [paragraph(`Left out: ${data.leftOut.join('; ')}.`, 0, style)] : []),
  ];
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

function outcomesText({ outcomes }: FleetData, style: Style): string {
  const rows = outcomes
    .filter(({ machines }) => machines > 0)
    .map(({ outcome, machines }) => [outcome, number(machines), OUTCOME_MEANINGS[outcome]]);
  return table(
    [{ title: 'outcome' }, { title: 'machines' }, { title: 'meaning', flexible: 'wrap' }],
    rows,
    style,
  );
}

/** Of names that come from outside: a long one leaves room for what is said of it. */
const NAMES_WIDTH = 40;
const CSV_HAS_ALL = '--limit shows more, --csv all';

/** A heading, and what is not shown below it. */
function section(
  title: string,
  body: string,
  hidden: number,
  style: Style,
  where = '--limit shows more, up to 100',
): string {
  const more = hidden > 0 ? `\n${style.dim(`and ${number(hidden)} more (${where})`)}` : '';
  return body === '' ? '' : `${style.bold(title)}\n${body}${more}`;
}

function risksText({ outcomes }: FleetData, { style, limit }: FleetTextOptions): string {
  const all = outcomes.filter(({ outcome }) => outcome !== 'ready');
  const listed = all.flatMap(({ outcome, listed }) => listed.map((one) => ({ outcome, one })));
  const machines = all.reduce((sum, one) => sum + one.machines, 0);
  const rows = listed
    .slice(0, limit)
    .map(({ outcome, one }) => [one.machine, outcome, riskText(outcome, one)]);
  if (rows.length === 0) return '';
  const body = table(
    [
      { title: 'machine', most: NAMES_WIDTH },
      { title: 'outcome' },
      { title: 'what stands in the way', flexible: 'wrap' },
    ],
    rows,
    style,
  );
  return section('Machines that may not get through it', body, machines - rows.length, style, CSV_HAS_ALL);
}

function fixesText({ fixes }: FleetData, { style, limit, names }: FleetTextOptions): string {
  const shown = fixes.slice(0, limit);
  if (shown.length === 0) return '';
  const rows = shown.flatMap((fix, at) => [
    [
      `${at + 1}. ${fix.severity}`,
      number(fix.machines),
      number(fix.findings),
      number(fix.clears),
      number(fix.clearAfter),
      `${fix.id} ${fix.title}`,
    ],
    ...fix.on
      .slice(0, KINDS_SHOWN)
      .map((kind) => [
        '',
        number(kind.machines),
        number(kind.findings),
        number(kind.clears),
        '',
        `on ${kindName(kind, names)}`,
      ]),
    ...[fix.advice, ...otherAdvice(fix)].map((advice) => ['', '', '', '', '', `→ ${advice}`]),
  ]);
  const body = table(
    [
      { title: '' },
      { title: 'machines' },
      { title: 'findings' },
      { title: 'alone' },
      { title: 'together' },
      { title: 'what', flexible: 'wrap' },
    ],
    rows,
    style,
  );
  const about =
    'alone: machines that have nothing else of that severity or a graver one; together: machines that have nothing such left when it and all above it are mended.';
  const text = `${body}\n${style.dim(paragraph(about, 0, style))}`;
  return section('What to mend first', text, fixes.length - shown.length, style);
}

const KINDS_SHOWN = 3;

function topologiesText({ topologies }: FleetData, { style, limit, names }: FleetTextOptions): string {
  const shown = topologies.slice(0, limit);
  const rows = shown.map((topology) => [
    topology.signature.slice(0, 8),
    number(topology.machines),
    topology.outcomes.map(({ outcome, machines }) => `${number(machines)} ${outcome}`).join(', '),
    topology.examples[0] ?? '',
    madeOf(topology, names),
  ]);
  const columns = ['topology', 'machines', 'outcomes'].map((title) => ({ title }));
  const example = { title: 'such as', most: NAMES_WIDTH };
  const body = table([...columns, example, { title: 'what is in it', flexible: 'cut' }], rows, style);
  return rows.length === 0 ? '' : section('Topologies', body, topologies.length - shown.length, style);
}

function deviationsText({ deviations }: FleetData, { style, limit }: FleetTextOptions): string {
  const shown = deviations.slice(0, limit);
  const rows = shown.map((one) => [
    examplesText(one.examples, one.machines, 2),
    `${number(one.machines)} of ${number(one.like)}`,
    differenceText(one),
  ]);
  if (rows.length === 0) return '';
  const body = table(
    [
      { title: 'machines', most: NAMES_WIDTH },
      { title: 'of like' },
      { title: 'differ in', flexible: 'wrap' },
    ],
    rows,
    style,
  );
  return section('Not as the others of their topology', body, deviations.length - shown.length, style);
}

function nearlySection({ nearly }: FleetData, { style, limit, names }: FleetTextOptions): string {
  const shown = nearly.slice(0, limit);
  const rows = shown.map((one) => [
    examplesText(one.examples, one.machines, 2),
    `${one.like.topology.slice(0, 8)} (${number(one.like.machines)})`,
    nearlyText(one, names),
  ]);
  if (rows.length === 0) return '';
  const body = table(
    [{ title: 'machines', most: NAMES_WIDTH }, { title: 'nearly like' }, { title: 'but', flexible: 'wrap' }],
    rows,
    style,
  );
  return section('Nearly the same topology', body, nearly.length - shown.length, style);
}

function brokenText({ broken, machines }: FleetData, { style, limit }: FleetTextOptions): string {
  if (machines.broken === 0) return '';
  const shown = broken.slice(0, limit);
  const lines = shown.map(({ place, problem }) => paragraph(`${place}: ${problem}`, 2, style));
  const title = style.red(`${counted(machines.broken, 'audit')} not usable`);
  return section(title, lines.join('\n'), machines.broken - shown.length, style);
}
