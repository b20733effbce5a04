import { strict as assert } from 'node:assert';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Scene } from './scene.js';

const script = (text: string) => ({ text: `#!/bin/sh\n${text}\n`, mode: 0o755 });
const edited = (code: string) =>
  script(`[ "$1" = audit ] || exec shootdown "$@"
shootdown "$@" >/run/audit.json
status=$?
python3 -c 'import json
audit = json.load(open("/run/audit.json"))
one = [f for f in audit["functions"] if f["busMaster"] and not f["bridge"]][0]
${code}
print(json.dumps(audit))'
exit $status`);

/** Commands that take the place of shootdown, by path. */
export const FAKES = {
  '/usr/local/bin/shootdown-liar': edited('one["verdict"] = "quiet"'),
  '/usr/local/bin/shootdown-fibber': edited('one["command"] = "0000"'),
  '/usr/local/bin/shootdown-babbler': script(`printf '\\033[31mhello, I am no JSON\\n'`),
  '/usr/local/bin/says-3': script(`echo 'shootdown: 6.1.0-26-amd64: no space left on its disk' >&2; exit 3`),
  '/usr/local/bin/says-64': script(`echo "error: unknown option '--json'" >&2; exit 64`),
  '/usr/local/bin/says-nothing': script('exit 1'),
  '/usr/local/bin/sleeps': script('exec sleep 60'),
  '/usr/local/bin/prints-forever': script('exec yes'),
  '/usr/local/bin/dies': script('kill -9 $$'),
  '/usr/local/bin/of-tomorrow': script(`echo '{"schema": "shootdown.install-report/2"}'; exit 2`),
  '/usr/local/bin/as-nobody': script(
    'exec setpriv --reuid nobody --regid nogroup --clear-groups shootdown "$@"',
  ),
  '/usr/local/bin/not-executable': { text: '#!/bin/sh\n', mode: 0o644 },
} as const;

interface Case {
  readonly args: string;
  readonly says: RegExp;
}

const part = (command: string, more = '') => ({
  args: `part=kdump command=/usr/local/bin/${command}${more}`,
});

const CASES: readonly Case[] = [
  {
    args: 'part=kdump command=/nowhere/shootdown',
    says: /^\/nowhere\/shootdown is not installed on this machine/,
  },
  { ...part('not-executable'), says: /^\S+not-executable may not be run by this user/ },
  { ...part('as-nobody', ' state=absent'), says: /^shootdown uninstall: .*(permission|root)/ },
  { ...part('says-nothing'), says: /^shootdown install ended with status 1 and did not say why$/ },
  { ...part('says-3'), says: /changed something, and not all is well: 6\.1\.0-26-amd64: no space left/ },
  { ...part('says-64'), says: /does not take what this collection gives it .*unknown option/ },
  {
    ...part('shootdown-babbler'),
    says: /^shootdown install printed no JSON \(status 0\), but: \[31mhello, I am no JSON$/,
  },
  {
    ...part('of-tomorrow'),
    says: /^shootdown install (printed shootdown.install-report\/2, and|ended with status 2)/,
  },
  { ...part('sleeps', ' timeout=2'), says: /^shootdown install had not ended after 2 s and was stopped/ },
  {
    ...part('prints-forever', ' timeout=60'),
    says: /^shootdown install printed more than 64 MiB and was stopped$/,
  },
  { ...part('dies'), says: /^shootdown install was ended by signal 9$/ },
  { args: 'part=all', says: /^part=all is for state=absent/ },
  { args: 'part=kdump when=always', says: /^when is for part=hook$/ },
  {
    args: 'part=kdump policy=/nowhere.json',
    says: /^shootdown install: \/nowhere.json: the policy is not there$/,
  },
];

const LOCKDOWN = 'trial/sys/kernel/security/lockdown';

/** Every failure is one line that says what to do. */
export async function failures({ controller, record, hosts }: Scene): Promise<void> {
  record.section('Failures', 'What the module `shootdown` says, by what the command does:');
  const lines: string[] = [];
  const says = async (args: string, pattern: RegExp) => {
    const { status, output } = await controller.run('ansible', [
      '-o',
      '-m',
      'shootdown.kexec.shootdown',
      '-a',
      args,
      'alpha',
    ]);
    const found = /FAILED! => (\{.*\})/.exec(output)?.[1];
    assert.ok(status !== 0 && found !== undefined, `${args}: ${output}`);
    const { msg } = JSON.parse(found) as { msg: string };
    assert.match(msg, pattern, args);
    assert.equal(msg.split('\n').length, 1);
    lines.push(`${args.replaceAll('/usr/local/bin/', '')}\n    ${msg}`);
  };
  for (const { args, says: pattern } of CASES) await says(args, pattern);
  const lockdown = join(hosts.alpha.root, LOCKDOWN);
  writeFileSync(lockdown, 'none [integrity] confidentiality\n');
  await says(
    'part=kdump',
    /^shootdown install: the kernel is locked down \(integrity\), and a wrapped kernel needs a signature/,
  );
  writeFileSync(lockdown, '[none] integrity confidentiality\n');
  record.said(`\`\`\`text\n${lines.join('\n')}\n\`\`\``);
}
