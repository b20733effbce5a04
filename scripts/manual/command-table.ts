import { type Argument, type Command, Help, type Option } from 'commander';

/** What one word of a command line may be. */
export interface Value {
  /** As in `--policy <file>`: file. */
  readonly name: string;
  /** Empty: any. */
  readonly choices: readonly string[];
  readonly isFile: boolean;
  /** Any number of words. */
  readonly variadic: boolean;
}

export interface OptionEntry {
  /** `-a, --all`, `--policy <file>` */
  readonly term: string;
  /** The words that give it: `-a` and `--all`. */
  readonly words: readonly string[];
  readonly value: Value | null;
  readonly description: string;
}

export interface ArgumentEntry {
  /** `<image>`, `[scenario]` */
  readonly term: string;
  readonly value: Value;
  readonly description: string;
}

export interface CommandEntry {
  /** `['shootdown', 'lab', 'run']` */
  readonly path: readonly string[];
  readonly usage: string;
  readonly description: string;
  /** What --help says below the options, as one line: without what it says of the exit status. */
  readonly more: string;
  /** Empty where --help says nothing of it. */
  readonly exitStatuses: readonly (readonly [status: number, meaning: string])[];
  readonly options: readonly OptionEntry[];
  readonly arguments: readonly ArgumentEntry[];
  readonly commands: readonly CommandEntry[];
}

/** Names of values that stand for a file or a folder. */
const FILE_NAMES = new Set([
  'cert',
  'dir',
  'file',
  'folder',
  'image',
  'journal',
  'key',
  'machine',
  'path',
  'root',
]);

/** The one table that the manual and the completions follow from: commander's own. */
export function commandTable(command: Command, above: readonly string[] = []): CommandEntry {
  const help = new Help();
  const path = [...above, command.name()];
  // What commander adds by itself only repeats --help.
  const commands = help.visibleCommands(command).filter((sub) => sub.name() !== 'help');
  const [more = '', statuses = ''] = textAfterHelp(command).split('Exit status: ');
  return {
    path,
    more: more.trim(),
    exitStatuses: statuses
      .replace(/\.$/, '')
      .split(/; (?=\d+ )/)
      .flatMap((item) => {
        const [, status, meaning] = /^(\d+) (.+)$/.exec(item) ?? [];
        return status && meaning ? [[Number(status), meaning] as const] : [];
      }),
    usage: help.commandUsage(command),
    description: help.commandDescription(command),
    options: help.visibleOptions(command).map((option) => optionEntry(help, option)),
    arguments: help.visibleArguments(command).map((argument) => argumentEntry(help, argument)),
    commands: commands.map((sub) => commandTable(sub, path)),
  };
}

/** What was given to `addHelpText('after', …)`. */
function textAfterHelp(command: Command): string {
  const said: string[] = [];
  const events: Pick<NodeJS.EventEmitter, 'emit'> = command as never;
  events.emit('afterHelp', { error: false, command, write: (text: string) => said.push(text) });
  return said.join(' ').replaceAll(/\s+/g, ' ').trim();
}

/** A command and all below it, itself first. */
export function withCommandsBelow(entry: CommandEntry): readonly CommandEntry[] {
  return [entry, ...entry.commands.flatMap(withCommandsBelow)];
}

function optionEntry(help: Help, option: Option): OptionEntry {
  const { argChoices = [], required, optional, variadic } = option;
  const name = /[<[]([\w-]+)/.exec(option.flags)?.[1] ?? '';
  return {
    term: help.optionTerm(option),
    words: [option.short, option.long].filter((word) => word !== undefined),
    value: required || optional ? valueNamed(name, argChoices, variadic) : null,
    description: help.optionDescription(option),
  };
}

function argumentEntry(help: Help, argument: Argument): ArgumentEntry {
  const name = argument.name();
  return {
    term: argument.required ? `<${name}>` : `[${name}]`,
    value: valueNamed(name, argument.argChoices ?? [], argument.variadic),
    description: help.argumentDescription(argument),
  };
}

function valueNamed(name: string, choices: readonly string[], variadic: boolean): Value {
  return { name, choices, variadic, isFile: choices.length === 0 && FILE_NAMES.has(name) };
}
