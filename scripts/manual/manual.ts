import { makeProgram } from '../../src/cli/program.js';
import { VERSION } from '../../src/version.js';
import { bashCompletion } from './bash.js';
import { commandTable } from './command-table.js';
import { fishCompletion } from './fish.js';
import { MAN_SECTION, manPage, pageName } from './man-page.js';
import { zshCompletion } from './zsh.js';

/** A page for the program and for each command, and completions for three shells; paths as in dist/. */
export function manualFiles(): readonly { readonly path: string; readonly content: string }[] {
  const program = commandTable(makeProgram(async () => {}));
  const documented = [program, ...program.commands];
  const names = documented.map(({ path }) => pageName(path));
  const pages = documented.map((entry) => {
    const related = entry === program ? names : ['shootdown', ...names.slice(1)];
    return {
      path: `man/${pageName(entry.path)}.${MAN_SECTION}`,
      content: manPage(entry, related, VERSION),
    };
  });
  return [
    ...pages,
    { path: 'completions/shootdown.bash', content: bashCompletion(program) },
    { path: 'completions/_shootdown', content: zshCompletion(program) },
    { path: 'completions/shootdown.fish', content: fishCompletion(program) },
  ];
}
