import { join } from 'node:path';
import { expect, it } from 'vitest';
import { hasCommand, run, SHOOTDOWN } from './support/cli.js';

// All that needs no Ansible; the rest is npm run trial:ansible, with its output in docs/ansible-trial.md.

const project = join(import.meta.dirname, '..');

it.skipIf(!hasCommand('python3', 'python3'))(
  "the collection's files can be read, and what goes wrong becomes one line",
  () => {
    const { status, stderr } = run('python3', ['-B', join(project, 'test/ansible/collection_test.py')], {
      PYTHONPATH: join(project, 'integrations/ansible'),
      SHOOTDOWN_ARGV: JSON.stringify([process.execPath, SHOOTDOWN]),
    });
    expect(stderr).toMatch(/^Ran \d\d tests in /m);
    expect(status, stderr).toBe(0);
  },
);
