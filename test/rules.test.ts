import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { describe, expect, it } from 'vitest';

/**
 * The house rules that a machine can check. A rule that turns out wrong is changed here, in a change of its own,
 * and not worked around.
 */

const project = join(import.meta.dirname, '..');
const LINES_MAX = 400;
const LINES_USUAL = 250;

/** What a folder may import from; itself goes without saying. */
const BELOW: Readonly<Record<string, readonly string[]>> = {
  pci: [],
  host: ['pci'],
  quiesce: ['pci', 'host'],
  sim: ['pci', 'host', 'quiesce'],
  image: ['pci', 'host', 'quiesce'],
  lab: ['pci', 'host', 'quiesce', 'sim', 'image'],
  system: ['pci', 'host', 'quiesce', 'sim', 'image'],
  report: ['pci', 'host', 'quiesce', 'sim', 'image'],
  cli: ['pci', 'host', 'quiesce', 'sim', 'image', 'lab', 'system', 'report'],
};
/** Files at the top of src; version.ts imports nothing and may be imported by all. */
const TOP: Readonly<Record<string, readonly string[]>> = {
  'index.ts': Object.keys(BELOW).filter((folder) => folder !== 'cli'),
  'version.ts': [],
};

interface Ban {
  readonly what: string;
  readonly pattern: RegExp;
  /** Files that may, below src. */
  readonly but?: RegExp;
}

const BANS: readonly Ban[] = [
  { what: 'the wall clock', pattern: /\bDate\.now\b|\bnew Date\(\)|\bDate\(\)/, but: /^cli\// },
  {
    what: 'a clock',
    pattern: /\bperformance\.now\b|\bprocess\.(hrtime|uptime)\b/,
    but: /^(cli\/|host\/clock\.ts$)/,
  },
  {
    what: 'a timer',
    pattern: /\bset(Timeout|Interval)\(|['"]node:timers/,
    but: /^(cli\/|host\/clock\.ts$)/,
  },
  {
    what: 'chance',
    pattern: /\bMath\.random\b|\brandom(UUID|Bytes|Int)\b|\bgetRandomValues\b/,
    but: /^cli\//,
  },
  { what: 'the console', pattern: /(?<![.\w])console\s*\.\s*\w+\s*\(/ },
  { what: 'the standard streams', pattern: /\bprocess\.(stdout|stderr|stdin)\b/, but: /^cli\// },
  { what: 'the exit', pattern: /\bprocess\.(exit|abort|reallyExit)\b/, but: /^cli\/main\.ts$/ },
  // A program that is run may have started others, and ends with them when its time is over.
  { what: 'killing', pattern: /\bprocess\.kill\b/, but: /^system\/system\.ts$/ },
  { what: 'exporting everything', pattern: /\bexport\s+\*/ },
  { what: 'a default export', pattern: /\bexport\s+default\b|\bas\s+default\b/ },
  {
    what: 'the file system',
    pattern: /['"](node:)?fs(\/promises)?['"]/,
    // The lab is files, sockets and processes all over.
    but: /^(host\/|lab\/|system\/|cli\/|quiesce\/(journal|lock)[\w-]*\.ts$)/,
  },
  {
    what: 'the network',
    pattern: /['"](node:)?(net|dgram|http|https|tls)['"]/,
    but: /^(host\/|lab\/|quiesce\/lock\.ts$)/,
  },
  {
    what: 'other processes',
    pattern: /['"](node:)?(child_process|worker_threads|cluster)['"]/,
    but: /^(host|lab|system)\//,
  },
];

interface Source {
  /** Below src. */
  readonly path: string;
  readonly lines: number;
  /** Without comments. */
  readonly code: string;
}

const sources = readSources(join(project, 'src'));

function readSources(src: string): readonly Source[] {
  return readdirSync(src, { recursive: true, encoding: 'utf8' })
    .filter((path) => /\.tsx?$/.test(path) && !path.endsWith('.test.ts') && !path.endsWith('.d.ts'))
    .sort()
    .map((path) => {
      const text = readFileSync(join(src, path), 'utf8');
      return { path, lines: text.split('\n').length - 1, code: withoutComments(text) };
    });
}

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|[^:'"`\\])\/\/.*$/gm, '$1');
}

function importsOf(code: string): string[] {
  const found = code.matchAll(/\b(?:from|import)\s*\(?\s*(['"])([^'"]+)\1/g);
  return [...found].map((match) => match[2] ?? '');
}

/** Why a file may not import this, or `undefined`. */
function importProblem(path: string, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined;
  const target = normalize(join(dirname(path), specifier));
  if (target.startsWith('../')) {
    const outside = relative('..', target);
    return /^policies\/[\w.-]+\.json$/.test(outside) ? undefined : `${path} imports ${outside}`;
  }
  if (!/\.js(on)?$/.test(target)) return `${path} imports ${specifier}, which does not end in .js`;
  const [from, to] = [folderOf(path), folderOf(target)];
  if (from === to || target === 'version.js') return undefined;
  const allowed = from === undefined ? TOP[path] : BELOW[from];
  if (allowed === undefined) return `${path} is in a place that the design does not know`;
  return to !== undefined && allowed.includes(to) ? undefined : `${path} imports ${target}`;
}

/** `undefined` for a file at the top. */
function folderOf(path: string): string | undefined {
  return path.includes('/') ? path.slice(0, path.indexOf('/')) : undefined;
}

function banProblems(path: string, code: string): string[] {
  return BANS.filter((ban) => ban.pattern.test(code) && !ban.but?.test(path)).map((ban) => {
    const line = code.split('\n').find((text) => ban.pattern.test(text));
    return `${path} uses ${ban.what}: ${line?.trim()}`;
  });
}

describe('house rules', () => {
  it('finds the sources', () => {
    expect(sources.map((source) => source.path)).toContain('host/port.ts');
  });

  it('imports point one way', () => {
    const problems = sources.flatMap(({ path, code }) =>
      importsOf(code)
        .map((specifier) => importProblem(path, specifier))
        .filter((problem) => problem !== undefined),
    );
    expect(problems).toEqual([]);
  });

  it('clock, chance, streams and files are passed in', () => {
    // What a generator put together from packages is theirs.
    const written = sources.filter(({ path }) => !path.endsWith('.generated.ts'));
    expect(written.flatMap(({ path, code }) => banProblems(path, code))).toEqual([]);
  });

  it('files are for one concept', () => {
    const long = sources.filter((source) => source.lines > LINES_USUAL);
    const list = long.map(({ path, lines }) => `${path} has ${lines} lines`).join('; ');
    expect(
      long.filter((source) => source.lines > LINES_MAX),
      list,
    ).toEqual([]);
  });
});

describe('the rules themselves', () => {
  it('know a wrong import', () => {
    expect(importProblem('pci/slot.ts', '../host/port.js')).toMatch(/imports host\/port\.js/);
    expect(importProblem('sim/a.ts', '../image/b.js')).toMatch(/imports image/);
    expect(importProblem('quiesce/a.ts', '../index.js')).toMatch(/imports index/);
    expect(importProblem('index.ts', './cli/main.js')).toMatch(/imports cli/);
    expect(importProblem('quiesce/a.ts', '../../test/support/x.js')).toMatch(/imports test/);
    expect(importProblem('host/a.ts', './b')).toMatch(/does not end/);
    expect(importProblem('new/a.ts', '../pci/slot.js')).toMatch(/does not know/);
  });

  it('know a right one', () => {
    expect(importProblem('quiesce/policy.ts', '../../policies/default.json')).toBeUndefined();
    expect(importProblem('cli/commands/apply.ts', '../../quiesce/plan.js')).toBeUndefined();
    expect(importProblem('host/a.ts', './b.js')).toBeUndefined();
    expect(importProblem('host/a.ts', 'node:path')).toBeUndefined();
    expect(
      importsOf("import { a } from './a.js';\nexport { b } from './b.js';\nawait import('./c.js');"),
    ).toEqual(['./a.js', './b.js', './c.js']);
  });

  it('know what is banned, and where it is not', () => {
    expect(banProblems('pci/a.ts', 'const now = Date.now();')).toHaveLength(1);
    expect(banProblems('pci/a.ts', "console.error('x')")).toHaveLength(1);
    expect(banProblems('cli/apply.ts', 'process.exit(1)')).toHaveLength(1);
    expect(banProblems('cli/main.ts', 'process.exit(1)')).toEqual([]);
    expect(banProblems('quiesce/plan.ts', "import { open } from 'node:fs/promises';")).toHaveLength(1);
    expect(banProblems('quiesce/journal-file.ts', "import fs from 'node:fs';")).toEqual([]);
    expect(
      banProblems('pci/a.ts', withoutComments('// the console.\n/** console.log */ const a = 1;')),
    ).toEqual([]);
  });
});
