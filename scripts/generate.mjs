// Writes the files that follow from other files of the project: npm run generate
// With --check it writes nothing, and exits 1 if a generated file is stale.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { browserCode } from './browser-code.mjs';
import { root } from './install.mjs';
import { loadTs } from './load-ts.mjs';

/**
 * Each is given the helpers below and returns a list of `{ path, content }`, or a promise of one, with the path from
 * the root of the project. They run in this order, and what one writes the next can read: findings and policies
 * import the hazards. One that is larger than a screen gets a module of its own in scripts/.
 */
const GENERATORS = [
  hazardOutputs,
  findingsOutputs,
  scenarioTexts,
  scenarioOutputs,
  schemaOutputs,
  stubOutputs,
  browserOutputs,
  pictureOutputs,
  verdictOutputs,
  simMatrixOutputs,
  manOutputs,
];
const HELPERS = { loadTs, read, betweenMarkers };

function read(path) {
  return readFileSync(join(root, path), 'utf8');
}

/** A file's text with `content` between its two markers. */
function betweenMarkers(path, content) {
  const [start, end] = ['<!-- generated:start -->', '<!-- generated:end -->'];
  const text = read(path);
  const from = text.indexOf(start);
  const to = text.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${path}: the markers ${start} and ${end} are missing`);
  return `${text.slice(0, from + start.length)}\n\n${content}\n\n${text.slice(to)}`;
}

function hazardOutputs() {
  const hazards = readHazards();
  const ids = hazards.map(({ id }) => `'${id}'`);
  const entries = hazards.map(({ id, title, sources: [first] }) => {
    return `${id}: { title: ${JSON.stringify(title)}, source: ${JSON.stringify(first.url ?? first.what)} },`;
  });
  const code = [
    '// Generated from hazards/*.json by scripts/generate.mjs: do not edit.',
    `export type HazardId = ${ids.join(' | ')};`,
    '',
    '/** Known ways in which a jump goes wrong, each with its first source; the whole entries are in hazards/. */',
    'export const HAZARDS: Readonly<Record<HazardId, { title: string; source: string }>> = {',
    ...entries,
    '};',
    '',
  ];
  const rows = hazards.map(({ id, file, title, path, confidence }) => {
    return `| [${id}](${file}) | ${title} | ${path.join(', ')} | ${confidence} |`;
  });
  const table = ['| Id | Title | Path | Confidence |', '| --- | --- | --- | --- |', ...rows].join('\n');
  return [
    { path: 'src/quiesce/hazards.generated.ts', content: code.join('\n') },
    { path: 'hazards/README.md', content: betweenMarkers('hazards/README.md', table) },
  ];
}

async function findingsOutputs() {
  const { FINDINGS } = await loadTs('src/quiesce/findings.ts');
  const { HAZARDS } = await loadTs('src/quiesce/hazards.generated.ts');
  const files = new Map(readHazards().map(({ id, file }) => [id, file]));
  const severity = ({ normal, crash }) => `normal ${normal ?? '-'}, crash ${crash ?? '-'}`;
  const rows = Object.entries(FINDINGS).map(
    ([id, kind]) =>
      `| [${id}](#${id.toLowerCase()}) | ${kind.title} | ${kind.severity.normal ?? '-'} | ${kind.severity.crash ?? '-'} |`,
  );
  const sections = Object.entries(FINDINGS).map(([id, kind]) => {
    const hazards = kind.hazards.map(
      (hazard) => `[${hazard}](../hazards/${files.get(hazard)}) ${HAZARDS[hazard].title}`,
    );
    return [
      `## ${id}`,
      '',
      `**${kind.title}** (${severity(kind.severity)})`,
      '',
      kind.meaning,
      '',
      `- Evidence: ${kind.evidence}`,
      `- Cure: ${kind.advice}`,
      ...(hazards.length > 0 ? [`- Hazards: ${hazards.join('; ')}`] : []),
    ].join('\n');
  });
  const text = [
    '<!-- Generated from src/quiesce/findings.ts by scripts/generate.mjs: do not edit. -->',
    '',
    '# Findings',
    '',
    'What `shootdown audit` can say, by id. Ids are stable. SD0.. is about one function, SD1.. about the machine. A',
    'finding says what a function *could* do, never what it did. Its severity depends on the jump that is meant:',
    '`--for normal` (kexec) or `--for crash` (kdump).',
    '',
    '| Id | Title | Normal | Crash |',
    '| --- | --- | --- | --- |',
    ...rows,
    '',
    sections.join('\n\n'),
    '',
  ];
  return [{ path: 'docs/findings.md', content: text.join('\n') }];
}

function scenarioFiles() {
  return readdirSync(join(root, 'scenarios'))
    .filter((name) => name.endsWith('.json') && name !== 'scenario.schema.json')
    .sort();
}

/** The simulator opens no files: what it ships with comes into the bundle as text. */
function scenarioTexts() {
  const entries = scenarioFiles().map((file) => {
    const compact = JSON.stringify(JSON.parse(read(`scenarios/${file}`)));
    return `${JSON.stringify(file.slice(0, -'.json'.length))}: ${JSON.stringify(compact)},`;
  });
  const code = [
    '// Generated from scenarios/*.json by scripts/generate.mjs: do not edit.',
    '/** By name, in the order of the names. */',
    'export const SCENARIO_TEXTS: Readonly<Record<string, string>> = {',
    ...entries,
    '};',
    '',
  ];
  return [{ path: 'src/sim/scenario/shipped.generated.ts', content: code.join('\n') }];
}

async function scenarioOutputs() {
  const { parseScenario } = await loadTs('src/sim/scenario/scenario.ts');
  const { hazardsSimulated } = await loadTs('scripts/hazards-simulated.ts');
  const scenarios = scenarioFiles().map((file) => {
    const scenario = parseScenario(read(`scenarios/${file}`), `scenarios/${file}`);
    if (file !== `${scenario.name}.json`) throw new Error(`scenarios/${file}: its name is ${scenario.name}`);
    return scenario;
  });
  return [{ path: 'docs/hazards-simulated.md', content: hazardsSimulated(readHazards(), scenarios) }];
}

async function schemaOutputs() {
  const { schemaFiles } = await loadTs('scripts/json-schemas.ts');
  const { files, table } = schemaFiles();
  return [...files, { path: 'schemas/README.md', content: betweenMarkers('schemas/README.md', table) }];
}

/** The machine code, its listing for people, and the listing for `inspect --listing`. */
async function stubOutputs() {
  const { generateStub } = await loadTs('src/image/stub/generate.ts');
  const { code, listing } = generateStub();
  return [
    { path: 'src/image/stub.generated.ts', content: code },
    { path: 'src/image/stub.lst', content: listing },
    {
      path: 'src/image/listing.generated.ts',
      content: `// Generated by scripts/generate.mjs: stub.lst, for the executable.\nexport const LISTING = ${JSON.stringify(listing)};\n`,
    },
  ];
}

/** The script of a report's page, for the executable. */
async function browserOutputs() {
  const code = [
    '// Generated from src/report/browser/page.ts by scripts/generate.mjs: do not edit.',
    '// biome-ignore-all lint/suspicious/noTemplateCurlyInString: minified',
    `export const PAGE_SCRIPT = ${JSON.stringify(await browserCode())};`,
    '',
  ];
  return [{ path: 'src/report/browser/page.generated.ts', content: code.join('\n') }];
}

/** What the README shows: the demo's machine, and a jump. */
async function pictureOutputs() {
  const { jumpPicture, treePicture } = await loadTs('scripts/pictures.ts');
  return [
    { path: 'docs/tree.svg', content: await treePicture() },
    { path: 'docs/jump.svg', content: await jumpPicture() },
  ];
}

async function verdictOutputs() {
  const { VERDICT_MEANINGS } = await loadTs('src/sim/jump/result.ts');
  const rows = Object.entries(VERDICT_MEANINGS).map(
    ([verdict, meaning]) => `| \`${verdict}\` | ${meaning} |`,
  );
  const table = ['| Verdict | What was seen |', '| --- | --- |', ...rows].join('\n');
  return [{ path: 'docs/simulator.md', content: betweenMarkers('docs/simulator.md', table) }];
}

/** Plays every scenario under every policy, with the stub that was generated above. */
async function simMatrixOutputs() {
  const { simMatrixDocument } = await loadTs('src/cli/sim-matrix-doc.ts');
  return [{ path: 'docs/sim-matrix.md', content: await simMatrixDocument() }];
}

/** npm wants each man page named: the pages themselves are made when the package is built. */
async function manOutputs() {
  const { manualFiles } = await loadTs('scripts/manual/manual.ts');
  const pages = manualFiles().map(({ path }) => `dist/${path}`);
  const man = pages.filter((path) => path.startsWith('dist/man/')).sort();
  return [
    { path: 'package.json', content: JSON.stringify({ ...JSON.parse(read('package.json')), man }, null, 2) },
  ];
}

const TEXTS = ['id', 'title', 'symptom', 'cause', 'cure', 'seenOn'];
const KEYS = [...TEXTS, 'sources', 'confidence', 'path'];
/** Why no scenario plays it. */
const OPTIONAL_KEYS = ['notSimulated'];
const CONFIDENCES = ['established', 'weak', 'inference'];
const PATHS = ['normal', 'crash'];
/** The forms that addresses of these places take; those of other places need only be addresses. */
const URL_SHAPES = {
  'git.kernel.org': /^\/(linus\/[0-9a-f]{12}|pub\/scm\/.+)$/,
  'lore.kernel.org': /^\/r\/[^/<>\s]+@[^/<>\s]+$/,
  'github.com': /^\/[\w.-]+\/[\w.-]+\/(issues|pull)\/\d+$/,
};

/** All entries in the order of their ids. Throws with everything that is wrong. */
function readHazards() {
  const names = readdirSync(join(root, 'hazards')).filter((name) => name.endsWith('.json'));
  const problems = [];
  let last = 0;
  const hazards = names.sort().map((file) => {
    const report = (text) => problems.push(`hazards/${file}: ${text}`);
    const wanted = `H${String(last + 1).padStart(2, '0')}`;
    let hazard;
    try {
      hazard = JSON.parse(read(`hazards/${file}`));
    } catch (error) {
      report(error.message);
      return {};
    }
    if (hazard.id !== wanted) report(`id is ${hazard.id}: ids count up from H01, and ${wanted} is next`);
    last = Number(String(hazard.id).slice(1));
    if (!/^H\d\d-[a-z0-9-]+\.json$/.test(file) || !file.startsWith(`${hazard.id}-`))
      report('the name of the file is ID-words-with-dashes.json');
    checkHazard(hazard, report);
    return { ...hazard, file };
  });
  if (hazards.length === 0) problems.push('hazards: there are no entries');
  if (problems.length > 0) throw new Error(problems.join('\n'));
  return hazards;
}

function checkHazard(hazard, report) {
  for (const key of KEYS) if (!(key in hazard)) report(`${key} is missing`);
  for (const key of Object.keys(hazard))
    if (!KEYS.includes(key) && !OPTIONAL_KEYS.includes(key)) report(`${key} is not a key of an entry`);
  for (const key of [...TEXTS, ...OPTIONAL_KEYS]) {
    const text = hazard[key] ?? '.';
    if (typeof text !== 'string' || text.trim() === '' || text !== text.trim() || /[\n|]/.test(text))
      report(`${key} must be one line of text, without | and without space around it`);
  }
  if (!CONFIDENCES.includes(hazard.confidence)) report(`confidence is one of ${CONFIDENCES.join(', ')}`);
  const { path, sources } = hazard;
  if (
    !Array.isArray(path) ||
    path.length === 0 ||
    path.join() !== PATHS.filter((p) => path.includes(p)).join()
  )
    report(`path lists ${PATHS.join(', ')}, or one of them`);
  if (!Array.isArray(sources) || sources.length === 0) report('sources is empty');
  else for (const source of sources) checkSource(source, report);
}

function checkSource(source, report) {
  const { what, url, ...rest } = source;
  if (typeof what !== 'string' || what.trim() === '') report('a source does not say what it is');
  if (Object.keys(rest).length > 0) report(`${Object.keys(rest)[0]} is not a key of a source`);
  if (url === undefined) return;
  if (!URL.canParse(url) || !/^https?:\/\/[^\s<>]+$/.test(url)) {
    report(`${url} is not an address`);
    return;
  }
  const { hostname, pathname } = new URL(url);
  const shape = URL_SHAPES[hostname];
  if (shape && !shape.test(pathname))
    report(`${url} is not of the form that ${hostname} has: ${shape.source}`);
}

/** As Biome would leave it; files that it does not know stay as they are. */
function formatted({ path, content }) {
  if (!/\.(ts|mjs|json|md)$/.test(path)) return content;
  const biome = join(root, 'node_modules/@biomejs/biome/bin/biome');
  const run = spawnSync(process.execPath, [biome, 'format', `--stdin-file-path=${path}`], {
    cwd: root,
    input: content,
    encoding: 'utf8',
  });
  if (run.status !== 0) throw new Error(`${path}: biome could not format it: ${run.stderr}`);
  return run.stdout;
}

function currentContent(path) {
  try {
    return read(path);
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

async function generate(check) {
  const stale = [];
  for (const generator of GENERATORS) {
    for (const output of await generator(HELPERS)) {
      const content = formatted(output);
      if (content === currentContent(output.path)) continue;
      stale.push(output.path);
      if (check) continue;
      mkdirSync(dirname(join(root, output.path)), { recursive: true });
      writeFileSync(join(root, output.path), content);
    }
  }
  for (const path of stale) console.log(`${path}: ${check ? 'stale; npm run generate' : 'written'}`);
  return check && stale.length > 0 ? 1 : 0;
}

const args = process.argv.slice(2);
if (args.some((arg) => arg !== '--check')) {
  console.error('usage: node scripts/generate.mjs [--check]');
  process.exit(64);
}
try {
  process.exitCode = await generate(args.includes('--check'));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
