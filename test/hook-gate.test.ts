import { spawnSync } from 'node:child_process';
import { chmodSync, closeSync, constants, existsSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { defaultPolicy } from '../src/quiesce/default-policy.js';
import { type Policy, type PolicyRule, parsePolicy } from '../src/quiesce/policy.js';
import { compileGateTable } from '../src/system/gate-table.js';
import {
  buildGateTree,
  CRASHED,
  GATE,
  type GateTree,
  runGate,
  type TreeFunction,
} from './support/gate-tree.js';
import { runScript, SHELLS, stubs, withFolder, writeFiles } from './support/shell-run.js';

const NIC = '0000:01:00.0';
const BRIDGE = '0000:00:1c.0';
const bridge: TreeFunction = {
  classCode: 0x060400,
  command: 0x0507,
  bridge: { secondary: 1 },
  driver: 'pcieport',
};
const nic: TreeFunction = {
  vendor: 0x8086,
  device: 0x10d3,
  classCode: 0x020000,
  command: 0x0507,
  interruptPin: 1,
};
const server = (more: Partial<TreeFunction> = {}): Record<string, TreeFunction> => ({
  [BRIDGE]: bridge,
  [NIC]: { ...nic, ...more },
});

const tableOf = (policy: Policy = defaultPolicy(), when: 'crash' | 'always' = 'crash') =>
  compileGateTable(policy, { when, tool: 'shootdown 0' }).text;

function policyWith(...rules: Omit<PolicyRule, 'id' | 'reason'>[]): Policy {
  const own = rules.map((rule, n) => ({ id: `own-${n}`, reason: 'a test', ...rule }));
  const policy = { ...defaultPolicy(), rules: [...own, ...defaultPolicy().rules] };
  return parsePolicy(JSON.stringify(policy), 'policy');
}

/** The hook on a machine, once in each shell. */
function onTree(
  functions: Readonly<Record<string, TreeFunction>>,
  check: (
    tree: GateTree,
    run: (table?: string, env?: Record<string, string>) => ReturnType<typeof runGate>,
  ) => void,
  cmdline = CRASHED,
  shells = SHELLS,
): void {
  for (const shell of shells) {
    withFolder((folder) => {
      const tree = buildGateTree(folder, functions, cmdline);
      check(tree, (table = tableOf(), env = {}) => {
        const run = runGate(tree, table, { shell, env });
        expect(run, shell.join(' ')).toMatchObject({ status: 0, stdout: '', stderr: '' });
        return run;
      });
    });
  }
}

function untouched(
  functions: Readonly<Record<string, TreeFunction>>,
  cmdline = CRASHED,
  table = tableOf(),
): string {
  let log = '';
  onTree(
    functions,
    (tree, run) => {
      const before = tree.snapshot();
      log = run(table).log;
      expect(tree.snapshot()).toEqual(before);
    },
    cmdline,
  );
  return log;
}

it('runs in more than one shell, and as nobody', () => {
  expect(SHELLS.length).toBeGreaterThanOrEqual(2);
  withFolder((folder) => {
    writeFiles(folder, { who: 'id -u' });
    expect(runScript(folder, join(folder, 'who'), []).stdout.trim()).not.toBe('0');
  });
  expect(() => runScript('/sys', '/dev/null', [])).toThrow('not a temporary folder');
});

describe('what the hook gates', () => {
  it('a function without a driver, by one write of Command, and says so', () => {
    onTree(server(), (tree, run) => {
      const before = tree.snapshot();
      const { log, kmsg } = run();
      const wanted = Buffer.from(before[NIC] ?? '', 'hex');
      wanted.writeUInt16LE(0x0503, 4);
      expect(tree.snapshot()).toEqual({ ...before, [NIC]: wanted.toString('hex') });
      expect(log.split('\n')).toEqual([
        'after the jump: policy default, on on',
        `${NIC} 8086:10d3: gated by config, Command 0507->0503 (rule otherwise)`,
        'after the jump: 1 gated, 0 failed, 0 left live',
        '',
      ]);
      expect(kmsg).toContain(`<6>shootdown: ${NIC} 8086:10d3: gated by config`);
    });
  });

  it('one that asserts INTx, though BME is clear', () => {
    onTree(server({ command: 0x0003, status: 0x0008 }), (tree, run) => {
      run();
      expect(tree.command(NIC)).toBe(0x0403);
    });
  });

  it('leaf first, virtual functions before their physical one', () => {
    const functions: Record<string, TreeFunction> = {
      ...server(),
      '0000:00:03.0': nic,
      '0000:01:00.1': {
        ...nic,
        vendor: 0xffff,
        device: 0xffff,
        physfn: NIC,
        attributes: { vendor: '0x8086', device: '0x10ca' },
      },
      '0000:01:00.2': { classCode: 0x060400, command: 7, bridge: { secondary: 2 }, driver: 'pcieport' },
      '0000:02:00.0': nic,
      '0001:00:00.0': nic,
    };
    onTree(functions, (_, run) => {
      const order = ['0000:02:00.0', '0000:01:00.1', NIC, '0000:00:03.0', '0001:00:00.0'];
      expect(run().gated).toEqual(order);
    });
  });

  it('hundreds of them', () => {
    const functions: Record<string, TreeFunction> = {};
    for (let n = 0; n < 128; n++) {
      const slot = `0000:00:${(n >> 3).toString(16).padStart(2, '0')}.${n & 7}`;
      functions[slot] = { ...nic, command: n % 16 === 0 ? 7 : 3 };
    }
    const shells = SHELLS.slice(0, 1);
    onTree(functions, (_, run) => expect(run().gated).toHaveLength(8), CRASHED, shells);
  });
});

describe('what the hook leaves', () => {
  const cases: Record<string, Partial<TreeFunction>> = {
    'a function with a driver': { driver: 'e1000e' },
    'a display': { classCode: 0x030200 },
    'what is quiet': { command: 0x0403 },
    'what has its INTx off': { command: 0x0403, status: 8 },
    'a bridge': { headerType: 1, classCode: 0x088000 },
    'a CardBus bridge': { headerType: 2, classCode: 0x088000 },
    'an exempted class': { classCode: 0x058000 },
    D3cold: { powerState: 'D3cold' },
    D3hot: { powerState: 'D3hot' },
    'what its registers say is in D3hot': { capabilities: [{ kind: 'msi' }, { kind: 'pm', state: 3 }] },
    'what is suspending': { runtimeStatus: 'suspending' },
    'what is gone': { command: 0xffff, status: 0xffff, size: 64 },
    'what the kernel does not know a class of': { attributes: { class: null } },
  };
  it(Object.keys(cases).join('; '), () => {
    const functions: Record<string, TreeFunction> = { '0000:00:1f.0': nic };
    for (const [n, more] of Object.values(cases).entries())
      functions[`0000:00:${(n + 1).toString(16).padStart(2, '0')}.0`] = { ...nic, ...more };
    onTree(functions, (tree, run) => {
      const before = tree.snapshot();
      expect(run().gated).toEqual(['0000:00:1f.0']);
      const after = tree.snapshot();
      expect({ ...after, '0000:00:1f.0': '' }).toEqual({ ...before, '0000:00:1f.0': '' });
    });
  });

  it('what hangs below a bridge that sleeps', () => {
    untouched({ [BRIDGE]: { ...bridge, runtimeStatus: 'suspended' }, [NIC]: nic });
  });

  it('what leads on to other functions (VMD)', () => {
    const functions: Record<string, TreeFunction> = {
      '0000:00:0e.0': { ...nic, classCode: 0x010400 },
      '10000:00:00.0': { ...nic, driver: 'nvme', parent: '0000:00:0e.0' },
    };
    expect(untouched(functions)).toContain('0000:00:0e.0 8086:10d3: left live: functions hang below it');
  });

  it('what a rule preserves, and the physical function of a virtual one that is', () => {
    const vf: TreeFunction = { ...nic, command: 3, physfn: NIC };
    const policy = policyWith({ match: { vf: true }, action: 'preserve' });
    expect(untouched({ ...server(), '0000:01:00.1': vf }, CRASHED, tableOf(policy))).toContain(
      `${NIC} 8086:10d3: left live`,
    );
  });

  it('what cannot be read', () => {
    for (const mode of [0, 0o444]) {
      onTree(server(), (tree, run) => {
        if (mode !== 0) writeFiles(tree.path(NIC, ''), { config: '' });
        chmodSync(tree.path(NIC, 'config'), mode);
        expect(run().log).toContain(`${NIC} 8086:10d3: config cannot be read`);
        chmodSync(tree.path(NIC, 'config'), 0o644);
        if (mode === 0) expect(tree.command(NIC)).toBe(0x0507);
      });
    }
  });

  it('names that are no functions, and such as vanish', () => {
    onTree(server(), (tree, run) => {
      writeFiles(tree.folder, {
        'sys/bus/pci/devices/0000:00:1f.9/config': '',
        'sys/bus/pci/devices/$(reboot)/config': '',
      });
      rmSync(tree.path(NIC, ''), { recursive: true });
      expect(run().gated).toEqual([]);
    });
  });
});

it('knows a function again only by its ids', () => {
  const table = tableOf(policyWith({ match: { holds: ['root'] }, action: 'exempt' }));
  for (const ids of ['8086:10d3', '8086:10d4']) {
    const known = table.replace(
      /end (\d+)/,
      (_, count) => `known ${NIC} ${ids} ,own-0,\nend ${Number(count) + 1}`,
    );
    onTree(server(), (_, run) => {
      expect(run(known).log).toContain(ids === '8086:10d3' ? 'left live: rule own-0' : 'gated by config');
    });
  }
});

describe('when the hook does nothing', () => {
  it.each([
    ['no capture kernel', 'quiet ro root=/dev/vda1'],
    ['shootdown=off', `${CRASHED} shootdown=off`],
    ['off last', `${CRASHED} shootdown=observe shootdown=off`],
  ])('%s', (_, cmdline) => {
    expect(untouched(server(), cmdline)).toBe('');
  });

  it.each(['shootdown=observe', 'shootdown=obsrve', 'shootdown=off shootdown=observe'])('%s', (word) => {
    const log = untouched(server(), `${CRASHED} ${word}`);
    expect(log).toContain(`${NIC} 8086:10d3: would gate it, Command 0507 (rule otherwise)`);
    expect(log).toContain('1 would be gated');
  });

  it('acts in each kernel only if the table says so', () => {
    onTree(
      server(),
      (tree, run) => {
        run(tableOf(defaultPolicy(), 'always'));
        expect(tree.command(NIC)).toBe(0x0503);
      },
      'quiet',
    );
  });

  it('there is no table', () => {
    onTree(server(), (tree) => {
      const before = tree.snapshot();
      expect(runGate(tree, undefined).log).toContain('table is missing, not whole or of another version');
      expect(tree.snapshot()).toEqual(before);
    });
  });

  const broken: Record<string, (table: string) => string> = {
    'another version': (table) => table.replace('gate 1', 'gate 2'),
    empty: () => '',
    'no rules': () => 'shootdown-gate 1\nend 1\n',
    'an unknown line': (table) => table.replace('when crash', 'when crash\nthen what'),
    'an unknown action': (table) => table.replace(/ exempt - /, ' spare - '),
    'a rule cut short': (table) => table.replace('/0600??'.slice(1), '06'),
    'a pattern with other characters': (table) => table.replace('0600??', '06$(x)'),
    'a rule that is missing': (table) => table.replace(/^rule .*\n/m, ''),
    'something behind the end': (table) => `${table}otherwise gate\n`,
    'a known function with a name that a shell would run': (table) =>
      table.replace('otherwise', 'known 0000:00:00.0;reboot 8086:1234 ,x,\notherwise'),
  };
  it.each(Object.entries(broken))('a broken table: %s', (_, damage) => {
    const table = damage(tableOf());
    expect(table).not.toBe(tableOf());
    expect(untouched(server(), CRASHED, table)).toContain('nothing is gated');
  });

  it('refuses a table that was cut anywhere', () => {
    withFolder((folder) => {
      const table = tableOf();
      const check = (text: string) => {
        writeFiles(folder, { table: text });
        return runScript(folder, GATE, ['--check', join(folder, 'table')], { shell: SHELLS[0] ?? [] }).status;
      };
      expect(check(table)).toBe(0);
      for (let length = 0; length < table.length; length += 23) expect(check(table.slice(0, length))).toBe(1);
      expect(check(table.slice(0, -1))).toBe(1);
    });
  });
});

/** Busybox may take its own programs before those in PATH. */
const HEED_PATH = SHELLS.filter(([command]) => command !== 'busybox');

describe('under lockdown, by enable', () => {
  /** As the kernel does it once `enable` was written: BME and INTx-disable clear. A function may then assert INTx. */
  const od = spawnSync('sh', ['-c', 'command -v od'], { encoding: 'utf8' }).stdout.trim();
  const odOfLockedKernel = `
if [ "$(${od} -An -c enable | tr -d ' \\n')" = 0 ] && [ ! -e .done ]; then
	chmod u+w config
	printf '\\003\\001' | dd of=config bs=2 seek=2 count=1 conv=notrunc 2>/dev/null
	[ ! -e .asserts ] || printf '\\010\\000' | dd of=config bs=2 seek=3 count=1 conv=notrunc 2>/dev/null
	: >.done
fi
exec ${od} "$@"`;

  function locked(
    more: Partial<TreeFunction>,
    check: (tree: GateTree, log: string) => void,
    asserts = false,
  ): void {
    const inShell: Parameters<typeof onTree>[1] = (tree, run) => {
      const env = stubs(tree.folder, { od: odOfLockedKernel });
      if (asserts) writeFiles(tree.path(NIC, ''), { '.asserts': '' });
      chmodSync(tree.path(NIC, 'config'), 0o444);
      check(tree, run(undefined, env).log);
    };
    onTree(server(more), inShell, CRASHED, HEED_PATH);
  }

  it('gates', () => {
    locked({}, (tree, log) => {
      expect(tree.command(NIC)).toBe(0x0103);
      expect(log).toContain(`${NIC} 8086:10d3: gated by enable, Command 0507->0103`);
      expect(log).not.toContain('INTx');
    });
  });

  it('says that a function asserts INTx afterwards', () => {
    locked({}, (_, log) => expect(log).toContain(`${NIC}: asserts INTx, and nothing keeps it off`), true);
  });

  it('does not free an INTx that waits behind INTx-disable', () => {
    locked({ status: 8 }, (tree, log) => {
      expect(tree.command(NIC)).toBe(0x0507);
      expect(log).toContain(
        'stays live, Command 0507: config cannot be written, and enable would free the INTx',
      );
    });
  });

  it('has no cure for INTx alone', () => {
    locked({ status: 8, command: 3 }, (_, log) => expect(log).toContain('INTx cannot be kept off without'));
  });

  it('leaves a function that something has enabled', () => {
    locked({ enable: 2 }, (tree, log) => {
      expect(tree.command(NIC)).toBe(0x0507);
      expect(log).toContain('its enable count is 2');
    });
  });

  it('says what stays live where enable does nothing', () => {
    onTree(server(), (tree, run) => {
      chmodSync(tree.path(NIC, 'config'), 0o444);
      chmodSync(tree.path(NIC, 'enable'), 0o444);
      const { log } = run();
      expect(log).toContain('stays live, Command 0507: config cannot be written, nor could it be enabled');
      expect(log).toContain('0 gated, 1 failed');
    });
  });
});

it('stops at the first that fails where the policy says so', () => {
  const functions = { ...server(), '0000:00:03.0': nic };
  for (const onFailure of ['stop', 'continue'] as const) {
    onTree(functions, (tree, run) => {
      chmodSync(tree.path(NIC, 'config'), 0o444);
      chmodSync(tree.path(NIC, 'enable'), 0o444);
      run(tableOf({ ...defaultPolicy(), onFailure }));
      expect(tree.command('0000:00:03.0')).toBe(onFailure === 'stop' ? 0x0507 : 0x0503);
    });
  }
});

describe('a rule that resets', () => {
  const policy = policyWith({ match: { class: '02' }, action: 'reset' });

  it('takes a function-level reset alone, puts the choice back, and gates', () => {
    onTree(server({ resetMethods: ['flr', 'pm', 'bus'] }), (tree, run) => {
      const { log } = run(tableOf(policy));
      expect(readFileSync(tree.path(NIC, 'reset'), 'utf8')).toBe('1');
      expect(readFileSync(tree.path(NIC, 'reset_method'), 'utf8')).toBe('flr pm bus');
      expect(log).toContain(`${NIC}: reset by flr\n${NIC} 8086:10d3: gated by config`);
    });
  });

  it('gates without where there is none', () => {
    onTree(server({ resetMethods: ['pm', 'bus'] }), (tree, run) => {
      const { log } = run(tableOf(policy));
      expect(readFileSync(tree.path(NIC, 'reset'), 'utf8')).toBe('');
      expect(log).toContain('not reset: no function-level reset (pm bus)');
      expect(tree.command(NIC)).toBe(0x0503);
    });
  });
});

/** A `dd` that does something around a write to `config`. */
function ddStub(before: string, after = ''): { dd: string } {
  const dd = spawnSync('sh', ['-c', 'command -v dd'], { encoding: 'utf8' }).stdout.trim();
  return {
    dd: `case " $* " in *' of=config '*) ${before} ;; esac\n${dd} "$@"\nstatus=$?\n${after}\nexit $status`,
  };
}

describe('a driver that comes while the hook writes', () => {
  const comes = 'mkdir -p bound; ln -s bound driver';
  it.each([
    ['just before', ddStub(comes)],
    ['just after', ddStub(':', `case " $* " in *' of=config '*) [ -h driver ] || { ${comes}; } ;; esac`)],
  ])('%s: has what it needs', (_, stub) => {
    const inShell: Parameters<typeof onTree>[1] = (tree, run) => {
      const { log } = run(undefined, stubs(tree.folder, stub));
      expect(tree.command(NIC)).toBe(0x0107);
      expect(log).toContain(`${NIC} 8086:10d3: left live: a driver came`);
      expect(log).toContain('0 gated, 0 failed, 1 left live');
    };
    onTree(server({ command: 0x0107 }), inShell, CRASHED, HEED_PATH);
  });

  it('keeps what it has set since', () => {
    // Bus mastering, and INTx as it wants it.
    const sets = `printf '\\007\\001' | ${ddStub('').dd.split('\n')[1]?.split(' ')[0]} of=config bs=2 seek=2 count=1 conv=notrunc`;
    const stub = ddStub(':', `case " $* " in *' of=config '*) ${comes}; ${sets} ;; esac`);
    const inShell: Parameters<typeof onTree>[1] = (tree, run) => {
      run(undefined, stubs(tree.folder, stub));
      expect(tree.command(NIC)).toBe(0x0107);
    };
    onTree(server({ command: 0x0507 }), inShell, CRASHED, HEED_PATH);
  });
});

describe('what takes too long', () => {
  const functions = { ...server(), '0000:00:03.0': nic };

  /** The hook with 2 s instead of 5. */
  function hasty(tree: GateTree, env: Record<string, string> = {}): string {
    const gate = readFileSync(GATE, 'utf8');
    expect(gate).toContain('\nlimit=5\n');
    writeFiles(tree.folder, { gate: gate.replace('\nlimit=5\n', '\nlimit=2\n'), table: tableOf() });
    const files = ['table', 'log'].map((name) => join(tree.folder, name));
    const run = runScript(tree.folder, join(tree.folder, 'gate'), [tree.folder, ...files], { env });
    expect(run).toEqual({ status: 0, stdout: '', stderr: '' });
    return readFileSync(join(tree.folder, 'log'), 'utf8');
  }

  it.each(['config', 'enable'])('%s blocks for good: the boot goes on, and no other is written', (name) => {
    withFolder((folder) => {
      const tree = buildGateTree(folder, functions);
      const fifo = tree.path(NIC, name);
      rmSync(fifo);
      expect(spawnSync('mkfifo', [fifo]).status).toBe(0);
      if (name === 'enable') chmodSync(tree.path(NIC, 'config'), 0o444);
      expect(hasty(tree)).toContain('not done after 2 s');
      // Lets go of what is stuck.
      closeSync(openSync(fifo, constants.O_RDWR | constants.O_NONBLOCK));
      spawnSync('sleep', ['1']);
      expect(tree.command('0000:00:03.0')).toBe(0x0507);
    });
  });

  it('what was about to write does not any more', () => {
    withFolder((folder) => {
      const tree = buildGateTree(folder, functions);
      expect(hasty(tree, stubs(folder, ddStub(': >started; sleep 3')))).toContain('not done after 2 s');
      expect(existsSync(tree.path(NIC, 'started'))).toBe(true);
      spawnSync('sleep', ['3']);
      expect([tree.command(NIC), tree.command('0000:00:03.0')]).toEqual([0x0507, 0x0507]);
    });
  });
});
