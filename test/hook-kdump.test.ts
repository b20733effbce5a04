import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  INTEGRATIONS,
  runScript,
  SHELLS,
  type ShellRun,
  stubs,
  withFolder,
  writeFiles,
} from './support/shell-run.js';

const V = '6.1.0-18-amd64';
const ORIGINAL = `boot/vmlinuz-${V}`;
const WRAPPED = `var/lib/shootdown/kernels/vmlinuz-${V}`;
const KEXEC_LOG = 'kexec.log';

const lib = (name: string) => join(INTEGRATIONS, 'lib', name);
const sums = (folder: string, ...paths: string[]) =>
  paths
    .map(
      (path) =>
        `${createHash('sha256')
          .update(readFileSync(join(folder, path)))
          .digest('hex')}  ${join(folder, path)}\n`,
    )
    .join('');

/** A system with a kernel, its wrapped twin, and kdump-tools set up; its programs are stubs that say what they were asked. */
function onSystem(check: (system: ReturnType<typeof systemIn>) => void): void {
  for (const shell of SHELLS.slice(0, 1)) withFolder((folder) => check(systemIn(folder, shell)));
}

function systemIn(folder: string, shell: readonly string[]) {
  const line = `eval "$(${lib('kdump-kernel')} 2>/dev/null)" || : # shootdown\n`;
  const defaults = (text: string) => writeFiles(folder, { 'etc/default/kdump-tools': text + line });
  writeFiles(folder, {
    [ORIGINAL]: 'a kernel',
    [WRAPPED]: 'the kernel, wrapped',
    [`boot/initrd.img-${V}`]: '',
    'sys/kernel/kexec_crash_loaded': '0\n',
    'proc/cmdline': `BOOT_IMAGE=/${ORIGINAL} root=/dev/vda1 quiet\n`,
  });
  const seal = (...paths: string[]) => writeFiles(folder, { [`${WRAPPED}.sha256`]: sums(folder, ...paths) });
  seal(ORIGINAL, WRAPPED);
  defaults(
    'USE_KDUMP=1\nKDUMP_KERNEL=$SHOOTDOWN_ROOT/var/lib/kdump/vmlinuz\nKDUMP_INITRD=/var/lib/kdump/initrd.img\n',
  );
  const log = (name: string) =>
    `printf '%s\\n' "${name} plain=\${SHOOTDOWN_PLAIN-} $*" >>${join(folder, KEXEC_LOG)}`;
  const env = {
    ...stubs(folder, { uname: `echo ${V}`, kexec: log('kexec'), 'kdump-config': log('kdump-config') }),
    SHOOTDOWN_ROOT: folder,
  };
  const run = (name: string, args: string[] = [], more: Record<string, string> = {}): ShellRun => {
    const result = runScript(folder, lib(name), args, { shell, env: { ...env, ...more } });
    expect(result.stderr).toBe('');
    return result;
  };
  return {
    folder,
    env,
    run,
    seal,
    defaults,
    write: (files: Record<string, string>) => writeFiles(folder, files),
    path: (name: string) => join(folder, name),
    asked: () => (existsSync(join(folder, KEXEC_LOG)) ? readFileSync(join(folder, KEXEC_LOG), 'utf8') : ''),
    /** What kdump-config has as KDUMP_KERNEL and KDUMP_INITRD. */
    sourced: (shellOf = shell) => {
      writeFiles(folder, {
        source: '. "$SHOOTDOWN_ROOT/etc/default/kdump-tools"\necho "$KDUMP_KERNEL $KDUMP_INITRD"\n',
      });
      return runScript(folder, join(folder, 'source'), [], { shell: shellOf, env })
        .stdout.trim()
        .replaceAll(folder, '');
    },
  };
}

describe('kdump-kernel', () => {
  const wrapped = ({ path }: { path(name: string): string }) => `KDUMP_KERNEL=${path(WRAPPED)}\n`;

  it('names the wrapped twin of the running kernel', () => {
    onSystem((system) => {
      expect(system.run('kdump-kernel')).toEqual({ status: 0, stdout: wrapped(system), stderr: '' });
    });
  });

  it('as a line of /etc/default/kdump-tools, in each shell', () => {
    for (const shell of SHELLS) {
      onSystem((system) => {
        expect(system.sourced(shell)).toBe(`/${WRAPPED} /var/lib/kdump/initrd.img`);
        rmSync(system.path(WRAPPED));
        expect(system.sourced(shell)).toBe('/var/lib/kdump/vmlinuz /var/lib/kdump/initrd.img');
      });
    }
  });

  type System = ReturnType<typeof systemIn>;
  const plain: Record<string, (system: System) => void> = {
    'a wrapped kernel that is missing': ({ path }) => rmSync(path(WRAPPED)),
    'one that is empty': ({ write }) => write({ [WRAPPED]: '' }),
    'one that was changed': ({ write }) => write({ [WRAPPED]: 'half a ker' }),
    'a kernel that was upgraded since': ({ write }) => write({ [ORIGINAL]: 'a newer kernel' }),
    'a kernel that is gone': ({ path }) => rmSync(path(ORIGINAL)),
    'no sums': ({ path }) => rmSync(path(`${WRAPPED}.sha256`)),
    'empty sums': ({ seal }) => seal(),
    'sums of one file': ({ seal }) => seal(WRAPPED),
    'sums of one file twice': ({ seal }) => seal(WRAPPED, WRAPPED, ORIGINAL),
    'sums of other files': ({ seal }) => seal(ORIGINAL, WRAPPED, 'proc/cmdline'),
    'a capture kernel': ({ write }) => write({ 'proc/vmcore': 'x' }),
    'another kernel that was chosen': ({ defaults, path }) =>
      defaults(`KDUMP_KERNEL=${path('proc/cmdline')}\n`),
    'a kernel with a name that is none': ({ write, path }) =>
      write({ 'stubs/uname': `#!/bin/sh\necho '$(${path('x')})'\n` }),
  };
  it.each(Object.entries(plain))('says nothing: %s', (_, change) => {
    onSystem((system) => {
      change(system);
      expect(system.run('kdump-kernel')).toEqual({ status: 0, stdout: '', stderr: '' });
    });
  });

  it('says nothing when it is told to', () => {
    onSystem(({ run }) => expect(run('kdump-kernel', [], { SHOOTDOWN_PLAIN: '1' }).stdout).toBe(''));
  });

  it('takes the running kernel for the plain one by whatever name it was chosen', () => {
    onSystem((system) => {
      system.defaults('KDUMP_KERNEL="$SHOOTDOWN_ROOT/boot/vmlinuz-$(uname -r)"\n');
      expect(system.run('kdump-kernel').stdout).toBe(wrapped(system));
      symlinkSync(ORIGINAL, system.path('vmlinuz'));
      system.defaults('KDUMP_KERNEL="$SHOOTDOWN_ROOT/vmlinuz"\n');
      expect(system.run('kdump-kernel').stdout).toBe(wrapped(system));
    });
  });

  it('names the initrd, too, where kdump-tools was to find both in /boot', () => {
    onSystem((system) => {
      system.defaults('KDUMP_KERNEL=\nKDUMP_INITRD=\n');
      expect(system.sourced()).toBe(`/${WRAPPED} /boot/initrd.img-${V}`);
      rmSync(system.path(`boot/initrd.img-${V}`));
      expect(system.sourced()).toBe('');
    });
  });

  it('names the initrd that kdump-tools would take, which is not the one it was told of', () => {
    onSystem((system) => {
      system.defaults('KDUMP_KERNEL=\nKDUMP_INITRD="/var/lib/kdump/initrd.img; touch /x"\n');
      expect(system.sourced()).toBe(`/${WRAPPED} /boot/initrd.img-${V}`);
    });
  });

  it.each<[string, Record<string, string>]>([
    ['are gone', {}],
    ['are broken', { 'kdump-kernel': '#!/bin/sh\nif (\n', 'wrapped-kernel': '#!/bin/sh\nif (\n' }],
    ['are half unpacked', { 'kdump-kernel': readFileSync(lib('kdump-kernel'), 'utf8') }],
    ['end the shell', { 'kdump-kernel': '#!/bin/sh\nkill -9 $$\n' }],
  ])('leaves kdump-tools its own way where our scripts %s', (_, files) => {
    for (const shell of SHELLS) {
      onSystem((system) => {
        const named = Object.entries(files).map(([name, text]) => [`lib/${name}`, text]);
        writeFiles(system.folder, Object.fromEntries(named), 0o755);
        const line = `eval "$(${system.path('lib/kdump-kernel')} 2>/dev/null)" || : # shootdown\n`;
        const settings = 'USE_KDUMP=1\nKDUMP_KERNEL=/plain\nKDUMP_INITRD=/initrd\n';
        system.write({ 'etc/default/kdump-tools': `${settings}${line}` });
        expect(system.sourced(shell)).toBe('/plain /initrd');
      });
    }
  });

  it('survives settings that are no script', () => {
    onSystem((system) => {
      system.defaults('KDUMP_KERNEL="(\nexit 1\n');
      expect(system.run('kdump-kernel')).toMatchObject({ status: 0, stdout: '' });
    });
  });
});

describe('wrapped-kernel', () => {
  it('prints the twin of a kernel, by a link, too, and of no other file', () => {
    onSystem(({ run, path, folder }) => {
      symlinkSync(ORIGINAL, path('vmlinuz'));
      for (const name of [ORIGINAL, 'vmlinuz']) {
        expect(run('wrapped-kernel', [path(name)])).toMatchObject({
          status: 0,
          stdout: `${path(WRAPPED)}\n`,
        });
      }
      for (const name of ['', folder, path(WRAPPED), path('proc/cmdline'), `${path('boot')}/../boot/none`]) {
        expect(run('wrapped-kernel', [name])).toMatchObject({ status: 1, stdout: '' });
      }
    });
  });

  it('is what kexec-tools is told to load', () => {
    onSystem(({ run: _, env, folder, path, write }) => {
      const snippet = readFileSync(join(INTEGRATIONS, 'kexec.d/shootdown'), 'utf8').replaceAll(
        '@LIB@',
        join(INTEGRATIONS, 'lib'),
      );
      const load = (image: string) => {
        write({ load: `set -e\nKERNEL_IMAGE=${image}\n${snippet}\necho "$KERNEL_IMAGE"\n` });
        return runScript(folder, path('load'), [], { env }).stdout.trim();
      };
      expect(load(path(ORIGINAL))).toBe(path(WRAPPED));
      expect(load('/vmlinuz')).toBe('/vmlinuz');
      rmSync(path(WRAPPED));
      expect(load(path(ORIGINAL))).toBe(path(ORIGINAL));
      expect(load('')).toBe('');
    });
  });
});

describe('kexec-load', () => {
  const FOR_NOW = `--initrd=/boot/initrd.img-${V} --reuse-cmdline`;
  it('loads the wrapped kernel with what is in use now', () => {
    onSystem(({ run, asked, folder }) => {
      run('kexec-load');
      expect(asked().replaceAll(folder, '')).toBe(`kexec plain= -l /${WRAPPED} ${FOR_NOW}\n`);
    });
  });

  it('by file where the kernel is locked down', () => {
    onSystem(({ run, asked, write, folder }) => {
      write({ 'sys/kernel/security/lockdown': 'none [integrity] confidentiality\n' });
      run('kexec-load');
      expect(asked().replaceAll(folder, '')).toBe(`kexec plain= -s -l /${WRAPPED} ${FOR_NOW}\n`);
    });
  });

  it('loads no other', () => {
    onSystem(({ asked, folder, path, env }) => {
      rmSync(path(WRAPPED));
      const run = runScript(folder, lib('kexec-load'), [], { env });
      expect(run.status).toBe(1);
      expect(run.stderr).toContain('shootdown refresh makes one');
      expect(asked()).toBe('');
    });
  });
});

describe('kdump-fallback', () => {
  it('loads the plain kernel where the wrapped one was not loaded', () => {
    onSystem(({ run, asked }) => {
      expect(run('kdump-fallback')).toMatchObject({ status: 0 });
      expect(asked()).toBe('kdump-config plain=1 load\n');
    });
  });

  it.each<[string, Record<string, string>]>([
    ['something is loaded', { 'sys/kernel/kexec_crash_loaded': '1\n' }],
    ['kdump is off', { 'etc/default/kdump-tools': 'USE_KDUMP=0\n' }],
    ['kdump is not set up', { 'etc/default/kdump-tools': '' }],
    ['it saves a dump', { 'proc/vmcore': 'x' }],
    ['no wrapped kernel was to be loaded', { [WRAPPED]: 'another' }],
  ])('does nothing where %s', (_, files) => {
    onSystem(({ run, asked, write }) => {
      write(files);
      expect(run('kdump-fallback')).toEqual({ status: 0, stdout: '', stderr: '' });
      expect(asked()).toBe('');
    });
  });
});

describe('save-flight', () => {
  /** Says the first time, then the second for good. */
  const clock = (first: string, then = first) =>
    `[ -e "$SHOOTDOWN_ROOT/late" ] && echo ${then} || echo ${first}; : >"$SHOOTDOWN_ROOT/late"`;
  const nodes = {
    'sys/kernel/boot_params/setup_data/0/type': '0x2\n',
    'sys/kernel/boot_params/setup_data/0/data': 'another',
    'sys/kernel/boot_params/setup_data/1/type': '0x53484f54\n',
    'sys/kernel/boot_params/setup_data/1/data': 'SHOT…',
  };

  function saved(
    files: Record<string, string>,
    date: string,
    more: Record<string, string> = {},
  ): Record<string, string> {
    const found: Record<string, string> = {};
    onSystem(({ run, write, env, folder, path }) => {
      write(files);
      const stubbed = stubs(folder, { date, sleep: 'echo "$*" >>"$SHOOTDOWN_ROOT/slept"', ...more });
      // What is in bounds here is that part itself.
      expect(run('save-flight', ['--now'], { ...env, ...stubbed }).status).toBe(0);
      const crash = path('var/crash');
      if (existsSync(crash)) {
        for (const name of readdirSync(crash, { recursive: true, encoding: 'utf8' }).sort())
          if (name.includes('.')) found[name] = readFileSync(join(crash, name), 'utf8');
          else found[name] ??= '';
      }
      if (existsSync(path('slept'))) found['slept'] = readFileSync(path('slept'), 'utf8');
    });
    return found;
  }

  it('saves our setup data and the log of the hook in the folder of this minute', () => {
    const log = { 'run/shootdown/hook.log': 'gated\n' };
    expect(saved({ ...nodes, ...log }, clock('202611231307:08'))).toEqual({
      '202611231307': '',
      '202611231307/shootdown-flight.1.bin': 'SHOT…',
      '202611231307/shootdown-hook.log': 'gated\n',
    });
  });

  it('waits for the next minute where this one is about to end', () => {
    expect(saved(nodes, clock('202611232359:57', '202611240000:00'))).toEqual({
      '202611240000': '',
      '202611240000/shootdown-flight.1.bin': 'SHOT…',
      slept: '3\n',
    });
  });

  it('saves the summary in the boot parameters where there is no full record', () => {
    const page = (at: string) => ({
      'sys/kernel/boot_params/data': '\0'.repeat(0xeec) + at + '\0'.repeat(0x1000 - 0xef0),
    });
    const found = saved(page('SHOT'), clock('202611231307:08'));
    expect(Object.keys(found)).toEqual(['202611231307', '202611231307/shootdown-flight.boot_params.bin']);
    expect(saved(page('\0\0\0\0'), clock('202611231307:08'))).toEqual({});
  });

  it('leaves nothing where there is nothing, or no room', () => {
    expect(saved({}, clock('202611231307:08'))).toEqual({});
    const full = { cat: 'printf SH; echo "No space left on device" >&2; exit 1' };
    onSystem(({ write, env, folder, path }) => {
      write(nodes);
      const stubbed = stubs(folder, { date: clock('202611231307:08'), ...full });
      const run = runScript(folder, lib('save-flight'), [], { env: { ...env, ...stubbed } });
      expect(run.status).toBe(0);
      expect(run.stdout).toContain('could not be saved');
      expect(readdirSync(path('var/crash'))).toEqual([]);
    });
  });

  it('never fails, also where nothing can be written', () => {
    onSystem(({ write, env, folder }) => {
      write({ ...nodes, 'var/crash': 'a file' });
      const run = runScript(folder, lib('save-flight'), [], { env });
      expect(run.status).toBe(0);
    });
  });

  describe('ends in time, whoever starts it', () => {
    const unit = readFileSync(join(INTEGRATIONS, 'systemd/shootdown-flight.service'), 'utf8');
    const REAL = spawnSync('sh', ['-c', 'command -v timeout'], { encoding: 'utf8' }).stdout.trim();
    const secondsOf = (key: string) => Number(new RegExp(`^${key}=(\\d+)$`, 'm').exec(unit)?.[1]);
    /** With `programs` in the place of the real ones; what they slept, in seconds. */
    function ended(shell: readonly string[], programs: Record<string, string>) {
      let all = { stdout: '', slept: Number.NaN, bound: '', saved: false };
      withFolder((folder) => {
        const { env, write, path } = systemIn(folder, shell);
        write(nodes);
        const { PATH } = stubs(folder, programs);
        const run = runScript(folder, lib('save-flight'), [], { shell, env: { ...env, PATH, REAL } });
        expect(run.status).toBe(0);
        const text = (name: string) => (existsSync(path(name)) ? readFileSync(path(name), 'utf8') : '');
        const slept = text('slept')
          .split('\n')
          .reduce((sum, line) => sum + Number(line), 0);
        all = { stdout: run.stdout, slept, bound: text('bound'), saved: existsSync(path('var/crash')) };
        if (text('pid') !== '') spawnSync('kill', ['-9', text('pid').trim()]);
      });
      return all;
    }

    it.each(SHELLS.map((shell) => [shell.join(' '), shell] as const))('in %s', (_, shell) => {
      const { stdout, saved } = ended(shell, {});
      expect(stdout).toMatch(/^shootdown: saved \S+\.bin$/m);
      expect(stdout).not.toMatch(/not all|left behind/);
      expect(saved).toBe(true);
    });

    it.each(SHELLS.map((shell) => [shell.join(' '), shell] as const))(
      'what can be ended, is: in %s',
      (_, shell) => {
        const { stdout, bound } = ended(shell, {
          cat: 'exec sleep 60',
          timeout: 'echo "$*" >"$SHOOTDOWN_ROOT/bound"; shift 3; exec "$REAL" -k 1 1 "$@"',
        });
        const [, limit] = /^shootdown: not all could be saved within (\d+) s$/m.exec(stdout) ?? [];
        expect(bound).toMatch(new RegExp(`^-k 1 ${limit} sh \\S+/save-flight --now\\n$`));
        expect(secondsOf('TimeoutStartSec')).toBeGreaterThan(Number(limit) + 2);
      },
    );

    it.each(SHELLS.map((shell) => [shell.join(' '), shell] as const))(
      'what cannot be ended, is left behind: in %s',
      (_, shell) => {
        const { stdout, slept } = ended(shell, {
          // As it waits for a child that a disk holds in the kernel.
          timeout: 'echo $$ >"$SHOOTDOWN_ROOT/pid"; exec /bin/sleep 600 >/dev/null 2>&1',
          sleep: 'echo "$1" >>"$SHOOTDOWN_ROOT/slept"',
        });
        expect(stdout).toBe('shootdown: what saves the record hangs, and is left behind\n');
        // Long enough for what can be ended, which is killed a second after its limit.
        expect(slept).toBeGreaterThan(25);
        expect(slept).toBeLessThanOrEqual(26.01);
        // With what systemd tries in vain: half a minute or so.
        expect(slept + 2 * secondsOf('TimeoutStopSec')).toBeLessThanOrEqual(30);
        expect(secondsOf('TimeoutStartSec')).toBeGreaterThan(slept);
      },
    );
  });

  it('goes where the dump goes', () => {
    onSystem(({ write, run, defaults, path }) => {
      write(nodes);
      defaults('KDUMP_COREDIR=/srv/dumps\n');
      run('save-flight');
      expect(readdirSync(path('srv/dumps'))).toHaveLength(1);
    });
  });

  it('apart from the dumps where those are counted, since its folder would count as one', () => {
    const counted = (number: string) =>
      saved({ ...nodes, 'etc/default/kdump-tools': `KDUMP_NUM_DUMPS=${number}\n` }, clock('202611231307:08'));
    expect(Object.keys(counted('2'))).toEqual([
      'shootdown-pending',
      'shootdown-pending/202611231307',
      'shootdown-pending/202611231307/shootdown-flight.1.bin',
    ]);
    expect(Object.keys(counted('0'))).toEqual(['202611231307', '202611231307/shootdown-flight.1.bin']);
  });

  describe('--tidy', () => {
    function tidied(...files: string[]): string[] {
      let left: string[] = [];
      onSystem(({ run, path }) => {
        for (const file of files) {
          mkdirSync(path(join('var/crash', file, '..')), { recursive: true });
          writeFileSync(path(join('var/crash', file)), '');
        }
        expect(run('save-flight', ['--tidy']).status).toBe(0);
        left = readdirSync(path('var/crash'), { recursive: true, encoding: 'utf8' })
          .filter((name) => name.includes('.'))
          .sort();
      });
      return left;
    }
    const record = (stamp: string) => `${stamp}/shootdown-flight.1.bin`;
    const dump = (stamp: string) => `${stamp}/dump.${stamp}`;

    it('moves a record to the dump that was begun a minute later', () => {
      const [first, then] = ['202611232359', '202611240000'];
      expect(tidied(record(first), `${first}/shootdown-hook.log`, dump(then))).toEqual([
        dump(then),
        record(then),
        `${then}/shootdown-hook.log`,
      ]);
    });

    it('puts a record that waits beside its dump, of that minute or a later one', () => {
      const [first, then] = ['202611231307', '202611231308'];
      const waits = `shootdown-pending/${record(first)}`;
      for (const stamp of [first, then])
        expect(tidied(waits, dump('202611231306'), dump(stamp))).toEqual([
          dump('202611231306'),
          dump(stamp),
          record(stamp),
        ]);
    });

    it('the one of two that is nearer', () => {
      const [first, then] = ['202611231307', '202611231309'];
      expect(tidied(record(first), `shootdown-pending/${record('202611231308')}`, dump(then))).toEqual([
        record(first),
        dump(then),
        record(then),
      ]);
    });

    it.each([
      [
        'that waits for a dump that was not saved',
        ['202611231306/dump.202611231306', 'shootdown-pending/202611231307/shootdown-flight.1.bin'],
      ],
      ['that has a dump', [record('202611231307'), dump('202611231307'), dump('202611231308')]],
      [
        'of which the next dump has one',
        [record('202611231307'), record('202611231308'), dump('202611231308')],
      ],
      ['of long before', [record('202611231307'), dump('202611231407')]],
      ['without a dump', [dump('202611231306'), record('202611231307')]],
      ['in a folder that is no dump', ['kept/shootdown-flight.1.bin', dump('202611231307')]],
    ])('leaves a record %s', (_, files) => {
      expect(tidied(...files)).toEqual([...files].sort());
    });
  });
});

describe('the drop-in of kdump-tools.service', () => {
  const unit = readFileSync(join(INTEGRATIONS, 'systemd/kdump-tools.service.d/shootdown.conf'), 'utf8');

  /** What a line of it runs, with scripts that only say that they were run. */
  function ran(line: string, files: Record<string, string>, env: Record<string, string> = {}): string {
    const [, script = ''] = new RegExp(`^${line}=-/bin/sh -c '(.*)'$`, 'm').exec(unit) ?? [];
    expect(script).not.toBe('');
    let said = '';
    withFolder((folder) => {
      const says = { 'save-flight': 'echo saves', 'kdump-fallback': 'echo falls back' };
      const { PATH } = stubs(folder, says);
      const text = script.replaceAll('$$', '$').replaceAll('@LIB@', join(folder, 'stubs'));
      writeFiles(folder, { ...files, script: text.replaceAll('/proc/', `${folder}/proc/`) });
      said = runScript(folder, join(folder, 'script'), [], { env: { PATH, ...env } }).stdout.trim();
    });
    return said;
  }

  it('saves the record in a capture kernel that was not told of kdump-tools-dump.service', () => {
    expect(unit).not.toMatch(/timeout/);
    expect(ran('ExecStartPre', { 'proc/vmcore': 'x' })).toBe('saves');
    expect(ran('ExecStartPre', {})).toBe('');
  });

  it('falls back after a start that failed, not after a stop', () => {
    expect(ran('ExecStopPost', {}, { SERVICE_RESULT: 'exit-code', EXIT_STATUS: '1' })).toBe('falls back');
    expect(ran('ExecStopPost', {}, { SERVICE_RESULT: 'timeout', EXIT_STATUS: 'TERM' })).toBe('falls back');
    expect(ran('ExecStopPost', {}, { SERVICE_RESULT: 'success', EXIT_STATUS: '0' })).toBe('');
    expect(ran('ExecStopPost', {}, { SERVICE_RESULT: 'exit-code', EXIT_STATUS: '0' })).toBe('');
    expect(ran('ExecStopPost', {})).toBe('');
  });
});
