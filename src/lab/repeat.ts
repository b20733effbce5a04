export interface Repeatable {
  /** What was run. */
  readonly command: readonly string[];
  /** Folders of that run: each becomes one of the script's own. */
  readonly folders: readonly string[];
  /** Files in the lab's store, from which older ones are removed. */
  readonly needs: readonly string[];
  /** What makes them anew. */
  readonly again: string;
}

/** A shell script that starts the same QEMU again, with a private folder of its own. */
export function repeatScript({ command, folders, needs, again }: Repeatable): string {
  const quoted = command.map((word) =>
    folders.reduce((text, folder) => text.replaceAll(folder, `'"$folder"'`), quote(word)),
  );
  const missing = quote(`is no longer in the lab's store; what makes it anew: ${again}`);
  return [
    '#!/bin/sh',
    '# Sockets: console, line (guest-init.ts says how it is spoken to), qmp. Say cont on qmp to let it run.',
    `for file in ${needs.map(quote).join(' ')}; do`,
    `  [ -e "$file" ] || { echo "$file" ${missing} >&2; exit 1; }`,
    'done',
    'folder=$(mktemp -d)',
    'echo "$folder"',
    `exec ${quoted.join(' ')}`,
    '',
  ].join('\n');
}

function quote(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
