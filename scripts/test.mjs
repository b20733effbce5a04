// npm test: installs what is missing, runs every test, and ends with one line that counts them.
//
// SHOOTDOWN_ALLOW_MISSING=pciutils,isolation   names what may be missing without the run failing:
//   a system package (scripts/system-packages.mjs), or `isolation`, the read-only /sys for root.
// SHOOTDOWN_DUMPS=FOLDER   lspci dumps from outside the project, tried as well.
// Arguments go to vitest: npm test -- src/pci
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { install, root } from './install.mjs';
import { isIsolated, isRoot, runIsolated } from './isolate.mjs';
import { SYSTEM_PACKAGES } from './system-packages.mjs';

const FAILURE_LINES = 20;
const allowed = (process.env.SHOOTDOWN_ALLOW_MISSING ?? '').split(/[\s,]+/).filter((word) => word !== '');

if (process.env.SHOOTDOWN_TEST_RUN === undefined) prepare();
else runTests();

function prepare() {
  install();
  const problems = [];
  for (const needed of SYSTEM_PACKAGES) {
    if (has(needed.command) || installPackage(needed)) continue;
    problems.push({ name: needed.package, text: `${needed.command} is missing: not run: ${needed.suites}` });
  }
  const self = [fileURLToPath(import.meta.url), ...process.argv.slice(2)];
  const run = (mode, how) => {
    const notRun = JSON.stringify(problems);
    const env = { ...process.env, SHOOTDOWN_TEST_RUN: mode, SHOOTDOWN_TEST_NOT_RUN: notRun };
    return how(process.execPath, self, { stdio: 'inherit', cwd: root, env });
  };
  let done;
  if (isRoot() && !isIsolated()) {
    done = run('isolated', runIsolated);
    if (!done) {
      const text = '/sys cannot be made read-only for the tests (no CAP_SYS_ADMIN, or no unshare)';
      problems.push({ name: 'isolation', text });
    }
  }
  if (!done && problems.some((p) => p.name === 'isolation' && !allowed.includes(p.name))) {
    report(problems);
    console.error('No test was run.');
    console.log('tests: 0 passed, 0 failed, 0 skipped');
    process.exit(1);
  }
  done ??= run(isRoot() && isIsolated() ? 'isolated' : 'open', spawnSync);
  process.exitCode = done.status ?? 1;
}

function runTests() {
  const notRun = JSON.parse(process.env.SHOOTDOWN_TEST_NOT_RUN ?? '[]');
  const missing = notRun.filter((problem) => !allowed.includes(problem.name));
  const folder = mkdtempSync(join(tmpdir(), 'shootdown-tests-'));
  try {
    const results = join(folder, 'vitest.json');
    const vitest = spawnSync(
      process.execPath,
      [
        'node_modules/vitest/vitest.mjs',
        'run',
        '--reporter=default',
        '--reporter=json',
        `--outputFile.json=${results}`,
        ...process.argv.slice(2),
      ],
      {
        cwd: root,
        stdio: 'inherit',
        // A suite whose package is missing skips itself here; that the run fails for it is said below.
        env: {
          ...process.env,
          SHOOTDOWN_ALLOW_MISSING: [...allowed, ...missing.map((p) => p.name)].join(','),
        },
      },
    );
    const counts = count(results);
    for (const name of counts.skippedNames) console.log(`skipped: ${name}`);
    for (const name of counts.brokenFiles) console.log(`could not be run: ${name}`);
    report(notRun);
    console.log(`${outsideDumps()} outside dumps were tried`);
    // Once more at the end: of a long log, the end is what people are shown.
    for (const { name, message } of counts.failures) console.log(`failed: ${name}\n${indented(message)}`);
    const { passed, failed, skipped } = counts;
    const ok = vitest.status === 0 && failed === 0 && passed > 0 && missing.length === 0;
    if (!ok && failed === 0)
      console.error(
        missing.length > 0
          ? 'Failed: see what was not run.'
          : `Failed: vitest ended with status ${vitest.status}, ${passed} tests passed.`,
      );
    console.log(`tests: ${passed} passed, ${failed} failed, ${skipped} skipped`);
    process.exitCode = ok ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function report(problems) {
  for (const { name, text } of problems) {
    const verdict = allowed.includes(name) ? 'allowed' : `not allowed; SHOOTDOWN_ALLOW_MISSING=${name} would`;
    console.error(`NOT RUN: ${text} (${verdict})`);
  }
}

/** A file that fails as a whole counts as one failed test, or nobody would see it. */
function count(path) {
  if (!existsSync(path))
    return { passed: 0, failed: 1, skipped: 0, skippedNames: [], brokenFiles: ['vitest'], failures: [] };
  const { testResults } = JSON.parse(readFileSync(path, 'utf8'));
  const tests = testResults.flatMap((file) => file.assertionResults);
  const brokenFiles = testResults
    .filter((file) => file.status === 'failed' && !file.assertionResults.some((t) => t.status === 'failed'))
    .map((file) => file.name.replace(root, ''));
  const skipped = tests.filter((test) => test.status !== 'passed' && test.status !== 'failed');
  return {
    passed: tests.filter((test) => test.status === 'passed').length,
    failed: tests.filter((test) => test.status === 'failed').length + brokenFiles.length,
    skipped: skipped.length,
    skippedNames: skipped.map((test) => test.fullName),
    brokenFiles,
    failures: tests
      .filter((test) => test.status === 'failed')
      .map((test) => ({ name: test.fullName, message: test.failureMessages.join('\n') })),
  };
}

function indented(text) {
  const lines = text.split('\n').slice(0, FAILURE_LINES);
  return lines.map((line) => `    ${line}`).join('\n');
}

/** Files below SHOOTDOWN_DUMPS, and trees in its folder `sysfs`. */
function outsideDumps() {
  const folder = process.env.SHOOTDOWN_DUMPS;
  if (!folder || !existsSync(folder)) return 0;
  const trees = existsSync(join(folder, 'sysfs')) ? readdirSync(join(folder, 'sysfs')).length : 0;
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    (path) => path.endsWith('.txt') && !path.startsWith('sysfs/'),
  );
  return files.length + trees;
}

function has(command) {
  if (command.startsWith('/')) return existsSync(command);
  return spawnSync('sh', ['-c', 'command -v "$1"', 'sh', command], { stdio: 'ignore' }).status === 0;
}

/** True if the package is there afterwards. */
function installPackage(needed) {
  if (!isRoot() || !existsSync('/etc/debian_version') || !has('apt-get')) return false;
  console.error(`installing ${needed.package}, which the tests need`);
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (...args) =>
    spawnSync('apt-get', ['-qq', ...args], { stdio: ['ignore', 2, 2], env }).status === 0;
  const get = () => apt('install', '-y', '--no-install-recommends', needed.package);
  if (!get()) {
    apt('update');
    get();
  }
  return has(needed.command);
}
