import { type CommandEntry, type OptionEntry, type Value, withCommandsBelow } from './command-table.js';

const HEAD = `#compdef shootdown
# Generated from the command line by scripts/manual: do not edit.
`;

/** A function a command, each of which leaves what is below it to another. */
export function zshCompletion(program: CommandEntry): string {
  const functions = withCommandsBelow(program).map(commandFunction);
  return `${HEAD}\n${functions.join('\n')}\n${functionName(program)} "$@"\n`;
}

function functionName({ path }: CommandEntry): string {
  return `_${path.join('_').replaceAll('-', '_')}`;
}

function commandFunction(entry: CommandEntry): string {
  const { commands, options, arguments: args } = entry;
  const specs = options.map(optionSpec);
  if (commands.length === 0) {
    const all = [
      ...specs,
      ...args.map(({ value }) => quoted(`:${escaped(value.name)}:${valueAction(value)}`)),
    ];
    return [`${functionName(entry)}() {`, `  _arguments \\`, `    ${all.join(' \\\n    ')}`, '}', ''].join(
      '\n',
    );
  }
  const names = commands.map(({ path, description }) =>
    quoted(`${escaped(path.at(-1) ?? '')}:${description}`),
  );
  return [
    `${functionName(entry)}() {`,
    '  local context curcontext="$curcontext" state line',
    '  _arguments -C \\',
    `    ${[...specs, quoted('1: :->command'), quoted('*:: :->rest')].join(' \\\n    ')}`,
    '  case "$state" in',
    '  command)',
    '    local -a commands=(',
    ...names.map((name) => `      ${name}`),
    '    )',
    "    _describe -t commands 'command' commands",
    '    ;;',
    '  rest)',
    '    case "$words[1]" in',
    ...commands.map((sub) => `    ${sub.path.at(-1)}) ${functionName(sub)} ;;`),
    '    esac',
    '    ;;',
    '  esac',
    '}',
    '',
  ].join('\n');
}

/** `(-F --file)`{-F,--file}`[what it is for]:file:_files` */
function optionSpec({ words, value, description }: OptionEntry): string {
  const what = `[${escaped(description)}]`;
  const values = value ? `:${escaped(value.name)}:${valueAction(value)}` : '';
  const often = value?.variadic ? '*' : '';
  if (words.length === 1) return quoted(`${often}${words[0]}${what}${values}`);
  const exclusive = often === '' ? quoted(`(${words.join(' ')})`) : quoted('*');
  return `${exclusive}{${words.join(',')}}${quoted(`${what}${values}`)}`;
}

function valueAction({ isFile, choices }: Value): string {
  if (isFile) return '_files';
  return choices.length > 0 ? `(${choices.join(' ')})` : ' ';
}

/** Within a spec, what has a meaning there. */
function escaped(text: string): string {
  return text.replace(/[\\[\]:]/g, (char) => `\\${char}`);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
