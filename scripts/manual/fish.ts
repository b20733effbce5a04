import { type CommandEntry, type OptionEntry, type Value, withCommandsBelow } from './command-table.js';

const HEAD = `# fish completion for shootdown. Generated from the command line by scripts/manual: do not edit.

# True if the command that is typed is this one, given by its words.
function __shootdown_is
    set -l words (commandline -opc)
    set -l names
    for word in $words[2..-1]
        string match -q -- '-*' $word; and continue
        contains -- $word @NAMES@; and set -a names $word
    end
    test "$names" = "$argv"
end

complete -c shootdown -f
`;

export function fishCompletion(program: CommandEntry): string {
  const commands = withCommandsBelow(program);
  const names = new Set(commands.slice(1).map(({ path }) => path.at(-1)));
  const lines = commands.flatMap((entry) => [
    ...entry.commands.map((sub) => subcommandLine(entry, sub)),
    ...entry.options.map((option) => optionLine(entry, option)),
    ...entry.arguments.slice(0, 1).flatMap(({ value }) => argumentLine(entry, value)),
  ]);
  return `${HEAD.replace('@NAMES@', [...names].join(' '))}${lines.join('\n')}\n`;
}

function condition({ path }: CommandEntry): string {
  return `complete -c shootdown -n ${quoted(['__shootdown_is', ...path.slice(1)].join(' '))}`;
}

function subcommandLine(entry: CommandEntry, sub: CommandEntry): string {
  return `${condition(entry)} -a ${quoted(sub.path.at(-1) ?? '')} -d ${quoted(sub.description)}`;
}

function optionLine(entry: CommandEntry, { words, value, description }: OptionEntry): string {
  const flags = words.map((word) => (word.startsWith('--') ? `-l ${word.slice(2)}` : `-s ${word.slice(1)}`));
  return [condition(entry), ...flags, ...valueFlags(value), `-d ${quoted(description)}`].join(' ');
}

function valueFlags(value: Value | null): readonly string[] {
  if (!value) return [];
  if (value.isFile) return ['-r -F'];
  return value.choices.length > 0 ? ['-x', `-a ${quoted(value.choices.join(' '))}`] : ['-x'];
}

function argumentLine(entry: CommandEntry, value: Value): readonly string[] {
  if (value.isFile) return [`${condition(entry)} -F`];
  return value.choices.length > 0 ? [`${condition(entry)} -a ${quoted(value.choices.join(' '))}`] : [];
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
