import { type CommandEntry, withCommandsBelow } from './command-table.js';
import { EXIT_STATUSES, NOTES, type Notes } from './notes.js';

export const MAN_SECTION = 8;

/** `['shootdown', 'lab']` is in shootdown-lab.8. */
export function pageName(path: readonly string[]): string {
  return path.join('-');
}

/** The page of a command, with those below it, in man(7)'s macros. `related`: names of other pages. */
export function manPage(entry: CommandEntry, related: readonly string[], version: string): string {
  const notes = NOTES[entry.path.join(' ')] ?? {};
  const name = pageName(entry.path);
  return [
    '.\\" Generated from the command line by scripts/manual: do not edit.',
    `.TH ${macroArgument(name.toUpperCase())} ${MAN_SECTION} "" ${macroArgument(`shootdown ${version}`)} "System Administration"`,
    '.SH NAME',
    `${escaped(name)} \\- ${escaped(withoutFullStop(entry.description))}`,
    '.SH SYNOPSIS',
    ...synopsis(entry),
    '.SH DESCRIPTION',
    ...paragraphs([sentence(entry.description), ...(notes.description ?? []), ...said(entry.more)]),
    ...(entry.path.length === 1 ? commandList(entry) : below(entry)),
    ...section('ARGUMENTS', argumentsOf(entry)),
    ...section('OPTIONS', optionsOf(entry)),
    ...ending(notes, entry),
    '.SH SEE ALSO',
    related
      .filter((other) => other !== name)
      .map((other) => `.BR ${escaped(other)} (${MAN_SECTION})`)
      .join(' ,\n'),
    '',
  ].join('\n');
}

function synopsis({ commands, usage }: CommandEntry): readonly string[] {
  const lines = commands.length > 0 && commands.every((sub) => sub.commands.length === 0) ? commands : null;
  return lines ? lines.flatMap((sub) => [usageLine(sub.usage), '.br']).slice(0, -1) : [usageLine(usage)];
}

/** `shootdown wrap [options] <image>`: what is typed as it is bold, what stands for something else italic. */
function usageLine(usage: string): string {
  const words = usage.split(' ').map((word) => {
    const [, open = '', name = '', dots = ''] = /^([[<])([\w-]+)(\.\.\.)?[\]>]$/.exec(word) ?? [];
    if (name === '') return `\\fB${escaped(word)}\\fR`;
    return open === '[' ? `[\\fI${escaped(name)}\\fR${dots}]` : `\\fI${escaped(name)}\\fR${dots}`;
  });
  return words.join(' ');
}

function commandList({ commands }: CommandEntry): readonly string[] {
  const items = commands.flatMap((sub) => [
    '.TP',
    `.BR ${escaped(pageName(sub.path))} (${MAN_SECTION})`,
    escaped(sentence(sub.description)),
  ]);
  return section('COMMANDS', items);
}

/** The commands below one, all in its page. */
function below(entry: CommandEntry): readonly string[] {
  const [, ...commands] = withCommandsBelow(entry);
  const items = commands.flatMap((sub) => [
    `.SS ${macroArgument(sub.path.join(' '))}`,
    usageLine(sub.usage),
    '.PP',
    ...paragraphs([sentence(sub.description), ...said(sub.more)]),
    ...argumentsOf(sub),
    ...optionsOf(sub),
    ...(sub.exitStatuses.length > 0 ? ['.PP', 'Exit status:', ...terms(sub.exitStatuses)] : []),
  ]);
  return section('COMMANDS', items);
}

function argumentsOf(entry: CommandEntry): readonly string[] {
  return entry.arguments.flatMap(({ value, description }) => [
    '.TP',
    `.I ${escaped(value.name)}`,
    escaped(sentence(description)),
  ]);
}

function optionsOf(entry: CommandEntry): readonly string[] {
  return entry.options.flatMap(({ term, description }) => [
    '.TP',
    optionTerm(term),
    escaped(sentence(description)),
  ]);
}

/** `-F, --file <file>` */
function optionTerm(term: string): string {
  return term
    .split(/(?<=,) | (?=[<[])/)
    .map((part) => {
      const [, name, dots = ''] = /^[<[]([\w-]+)(\.\.\.)?[>\]]$/.exec(part) ?? [];
      if (name !== undefined) return `\\fI${escaped(name)}\\fR${dots}`;
      return part.endsWith(',') ? `\\fB${escaped(part.slice(0, -1))}\\fR,` : `\\fB${escaped(part)}\\fR`;
    })
    .join(' ');
}

function ending(
  { examples = [], files = [] }: Notes,
  { exitStatuses, commands }: CommandEntry,
): readonly string[] {
  const own = exitStatuses.length > 0 ? [...exitStatuses, ...EXIT_STATUSES.slice(-1)] : EXIT_STATUSES;
  const unlessSaid = commands.some((sub) => sub.exitStatuses.length > 0)
    ? ['Where a command says nothing else of its own:']
    : [];
  return [
    ...section('EXIT STATUS', [...unlessSaid, ...terms(own)]),
    ...section('FILES', terms(files)),
    ...section('EXAMPLES', terms(examples)),
  ];
}

function terms(items: readonly (readonly [string | number, string])[]): readonly string[] {
  return items.flatMap(([term, what]) => ['.TP', `.B ${escaped(String(term))}`, escaped(sentence(what))]);
}

const said = (text: string): readonly string[] => (text === '' ? [] : [text]);

function section(title: string, lines: readonly string[]): readonly string[] {
  return lines.length > 0 ? [`.SH ${title}`, ...lines] : [];
}

function paragraphs(texts: readonly string[]): readonly string[] {
  return texts.flatMap((text, index) => (index === 0 ? [escaped(text)] : ['.PP', escaped(text)]));
}

function sentence(text: string): string {
  const stopped = /[.!?:]$/.test(text) ? text : `${text}.`;
  return stopped.slice(0, 1).toUpperCase() + stopped.slice(1);
}

function withoutFullStop(text: string): string {
  return text.replace(/\.$/, '');
}

function macroArgument(text: string): string {
  return `"${escaped(text).replaceAll('"', '\\(dq')}"`;
}

/** Text that roff prints as it is: no escapes, no macros at the start of a line, hyphens that can be copied. */
function escaped(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll('’', '\\(cq')
    .replaceAll("'", '\\(aq')
    .replaceAll('~', '\\(ti')
    .replace(/^\./, '\\&.');
}
