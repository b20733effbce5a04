// Packs what `npm run build` made, puts it where a user would have it, and uses it: the executable starts, a strict
// TypeScript program without skipLibCheck compiles against the library and runs, and all that is exported is there.
// Needs no registry.
import { execFileSync } from 'node:child_process';
import {
  accessSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './install.mjs';

const { exports: patterns, man } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const exported = Object.fromEntries(Object.entries(patterns).flatMap(expanded));
const targets = Object.values(exported).flatMap((to) => (typeof to === 'string' ? [to] : Object.values(to)));

/** An export whose name has a `*`, as the files that there are. */
function expanded([name, to]) {
  if (!name.includes('*')) return [[name, to]];
  const [before, after] = to.split('*');
  return readdirSync(join(root, before))
    .filter((file) => file.endsWith(after))
    .map((file) => file.slice(0, -after.length))
    .map((stem) => [name.replace('*', stem), to.replace('*', stem)]);
}

/** What must be in the package, and what must not. */
const WANTED = [
  ...targets.map((path) => path.replace(/^\.\//, '')),
  ...man,
  'dist/shootdown.mjs',
  'dist/THIRD-PARTY-LICENSES.txt',
  'dist/completions/shootdown.bash',
  'integrations/lib/gate',
  'integrations/ansible/ansible_collections/shootdown/kexec/galaxy.yml',
  'hazards/README.md',
  'docs/architecture.md',
  'LICENSE',
  'README.md',
];
const UNWANTED = /(^|\/)\.|__pycache__|\.test\.|\.deb$|^(src|test|bench|scripts|packaging|dumps|tmp)\//;

const SCHEMAS = Object.keys(exported).filter((name) => name.endsWith('.schema.json'));

// `@ts-expect-error` fails where there is no error: types that have become `any` are found.
const PROGRAM = `
import {
  createMachine, defaultPolicy, deviceShootdown, type Host, type Journal, type JumpVerdict, type MachineDescription,
  newSoak, type Plan, type Policy, profile, runScenario, type Scenario, shippedScenario, soak, type SoakState,
} from 'shootdown';
const machine = createMachine('server');
const host: Host = machine.host;
const result = await deviceShootdown(host, { clock: machine.clock });
const plan: Plan = result.plan;
const journal: Journal = result.journal;
const policy: Policy = defaultPolicy();
// @ts-expect-error
const steps: number = plan.steps;
// @ts-expect-error
const tool: number = journal.header.tool;
// @ts-expect-error
const rules: number = policy.rules;
if (plan.steps.length === 0 || journal.end !== 'complete') throw new Error('nothing was done');

const description: MachineDescription = { ...profile('server'), era: '3.13' };
const jumped: JumpVerdict = (await createMachine(description).jump({ path: 'crash' })).verdict;
// @ts-expect-error
const verdict: number = jumped;
const scenario: Scenario | undefined = shippedScenario('live-rings');
if (!scenario) throw new Error('no such scenario');
const { unmet, result: seen } = await runScenario(scenario, 'none');
// @ts-expect-error
const writes: number = seen.writes;
if (unmet.length > 0) throw new Error(unmet.join('; '));
for await (const { state } of soak(newSoak({ seed: 1, functions: 8, policy: 'ours' }))) {
  const { cases }: SoakState = state;
  if (cases === 1) break;
}

for (const name of ${JSON.stringify(SCHEMAS)}) {
  const schema = await import('shootdown/' + name.slice(2), { with: { type: 'json' } });
  if (typeof schema.default.title !== 'string') throw new Error(name + ' is no schema');
}
export { rules, steps, tool, verdict, writes };
`;

const folder = mkdtempSync(join(tmpdir(), 'shootdown-package-'));
const run = (command, args, cwd = folder) => execFileSync(command, args, { cwd, encoding: 'utf8' });
try {
  const pack = ['pack', '--json', '--ignore-scripts', '--loglevel=error', '--pack-destination', folder];
  const [{ filename, files, size }] = JSON.parse(run('npm', pack, root));
  const paths = files.map(({ path }) => path);
  const problems = [
    ...WANTED.filter((path) => !paths.includes(path)).map((path) => `${path} is missing: npm run build?`),
    ...paths.filter((path) => UNWANTED.test(path)).map((path) => `${path} should not be there`),
  ];
  if (problems.length > 0) throw new Error(problems.join('\n'));

  const home = join(folder, 'node_modules', 'shootdown');
  mkdirSync(home, { recursive: true });
  run('tar', ['-xzf', join(folder, filename), '-C', home, '--strip-components=1']);
  run(process.execPath, [join(home, 'dist/shootdown.mjs'), 'demo']);

  // As `npm install --global` and `npx` have it, from nothing but the file.
  const global = join(folder, 'global');
  const quiet = ['--offline', '--ignore-scripts', '--loglevel=error', `--cache=${join(folder, 'cache')}`];
  const npm = (command, ...args) => run('npm', [command, ...quiet, ...args]);
  npm('install', '--global', `--prefix=${global}`, join(folder, filename));
  run(join(global, 'bin/shootdown'), ['demo']);
  readFileSync(join(global, 'share/man/man8/shootdown.8'));
  accessSync(join(global, 'lib/node_modules/shootdown/integrations/lib/gate'), constants.X_OK);
  npm('exec', '--yes', `--package=${join(folder, filename)}`, '--', 'shootdown', 'demo');

  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(folder, 'program.ts'), PROGRAM);
  const typeRoots = join(root, 'node_modules/@types');
  const options = {
    target: 'es2023',
    module: 'nodenext',
    strict: true,
    types: ['node'],
    typeRoots: [typeRoots],
  };
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: { ...options, rootDir: '.' }, files: ['program.ts'] }),
  );
  run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', '.']);
  run(process.execPath, ['program.js']);
  console.log(`package: ${files.length} files, ${Math.round(size / 1024)} KiB, starts and compiles`);
} catch (error) {
  console.error(`the package is not sound: ${error.stdout || error.message}`);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
