import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { defaultPolicy } from '../src/quiesce/default-policy.js';
import { compileGateTable } from '../src/system/gate-table.js';
import { INTEGRATIONS, runScript, SHELLS, stubs, withFolder, writeFiles } from './support/shell-run.js';

const table = (when: 'crash' | 'always' = 'crash') =>
  compileGateTable(defaultPolicy(), { when, tool: 't' }).text;

/** A script as `install` writes it, with the folders of the system that it names moved below `folder`. */
function installed(folder: string, name: string, program = 'program'): string {
  const moved = ['/var/lib/shootdown', '/var/lib/kdump', '/usr/share/initramfs-tools'];
  let text = readFileSync(join(INTEGRATIONS, name), 'utf8')
    .replaceAll('@LIB@', join(INTEGRATIONS, 'lib'))
    .replaceAll('@PROGRAM@', join(folder, 'stubs', program));
  for (const path of moved) text = text.replaceAll(path, folder + path);
  const path = join(folder, 'script');
  writeFiles(folder, { script: text });
  return path;
}

describe('the hook of initramfs-tools', () => {
  interface Built {
    readonly stderr: string;
    readonly has: (name: string) => boolean;
    readonly read: (name: string) => string;
    readonly modeOf: (name: string) => number;
  }

  /** Builds an image with a program that does this for `hook-table -o FILE`. */
  function build(
    program: string,
    check: (built: Built) => void,
    options: { kdump?: boolean; kept?: string; shells?: typeof SHELLS } = {},
  ): void {
    const { kdump = true, kept, shells = SHELLS } = options;
    for (const shell of shells) {
      withFolder((folder) => {
        writeFiles(folder, {
          'usr/share/initramfs-tools/hook-functions':
            'copy_exec() { [ -x "$1" ] && mkdir -p "$DESTDIR/$(dirname "$2")" && : >"$DESTDIR/$2"; }\n',
          ...(kept === undefined ? {} : { 'var/lib/shootdown/hook.table': kept }),
          made: table(),
          always: table('always'),
        });
        const image = join(folder, 'image');
        mkdirSync(image);
        const env = {
          ...stubs(folder, { program: `cd ${folder}; ${program}` }),
          DESTDIR: image,
          CONFDIR: kdump ? join(folder, 'var/lib/kdump/initramfs-tools') : '/etc/initramfs-tools',
        };
        const run = runScript(folder, installed(folder, 'initramfs-tools/hooks/shootdown'), [], {
          shell,
          env,
        });
        expect(run).toMatchObject({ status: 0, stdout: '' });
        check({
          stderr: run.stderr,
          has: (name) => existsSync(join(image, name)),
          read: (name) => readFileSync(join(image, name), 'utf8'),
          modeOf: (name) => statSync(join(image, name)).mode & 0o777,
        });
      });
    }
  }

  const START = 'conf/conf.d/shootdown';
  /** Where it is what was built that is run in each shell. */
  const once = { shells: SHELLS.slice(0, 1) };

  it('answers what it needs first', () => {
    withFolder((folder) => {
      const run = runScript(folder, installed(folder, 'initramfs-tools/hooks/shootdown'), ['prereqs']);
      expect(run).toEqual({ status: 0, stdout: '\n', stderr: '' });
    });
  });

  it('is in the image of kdump-tools, with all that it needs', () => {
    build('cp made "$3"', ({ stderr, has, read, modeOf }) => {
      expect(stderr).toBe('');
      for (const tool of ['od', 'dd', 'sleep']) expect(has(`usr/lib/shootdown/bin/${tool}`)).toBe(true);
      expect(read('usr/lib/shootdown/gate')).toBe(readFileSync(join(INTEGRATIONS, 'lib/gate'), 'utf8'));
      expect(read('usr/lib/shootdown/table')).toBe(table());
      expect(modeOf('usr/lib/shootdown/gate')).toBe(0o755);
      expect(read(START).trim().split('\n')).toHaveLength(1);
    });
  });

  it('is in others only where the table says so', () => {
    build('cp made "$3"', ({ has, stderr }) => expect([has(START), stderr]).toEqual([false, '']), {
      kdump: false,
    });
    build('cp always "$3"', ({ has }) => expect(has(START)).toBe(true), { kdump: false });
  });

  it.each(['exit 1', 'head -n 4 made >"$3"', ': >"$3"', 'rm -f "$3"'])(
    'takes the last table: %s',
    (program) => {
      const kept = table().replace('tool t', 'tool kept').replace('policy default', 'policy kept');
      build(program, ({ read }) => expect(read('usr/lib/shootdown/table')).toBe(kept), { kept });
    },
  );

  it.each([undefined, 'shootdown-gate 0\nend 1\n'])('is left out without any, and says so', (kept) => {
    build(
      'exit 1',
      ({ has, stderr }) => {
        expect(has('usr/lib/shootdown')).toBe(false);
        expect(has(START)).toBe(false);
        expect(stderr).toContain('the hook is not in this initramfs');
      },
      kept === undefined ? {} : { kept },
    );
  });

  it('starts so that nothing ends /init', () => {
    build(
      'cp made "$3"',
      ({ read }) => {
        const line = read(START);
        for (const shell of SHELLS) {
          withFolder((folder) => {
            writeFiles(folder, { init: `set -e\n${line}\necho alive\n` });
            // The gate is not there: as bad as it gets.
            expect(runScript(folder, join(folder, 'init'), [], { shell }).stdout).toBe('alive\n');
          });
        }
      },
      once,
    );
  });

  it('ends a gate that does not end by itself', () => {
    build(
      'cp made "$3"',
      ({ read }) => {
        for (const shell of SHELLS) {
          withFolder((folder) => {
            const line = read(START)
              .replaceAll('/usr/lib/shootdown/gate', join(folder, 'gate'))
              .replaceAll('/usr/lib/shootdown/bin/sleep 10', 'sleep 1');
            writeFiles(folder, { gate: 'sleep 30 & wait\n', init: `${line}\necho alive\n` });
            expect(runScript(folder, join(folder, 'init'), [], { shell }).stdout).toBe('alive\n');
          });
        }
      },
      once,
    );
  });

  it('keeps the log where it will be found', () => {
    build(
      'cp made "$3"',
      ({ read }) => {
        withFolder((folder) => {
          const keep = read('conf/param.conf').replaceAll('/run/', `${folder}/run/`);
          const logged = keep.replaceAll('/shootdown-hook.log', `${folder}/log`);
          // As /init reads it: again and again, itself, and where there is no log, too.
          writeFiles(folder, { init: `${keep}${logged}${logged}echo alive\n`, log: 'gated\n', 'run/x': '' });
          expect(runScript(folder, join(folder, 'init'), []).stdout).toBe('alive\n');
          expect(readFileSync(join(folder, 'run/shootdown/hook.log'), 'utf8')).toBe('gated\n');
        });
      },
      once,
    );
  });
});

describe('the module of dracut', () => {
  /** What `install` asked dracut for. */
  function build(program: string): { stdout: string; stderr: string; order: string | null } {
    let result = { stdout: '', stderr: '', order: null as string | null };
    withFolder((folder) => {
      writeFiles(folder, { made: table() });
      const module = readFileSync(installed(folder, 'dracut/95shootdown/module-setup.sh'), 'utf8');
      const driver = `
        moddir=/modules; DRACUT_TMPDIR=${folder}; initdir=${folder}/image
        for name in require_binaries inst_multiple inst_simple inst_hook dwarn dracut_module_included; do
          eval "$name() { echo $name \\"\\$@\\"; }"
        done
        check && depends && install && echo done`;
      writeFiles(folder, { driver: `${module}\n${driver}\n` });
      const env = stubs(folder, { program: `cd ${folder}; ${program}` });
      const run = runScript(folder, join(folder, 'driver'), [], { shell: ['bash'], env });
      expect(run.status).toBe(0);
      const order = join(folder, 'image/etc/systemd/system/systemd-modules-load.service.d/shootdown.conf');
      result = {
        stdout: run.stdout.replaceAll(folder, '').replaceAll(INTEGRATIONS, ''),
        stderr: run.stderr,
        order: existsSync(order) ? readFileSync(order, 'utf8') : null,
      };
    });
    return result;
  }

  it('installs the hook before udev', () => {
    expect(build('cp made "$3"').stdout.trim().split('\n')).toEqual([
      'require_binaries od dd sleep',
      'inst_multiple od dd sleep',
      'inst_simple /lib/gate /usr/lib/shootdown/gate',
      'inst_simple /shootdown.table /usr/lib/shootdown/table',
      'dracut_module_included systemd',
      'inst_hook pre-udev 00 /modules/gate-hook.sh',
      'done',
    ]);
  });

  it('has it before drivers that are loaded by name', () => {
    expect(build('cp made "$3"').order).toBe('[Unit]\nAfter=dracut-pre-udev.service\n');
  });

  it('leaves it out without a table, and says so', () => {
    const { stdout, order } = build('exit 1');
    expect(order).toBe(null);
    expect(stdout).toContain('dwarn shootdown: the hook is not in this initramfs');
    expect(stdout).not.toContain('inst_hook');
    expect(stdout).toMatch(/done\n$/);
  });
});

describe('the hooks of kernel packages', () => {
  const V = '6.1.0-18-amd64';

  function run(
    name: 'postinst' | 'postrm',
    args: string[],
    env: Record<string, string> = {},
    program = 'echo "$@" >&2',
  ) {
    let result = { stderr: '', left: false };
    withFolder((folder) => {
      writeFiles(folder, { [`var/lib/shootdown/kernels/vmlinuz-${V}`]: '' });
      const path = installed(folder, `kernel/${name}.d/zz-shootdown`);
      const done = runScript(folder, path, args, { env: { ...stubs(folder, { program }), ...env } });
      expect(done).toMatchObject({ status: 0, stdout: '' });
      const left = existsSync(join(folder, `var/lib/shootdown/kernels/vmlinuz-${V}`));
      result = { stderr: done.stderr, left };
    });
    return result;
  }

  it('wrap what is installed and remove what is removed', () => {
    expect(run('postinst', [V, `/boot/vmlinuz-${V}`]).stderr).toBe(`refresh --kernel ${V}\n`);
    expect(run('postrm', [V]).stderr).toBe(`refresh --remove ${V}\n`);
    expect(run('postinst', [V], { DEB_MAINT_PARAMS: "'configure' ''" }).stderr).toContain('refresh');
    expect(run('postinst', [V], { DEB_MAINT_PARAMS: "'triggered' 'x'" }).stderr).toBe('');
    expect(run('postrm', [V], { DEB_MAINT_PARAMS: "'upgrade' '2'" }).stderr).toBe('');
    expect(run('postinst', []).stderr).toBe('');
    expect(run('postrm', ['../../x']).stderr).toBe('');
  });

  it('never fail, and the wrapped kernel goes even where the program is gone', () => {
    expect(run('postinst', [V], {}, 'exit 3').stderr).toContain(`${V} was not wrapped`);
    expect(run('postrm', [V], {}, 'exit 127').left).toBe(false);
  });
});
