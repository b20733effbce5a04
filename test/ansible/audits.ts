import { strict as assert } from 'node:assert';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expectOf, HOSTS, playbook, type Scene } from './scene.js';

interface Audit {
  readonly schema: string;
  readonly machine: { readonly hostname: string };
  readonly functions: readonly unknown[];
}

/** One file of all machines, and what is missing in it. */
export async function audits(scene: Scene): Promise<void> {
  const { record, controller, project } = scene;
  record.section(
    'Audits of all machines',
    'Besides the four: `gone` has no sshd, `dark` does not answer at all, the audit of `liar` contradicts itself, `babbler` prints no JSON, and `fibber` has an audit whose lie only its registers give away.',
  );
  const ran = await playbook(scene, 'audit');
  expectOf(ran, 0);
  const text = readFileSync(join(controller.folder, 'audits.ndjson'), 'utf8');
  const lines = text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Audit);
  assert.deepEqual(
    lines.map(({ machine }) => machine.hostname),
    ['alpha', 'beta', 'delta', 'fibber', 'gamma'],
  );
  assert.ok(lines.every(({ schema, functions }) => schema === 'shootdown.audit/1' && functions.length > 0));
  const missing = readFileSync(join(controller.folder, 'audits.ndjson.missing.json'), 'utf8');
  const why = JSON.parse(missing) as Record<string, string>;
  assert.deepEqual(Object.keys(why).sort(), ['babbler', 'dark', 'gone', 'liar']);
  // What ssh said, or, by chance, only that it would not listen.
  for (const name of ['dark', 'gone']) assert.match(why[name] ?? '', /^unreachable: .*192\.0\.2\.\d+/);
  assert.match(why['liar'] ?? '', /^shootdown audit contradicts itself: \S+ is quiet and a bus master/);
  assert.match(why['babbler'] ?? '', /^shootdown audit printed no JSON/);
  record.ran('cat audits.ndjson.missing.json', missing);
  const sizes = lines.map(({ machine, functions }) => `${machine.hostname} ${functions.length} functions`);
  record.said(`\`audits.ndjson\` has a line for each of the others: ${sizes.join(', ')}.`);

  const strict = await controller.run('ansible-playbook', [
    'shootdown.kexec.audit',
    '-e',
    'shootdown_fail_if_missing=true',
  ]);
  expectOf(strict, 2);
  const program = join(project, 'dist/shootdown.mjs');
  const help = (await controller.run(process.execPath, [program, 'report', '--help'])).output;
  if (!/^\s+fleet\b/m.test(help)) {
    record.said('`shootdown report fleet` is not there yet.');
    return;
  }
  const report = await controller.run('sh', [
    '-c',
    `exec "$0" "$1" report fleet - <audits.ndjson`,
    process.execPath,
    program,
  ]);
  assert.ok(report.status === 0 || report.status === 2, report.output);
  assert.match(report.output, /fibber/);
  record.ran('shootdown report fleet - <audits.ndjson', report.output);
  for (const name of HOSTS) assert.ok(existsSync(join(scene.hosts[name].root, 'usr/bin/shootdown')));
}
