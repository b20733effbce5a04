import { strict as assert } from 'node:assert';
import type { Controller } from './controller.js';
import type { TrialRecord } from './record.js';

const MODULES = ['shootdown', 'shootdown_audit', 'shootdown_facts'];

/** The collection is built and installed as for others, its documents render, and ansible-lint is content. */
export async function collection(controller: Controller, record: TrialRecord): Promise<void> {
  const { copy } = controller;
  record.section('The collection', 'Built, installed, looked at by ansible-lint with its strictest profile.');
  record.ran('ansible-galaxy collection install shootdown-kexec-1.0.0.tar.gz', await controller.install());
  const lint = await controller.run(
    'ansible-lint',
    [
      '--offline',
      '--profile',
      'production',
      'galaxy.yml',
      'meta/runtime.yml',
      'playbooks',
      'roles/shootdown',
    ],
    copy,
  );
  assert.equal(lint.status, 0, lint.output);
  const said = lint.output.split('\n').filter((line) => line.startsWith('Passed'));
  assert.equal(said.length, 1, lint.output);
  record.ran('ansible-lint --offline --profile production', said.join('\n'));
  for (const name of MODULES) {
    const { output, status } = await controller.run('ansible-doc', [
      '-t',
      'module',
      `shootdown.kexec.${name}`,
    ]);
    assert.equal(status, 0, output);
    assert.match(output, /EXAMPLES:[\s\S]*RETURN VALUES:/);
  }
  const role = await controller.must('ansible-doc', ['-t', 'role', 'shootdown.kexec.shootdown']);
  assert.match(role, /ENTRY POINT: main[\s\S]*shootdown_mode/);
  // As the oldest Python that modules have to run on reads them.
  const old =
    'import ast, sys\nfor name in sys.argv[1:]:\n    ast.parse(open(name).read(), name, feature_version=(3, 9))';
  await controller.must('sh', ['-c', `exec python3 -c "$0" $(find plugins -name '*.py')`, old], copy);
}
