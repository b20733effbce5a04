import type { NamedIds, PciNames } from '../../pci/pci-ids.js';
import type { FleetData } from './fleet-data.js';
import type { FunctionKind } from './kind.js';
import { OUTCOME_MEANINGS, type Outcome } from './outcome.js';

// What the text and the page say in the same words.

const JUMPS = { crash: 'a crash', normal: 'a jump on purpose' } as const;

/** The one sentence that matters. */
export function headline({ machines, outcomes, for: path }: FleetData): string {
  const ready = outcomes.find(({ outcome }) => outcome === 'ready')?.machines ?? 0;
  const rest = machines.read - ready;
  if (rest === 0)
    return `${counted(machines.read, 'machine')} looked at: nothing stands in the way of ${JUMPS[path]}.`;
  const they = rest === 1 ? 'it is' : 'they are';
  return `${number(rest)} of ${counted(machines.read, 'machine')} may not get through ${JUMPS[path]} as ${they}.`;
}

/** How much was read, and how much not. */
export function breakdown({ machines, functions, failOn, for: path }: FleetData): string {
  const parts = [`${counted(machines.read, 'machine')} with ${counted(functions, 'function')} read`];
  if (failOn !== 'never') {
    parts.push(`${number(machines.clean)} of them without a finding of severity ${atOrAbove(failOn)}`);
  }
  if (machines.broken > 0) parts.push(`${counted(machines.broken, 'audit')} not usable`);
  if (machines.otherPath > 0) {
    const other = path === 'crash' ? 'normal' : 'crash';
    parts.push(
      `${counted(machines.otherPath, 'audit')} for the other jump left out (--for ${other} reads those)`,
    );
  }
  return `${parts.join('; ')}.`;
}

const atOrAbove = (severity: string): string => (severity === 'error' ? 'error' : `${severity} or graver`);

/** 12,345 */
export const number = (value: number): string => String(value).replace(/\B(?=(\d{3})+$)/g, ',');
export const counted = (value: number, what: string): string =>
  `${number(value)} ${what}${value === 1 ? '' : 's'}`;

/** Ids, and the name if there is one. */
export function kindName(kind: FunctionKind, names: PciNames): string {
  const { vendor, device, classCode } = idsOf(kind);
  return `${kind.vendor}:${kind.device} ${names.className(classCode)}: ${names.device(vendor, device)}`;
}

const idsOf = (kind: FunctionKind): NamedIds => ({
  vendor: Number.parseInt(kind.vendor, 16),
  device: Number.parseInt(kind.device, 16),
  classCode: Number.parseInt(kind.class, 16),
});

/** All that is named in a report: for a look into `pci.ids`. */
export function namedIn(data: FleetData): NamedIds[] {
  const kinds: FunctionKind[] = [
    ...data.fixes.flatMap(({ on }) => on),
    ...data.topologies.flatMap(({ kinds }) => kinds),
    ...data.outcomes.flatMap(({ listed }) => listed.flatMap(({ functions }) => functions)),
    ...data.nearly.flatMap(({ differences }) =>
      differences.flatMap((one) => [one, ...(one.usual ? [one.usual] : [])]),
    ),
  ];
  return kinds.map(idsOf);
}

type Fix = FleetData['fixes'][number];

/** What else findings of a kind advise, and how many of them. */
export function otherAdvice({ otherAdvice, moreAdvice }: Fix): string[] {
  const said = otherAdvice.map(({ advice, findings }) => `For ${number(findings)} of them: ${advice}`);
  return moreAdvice > 0 ? [...said, `And ${number(moreAdvice)} more.`] : said;
}

type Risk = FleetData['outcomes'][number]['listed'][number];

/** What stands in a machine's way, by its outcome. */
export function riskText(outcome: Outcome, { functions, more }: Risk, shown = 1): string {
  if (functions.length === 0) return OUTCOME_MEANINGS[outcome];
  const named = functions
    .slice(0, shown)
    .map(
      ({ slot, vendor, device, driver, why }) =>
        `${slot} ${vendor}:${device}${driver ? ` ${driver}` : ''}: ${why}`,
    );
  const rest = functions.length - named.length + more;
  if (rest > 0) named.push(`${number(rest)} more`);
  return named.join('; ');
}

type Deviation = FleetData['deviations'][number];

/** In what machines differ from their like. */
export function differenceText({ differences, more }: Deviation, shown = 4): string {
  const said = differences
    .slice(0, shown)
    .map(({ slot, what, usual, here }) => `${slot ? `${slot} ` : ''}${what} ${here}, usually ${usual}`);
  const rest = differences.length - said.length + more;
  if (rest > 0) said.push(`${number(rest)} more`);
  return said.join('; ');
}

type Nearly = FleetData['nearly'][number];

/** Which functions a topology has more, less or others of than the one that it is nearly like. */
export function nearlyText({ differences, more, like }: Nearly, names: PciNames, shown = 4): string {
  const said = differences.slice(0, shown).map((one) => {
    const what = kindName(one, names);
    const below = one.below > 0 ? ` and ${counted(one.below, 'function')} below it` : '';
    if (one.kind === 'missing') return `without ${what}${below} (${one.slot} on ${like.example})`;
    if (one.kind === 'extra') return `with ${what}${below} more (${one.slot})`;
    const usual = one.usual ? kindName(one.usual, names) : 'something else';
    return `${one.slot} is ${what}, not ${usual}`;
  });
  const rest = differences.length - said.length + more;
  if (rest > 0) said.push(`${number(rest)} more`);
  return said.join('; ');
}

/** A few names of many. */
export function examplesText(examples: readonly string[], machines: number, shown = 3): string {
  const named = examples.slice(0, shown);
  const rest = machines - named.length;
  return rest > 0 ? `${named.join(', ')} and ${number(rest)} more` : named.join(', ');
}

/** What a topology is made of. */
export function madeOf(
  { kinds, functions }: FleetData['topologies'][number],
  names: PciNames,
  shown = 3,
): string {
  const most = kinds.slice(0, shown).map((kind) => {
    const { vendor, device } = idsOf(kind);
    return `${kind.functions} × ${names.device(vendor, device)}`;
  });
  return `${counted(functions, 'function')}: ${most.join(', ')}${kinds.length > shown ? ', …' : ''}`;
}
