import { type CommandEntry, withCommandsBelow } from './command-table.js';

const SCRIPT = `# bash completion for shootdown. Generated from the command line by scripts/manual: do not edit.

# The options, the commands below and the arguments of a command.
_shootdown_command() {
  case "$1" in
@COMMANDS@
  *) return 1 ;;
  esac
}

# What the value of an option may be: words, or : for a file, or - for what nobody can list.
_shootdown_value() {
  case "$1 $2" in
@VALUES@
  *) return 1 ;;
  esac
}

_shootdown() {
  local words=() word command options commands arguments option='' value
  COMPREPLY=()
  # --policy=FILE comes as three words: it is meant as two.
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD}"; do
    [ "$word" = = ] || words+=("$word")
  done
  [ "\${COMP_WORDS[COMP_CWORD]}" != = ] || words+=('')
  local current=\${words[\${#words[@]} - 1]}
  unset "words[\${#words[@]} - 1]"

  command=shootdown
  _shootdown_command "$command"
  for word in "\${words[@]}"; do
    if [ -n "$option" ]; then
      option=
    elif [[ $word == -* ]]; then
      ! _shootdown_value "$command" "$word" || option=$word
    elif [[ " $commands " == *" $word "* ]]; then
      command="$command $word"
      _shootdown_command "$command"
    fi
  done

  if [ -n "$option" ]; then
    _shootdown_value "$command" "$option"
  elif [[ $current == -* ]]; then
    value=$options
  elif [ -n "$commands" ]; then
    value=$commands
  else
    value=$arguments
  fi
  case "$value" in
  :)
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
    ;;
  - | '') ;;
  *) mapfile -t COMPREPLY < <(compgen -W "$value" -- "$current") ;;
  esac
}
complete -F _shootdown shootdown
`;

export function bashCompletion(program: CommandEntry): string {
  const commands = withCommandsBelow(program);
  return SCRIPT.replace('@COMMANDS@', () => commands.map(commandCase).join('\n')).replace('@VALUES@', () =>
    commands.flatMap(valueCases).join('\n'),
  );
}

function commandCase({ path, options, commands, arguments: args }: CommandEntry): string {
  const words = options.flatMap((option) => option.words).join(' ');
  const names = commands.map((sub) => sub.path.at(-1)).join(' ');
  const [first] = args;
  const argument = first ? valueWords(first.value) : '-';
  return `  '${path.join(' ')}') options='${words}' commands='${names}' arguments='${argument}' ;;`;
}

function valueCases({ path, options }: CommandEntry): readonly string[] {
  return options.flatMap(({ words, value }) => {
    if (!value) return [];
    const pattern = words.map((word) => `'${path.join(' ')} ${word}'`).join(' | ');
    return [`  ${pattern}) value='${valueWords(value)}' ;;`];
  });
}

function valueWords({ isFile, choices }: { readonly isFile: boolean; readonly choices: readonly string[] }) {
  if (isFile) return ':';
  return choices.length > 0 ? choices.join(' ') : '-';
}
