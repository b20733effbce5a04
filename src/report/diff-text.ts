import type { PciNames } from '../pci/pci-ids.js';
import { printable } from '../pci/printable.js';
import { type DiffData, isSame } from './diff.js';
import { type Column, paragraph, type Style, table } from './table.js';

export interface DiffTextOptions {
  readonly names: PciNames;
  readonly style: Style;
  /** Every line of every part. */
  readonly all: boolean;
}

/** Lines of a part, beyond which they are counted. */
const ROWS_MAX = 20;

type Row = readonly string[];
type Ids = Pick<DiffData['moved'][number], 'vendor' | 'device' | 'class'>;

/** The difference for people: one sentence, what was compared, then a part for each kind of change. */
export function diffText(diff: DiffData, options: DiffTextOptions): string {
  const { style } = options;
  const parts = [
    ...(areStrangers(diff) ? [style.bold(paragraph(strangersText(diff), 0, style))] : []),
    style.bold(paragraph(headline(diff), 0, style)),
    sides(diff, style),
  ];
  const [live, other] = [diff.verdicts.filter(isLive), diff.verdicts.filter((one) => !isLive(one))];
  const device = { title: 'device', flexible: 'cut' as const };
  const nameOf = ({ vendor, device: id, class: code }: Ids) => {
    const [v, d, c] = [vendor, id, code].map((digits) => Number.parseInt(digits, 16));
    return `${options.names.className(c ?? 0)}: ${options.names.device(v ?? 0, d ?? 0)}`;
  };
  const part = (title: string, columns: readonly Column[], rows: readonly Row[]) => {
    if (rows.length === 0) return;
    const shown = options.all || rows.length <= ROWS_MAX ? rows : rows.slice(0, ROWS_MAX - 1);
    const more = rows.length - shown.length;
    parts.push('', style.bold(title), table(columns, shown, style));
    if (more > 0) parts.push(style.dim(`and ${more} more: --all lists them`));
  };
  const columns = (...titles: string[]) => titles.map((title) => ({ title }));
  const verdictRow = (one: DiffData['verdicts'][number]) => [
    one.slot,
    one.from,
    one.to,
    one.driver ?? '-',
    nameOf(one),
  ];
  const sidedRow = (one: DiffData['gone'][number]) => [
    one.slot,
    one.verdict,
    one.driver ?? '-',
    decisionText(one.policy),
    nameOf(one),
  ];
  part('Became live', [...columns('slot', 'was', 'is', 'driver'), device], live.map(verdictRow));
  part('Other verdicts', [...columns('slot', 'was', 'is', 'driver'), device], other.map(verdictRow));
  part('Appeared', [...columns('slot', 'verdict', 'driver', 'policy'), device], diff.appeared.map(sidedRow));
  part('Gone', [...columns('slot', 'verdict', 'driver', 'policy'), device], diff.gone.map(sidedRow));
  part(
    'Moved',
    [...columns('from', 'to'), { title: 'what', flexible: 'cut' }],
    movedRows(diff.moved, nameOf),
  );
  part(
    'The policy decides differently',
    [...columns('was', 'is'), { title: 'functions', flexible: 'wrap' }],
    decisionRows(diff.decisions, options.all),
  );
  part(
    'Drivers',
    [...columns('slot', 'was', 'is'), device],
    diff.drivers.map((one) => [one.slot, one.from ?? '-', one.to ?? '-', nameOf(one)]),
  );
  const finding = [...columns('severity', 'finding', 'of'), { title: 'evidence', flexible: 'wrap' as const }];
  part('New findings', finding, diff.findings.new.map(findingRow));
  const gone = new Set<string | null>(diff.gone.map(({ slot }) => slot));
  const left = diff.findings.gone.filter(({ slot }) => !gone.has(slot));
  part('Findings gone', finding, left.map(findingRow));
  const alongside = diff.findings.gone.length - left.length;
  if (alongside > 0) parts.push(style.dim(`Findings gone with their functions: ${alongside}.`));
  part('Findings of another severity', finding, diff.findings.changed.map(changedRow));
  part(
    'The machine',
    [...columns('fact', 'was'), { title: 'is', flexible: 'wrap' }],
    diff.machine.map(({ fact, from, to }) => [FACTS[fact] ?? fact, factText(from), factText(to)]),
  );
  return `${parts.join('\n')}\n`;
}

const commonTo = ({ old, gone }: DiffData) => old.functions - gone.length;

/** Fewer than half of the functions of the smaller one are on both sides. */
const areStrangers = (diff: DiffData) =>
  commonTo(diff) * 2 < Math.min(diff.old.functions, diff.new.functions);

function strangersText(diff: DiffData): string {
  const { old, new: now } = diff;
  return `These look like different machines: they have ${commonTo(diff)} of ${old.functions} and ${now.functions} functions in common.`;
}

const isLive = ({ to }: DiffData['verdicts'][number]) => to === 'live';

function headline(diff: DiffData): string {
  if (isSame(diff)) return 'Nothing changed.';
  const { verdicts, appeared, gone, moved, decisions, drivers, findings, machine } = diff;
  const became = verdicts.filter(isLive).length;
  const parts = [
    said(became, 'became live', 'became live'),
    said(verdicts.filter(({ from }) => from === 'live').length, 'is live no more', 'are live no more'),
    said(appeared.length, 'appeared', 'appeared'),
    said(gone.length, 'is gone', 'are gone'),
    said(moved.length, 'moved', 'moved'),
    said(decisions.length, 'is decided differently', 'are decided differently'),
    said(drivers.length, 'has another driver', 'have another driver'),
    said(findings.new.length, 'finding is new', 'findings are new'),
    said(findings.gone.length, 'finding is gone', 'findings are gone'),
    said(findings.changed.length, 'finding has another severity', 'findings have another severity'),
    said(machine.length, 'fact of the machine changed', 'facts of the machine changed'),
  ].filter((text) => text !== '');
  const text = parts.length === 0 ? 'verdicts changed, none to or from live' : parts.join('; ');
  return `${text[0]?.toUpperCase() ?? ''}${text.slice(1)}.`;
}

const said = (count: number, one: string, many: string) =>
  count === 0 ? '' : `${count} ${count === 1 ? one : many}`;

function sides({ old, new: now, for: path }: DiffData, style: Style): string {
  const row = (title: string, { name, host, policy, functions, live, findings }: DiffData['old']) => [
    title,
    String(functions),
    String(live),
    `${findings.error}/${findings.warning}/${findings.info}`,
    policy,
    host === `dump:${name}` ? name : `${name} (${host})`,
  ];
  const columns = [
    { title: path },
    { title: 'functions' },
    { title: 'live' },
    { title: 'errors/warnings/infos' },
    { title: 'policy' },
    { title: 'audit', flexible: 'wrap' as const },
  ];
  return table(columns, [row('old', old), row('new', now)], style);
}

const decisionText = ({ action, rule }: DiffData['gone'][number]['policy']) =>
  rule === 'otherwise' ? action : `${action}: ${rule}`;

/** Functions that moved together from one bus to another are one row. */
function movedRows(moved: DiffData['moved'], nameOf: (ids: Ids) => string): Row[] {
  const buses = new Map<string, DiffData['moved'][number][]>();
  for (const one of moved) {
    const [from, to] = [one.was, one.slot].map((slot) => slot.slice(0, -5));
    const same = one.was.slice(-4) === one.slot.slice(-4);
    const key = same ? `${from} ${to}` : `${one.was} ${one.slot}`;
    buses.set(key, [...(buses.get(key) ?? []), one]);
  }
  return [...buses].flatMap(([key, functions]): Row[] => {
    const [first] = functions;
    if (!first || functions.length === 1) return functions.map((one) => [one.was, one.slot, nameOf(one)]);
    const [from = '', to = ''] = key.split(' ');
    return [[`bus ${from}`, `bus ${to}`, `${functions.length} functions: ${nameOf(first)}, …`]];
  });
}

const SLOTS_SHOWN = 4;

/** Functions about which the same changed are one row. */
function decisionRows(decisions: DiffData['decisions'], all: boolean): Row[] {
  const groups = new Map<string, { readonly row: readonly [string, string]; readonly slots: string[] }>();
  for (const { slot, from, to } of decisions) {
    const row = [decisionText(from), decisionText(to)] as const;
    const key = row.join(' → ');
    const group = groups.get(key) ?? { row, slots: [] };
    group.slots.push(slot);
    groups.set(key, group);
  }
  return [...groups.values()].map(({ row, slots }) => {
    const shown = all || slots.length <= SLOTS_SHOWN + 1 ? slots : slots.slice(0, SLOTS_SHOWN);
    const more = slots.length - shown.length;
    return [...row, `${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}`];
  });
}

function findingRow({ id, slot, severity, title, evidence }: DiffData['findings']['new'][number]): Row {
  return [severity, id, slot ?? 'the machine', `${title}: ${evidence}`];
}

function changedRow(one: DiffData['findings']['changed'][number]): Row {
  const [, ...rest] = findingRow(one);
  return [`${one.from} → ${one.severity}`, ...rest];
}

const FACTS: Readonly<Record<string, string>> = {
  hostname: 'host name',
  kernel: 'kernel',
  lockdown: 'lockdown',
  iommu: 'IOMMU translates',
  captureKernelLoaded: 'capture kernel loaded',
  captureKernelProtected: 'capture kernel protected',
  kexecKernelLoaded: 'kernel for kexec loaded',
};

function factText(value: string | boolean | null): string {
  if (value === null) return 'not known';
  return typeof value === 'string' ? printable(value) : value ? 'yes' : 'no';
}
