import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { manualFiles } from '../scripts/manual/manual.js';
import { NOTES } from '../scripts/manual/notes.js';
import { makeProgram } from '../src/cli/program.js';
import { run } from './support/cli.js';

const files = new Map(manualFiles().map(({ path, content }) => [path, content]));
const has = (command: string) => spawnSync('which', [command]).status === 0;

/** A command as its own help has it, which is not what the manual is made from. */
interface Documented {
  readonly path: readonly string[];
  /** `--all`, `-s` */
  readonly options: readonly string[];
}

function documented(command: Command, above: readonly string[] = []): readonly Documented[] {
  const path = [...above, command.name()];
  const options = [...command.helpInformation().matchAll(/^ {2}(-\w)?(?:, )?(--[\w-]+)?/gm)]
    .flatMap(([, short, long]) => [short, long])
    .filter((word) => word !== undefined);
  return [{ path, options }, ...command.commands.flatMap((sub) => documented(sub, path))];
}

const commands = documented(makeProgram(async () => {}));

/** What a page says, without roff's escapes. */
function page(path: readonly string[]): string {
  const name = `man/${path.slice(0, 2).join('-')}.8`;
  return (files.get(name) ?? '')
    .replaceAll(/\\f[BIR]/g, '')
    .replaceAll('\\-', '-')
    .replaceAll('\\&', '')
    .replaceAll('\\(aq', "'");
}

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'shootdown-manual-'));
  for (const [path, content] of files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the man pages', () => {
  it('name every command and every option', () => {
    expect(commands.length).toBeGreaterThan(15);
    for (const { path, options } of commands) {
      const text = page(path);
      expect(text, path.join(' ')).toContain(path.join(' '));
      for (const option of options)
        expect(text, path.join(' ')).toMatch(new RegExp(`^(.+, )?${option}\\b`, 'm'));
    }
  });

  it('are one a command', () => {
    const pages = [...files.keys()].filter((path) => path.startsWith('man/'));
    const wanted = commands
      .filter(({ path }) => path.length <= 2)
      .map(({ path }) => `man/${path.join('-')}.8`);
    expect(pages.sort()).toEqual(wanted.sort());
  });

  it('have notes only on commands that there are', () => {
    const names = commands.map(({ path }) => path.join(' '));
    expect(Object.keys(NOTES).filter((name) => !names.includes(name))).toEqual([]);
    for (const { examples = [] } of Object.values(NOTES))
      for (const [example] of examples) {
        const words = example
          .replace(/^.*; /, '')
          .replace(/\$\([^)]*\)/, '')
          .split(' ');
        const command = commands.findLast(({ path }) => path.every((word, index) => words[index] === word));
        expect(command?.path.length, example).toBeGreaterThan(1);
        for (const word of words) if (word.startsWith('-')) expect(command?.options, example).toContain(word);
      }
  });

  it.skipIf(!has('man'))('are read by man without a warning', () => {
    for (const path of files.keys()) {
      if (!path.startsWith('man/')) continue;
      const { status, stderr } = run('man', ['--warnings', '-l', join(folder, path)], {
        MANPAGER: 'cat',
        MANWIDTH: '100',
      });
      expect({ path, status, stderr }).toEqual({ path, status: 0, stderr: '' });
    }
  });
});

describe('the completions', () => {
  it('name every command and every option', () => {
    for (const shell of ['completions/shootdown.bash', 'completions/_shootdown']) {
      const text = files.get(shell) ?? '';
      for (const { path, options } of commands)
        for (const word of [path.at(-1) ?? '', ...options])
          expect(text, `${shell}: ${path.join(' ')}`).toMatch(new RegExp(`(?<![\\w-])${word}(?![\\w-])`));
    }
  });

  const script = (name: string) => join(folder, 'completions', name);
  for (const [shell, name] of [
    ['bash', 'shootdown.bash'],
    ['zsh', '_shootdown'],
    ['fish', 'shootdown.fish'],
  ] as const)
    it.skipIf(!has(shell))(`are understood by ${shell}`, () => {
      expect(run(shell, ['-n', script(name)])).toMatchObject({ status: 0, stderr: '' });
    });

  /** As readline would ask: `|` is where the cursor is, and `=` is a word of its own. */
  function bash(line: string): readonly string[] {
    const words = line.split(/ |(?<==)|(?==)/);
    const code = `
      source "$1"; shift
      COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
      _shootdown shootdown
      [ \${#COMPREPLY[@]} -eq 0 ] || printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { status, stdout, stderr } = run('bash', [
      '--norc',
      '-c',
      code,
      'bash',
      script('shootdown.bash'),
      ...words,
    ]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    return stdout.split('\n').filter((word) => word !== '');
  }

  it('complete in bash', () => {
    expect(bash('shootdown au')).toEqual(['audit']);
    expect(bash('shootdown ')).toEqual(
      commands.filter(({ path }) => path.length === 2).map(({ path }) => path[1]),
    );
    expect(bash('shootdown lab r')).toEqual(['run']);
    expect(bash('shootdown lab run --po')).toEqual(['--policy']);
    expect(bash('shootdown lab run --policy ')).toEqual(['none', 'ours', 'between']);
    expect(bash('shootdown lab run --policy=ou')).toEqual(['ours']);
    expect(bash('shootdown lab run --policy=')).toEqual(['none', 'ours', 'between']);
    expect(bash('shootdown audit --json --for c')).toEqual(['crash']);
    expect(bash('shootdown audit -F x --fail')).toEqual(['--fail-on']);
    expect(bash('shootdown wrap --tail ')).toEqual([]);
  });

  it('complete files in bash, with spaces in their names', () => {
    writeFileSync(join(folder, 'a kernel'), '');
    expect(bash(`shootdown wrap ${folder}/a`)).toEqual([`${folder}/a kernel`]);
    expect(bash(`shootdown wrap x -o ${folder}/ma`)).toEqual([`${folder}/man`]);
    expect(bash(`shootdown audit --policy=${folder}/ma`)).toEqual([`${folder}/man`]);
  });

  it.skipIf(!has('fish'))('complete in fish', () => {
    const fish = (line: string) => {
      const code = 'source $argv[1]; complete -C $argv[2]';
      const { stdout } = run('fish', ['--no-config', '-c', code, script('shootdown.fish'), line], {
        HOME: folder,
      });
      return stdout
        .split('\n')
        .filter((each) => each !== '')
        .map((each) => each.split('\t')[0]);
    };
    expect(fish('shootdown au')).toEqual(['audit']);
    expect(fish('shootdown lab ru')).toEqual(['run']);
    expect(fish('shootdown lab run --policy ').toSorted()).toEqual(['between', 'none', 'ours']);
    expect(fish('shootdown audit --fail')).toEqual(['--fail-on']);
  });
});
