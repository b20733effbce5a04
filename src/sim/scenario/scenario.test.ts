import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ShootdownError } from '../../pci/error.js';
import { buildFunctions } from '../functions/build.js';
import { FUNCTIONS_MAX } from './machine-schema.js';
import { parseScenario, SCENARIO_BYTES_MAX, scenarioPolicy, withoutFact } from './scenario.js';

type Json = Record<string, unknown>;

const NIC = {
  slot: '01:00.0',
  ids: '8086:10d3',
  class: '020000',
  express: 'endpoint',
  messages: 'msix',
  intx: { pin: 'A', line: 16 },
  is: 'nic',
  driver: { name: 'e1000e', shutdown: false },
};
const PORT = {
  slot: '00:1c.0',
  ids: '8086:2940',
  class: '060400',
  express: 'root-port',
  secondary: '01',
  driver: { name: 'pcieport', shutdown: true },
};
const MEMORY = {
  ram: [
    { at: '0x100000', size: '0x7f00000' },
    { at: '0x100000000', size: '0x4000000' },
  ],
  capture: { at: '0x2000000', size: '0x1000000' },
  image: { at: '0x1000000', size: '0x100000' },
  initramfs: { at: '0x6000000', size: '0x200000' },
};
const BASE = {
  schema: 'shootdown.scenario/1',
  name: 'one',
  title: 'A scenario',
  hazards: ['H01'],
  confidence: 'established',
  sources: ['https://git.kernel.org/linus/c1020d3cf475'],
  mechanism: 'rings',
  story: 'What happens, and why.',
  path: 'normal',
  machine: { functions: [PORT, NIC] },
  expect: { none: { verdict: 'corrupted', slots: ['01:00.0'] }, ours: { verdict: 'clean' } },
  fact: { pointer: '/machine/functions/1/driver/shutdown', without: true, why: 'it is stopped' },
};

const RULE = { id: 'reset-it', match: { id: '8086:10d3' }, action: 'reset', reason: 'it needs one' };

const parse = (value: unknown) => parseScenario(JSON.stringify(value), 'one.json');
const machine = (...functions: Json[]) => ({
  ...BASE,
  machine: { functions: [...BASE.machine.functions, ...functions] },
});
const inMachine = (more: Json) => ({ ...BASE, machine: { ...BASE.machine, ...more } });
const nic = (more: Json) => ({ ...BASE, machine: { functions: [PORT, { ...NIC, ...more }] } });
const bridge = (slot: string, secondary: string) => ({ ...PORT, slot, secondary });
const inMemory = (more: Json) => inMachine({ memory: { ...MEMORY, ...more } });

describe('a scenario', () => {
  it('is a machine, a jump and what must be seen', () => {
    const scenario = parse(BASE);
    expect(scenario.machine.functions[1]).toMatchObject({
      slot: '0000:01:00.0',
      vendor: 0x8086,
      device: 0x10d3,
      classCode: 0x020000,
      pin: 1,
      line: 16,
      workload: 'nic',
    });
    expect(scenario.machine).toMatchObject({ platform: 'x86-server', era: 'today' });
    expect(scenario.expect.none.slots).toEqual(['0000:01:00.0']);
    expect(scenario.fact).toMatchObject({ under: 'none', leaves: 'clean' });
    expect(buildFunctions(scenario.machine).size).toBe(2);
  });

  it('without its fact is the same in all else', () => {
    const changed = withoutFact(JSON.stringify(BASE), 'one.json');
    expect(changed.machine.functions[1]?.driver).toEqual({ name: 'e1000e', shutdown: true });
    expect({ ...changed, machine: null }).toEqual({ ...parse(BASE), machine: null });
    const removed = { ...BASE, fact: { ...BASE.fact, pointer: '/machine/functions/1', without: 'remove' } };
    expect(() => parse(removed)).toThrow(/fact: .*without it the scenario cannot be: expect\.none\.slots\.0/);
    const intx = { ...BASE, fact: { ...BASE.fact, pointer: '/machine/functions/1/intx', without: 'remove' } };
    expect(withoutFact(JSON.stringify(intx), 'one.json').machine.functions[1]).not.toHaveProperty('pin');
  });

  it('may begin with a byte order mark', () => {
    expect(parseScenario(`\ufeff${JSON.stringify(BASE)}`, 'one.json')).toEqual(parse(BASE));
  });

  it('has another root bus where a host bridge lies, or what is part of a root complex', () => {
    const far = { ...NIC, slot: '07:00.0' };
    const host = { slot: '07:1f.0', ids: '8086:29c0', class: '060000' };
    for (const more of [[far, host], [{ ...far, express: 'rc-endpoint' }], [{ ...far, slot: '1:00:00.0' }]])
      expect(parse(machine(...more)).machine.functions).toHaveLength(2 + more.length);
  });

  it('places its rules before the default policy', () => {
    const { rules } = scenarioPolicy(parse({ ...BASE, policy: [RULE] }));
    expect(rules[0]).toMatchObject({ id: 'reset-it' });
    expect(rules.length).toBe(scenarioPolicy(parse(BASE)).rules.length + 1);
  });

  it('can say where memory lies', () => {
    const { memory } = parse(inMemory({})).machine;
    expect(memory?.capture).toEqual({ first: 0x2000, count: 0x1000 });
    expect(memory?.ram[1]).toEqual({ first: 0x10_0000, count: 0x4000 });
    // What ends where another stretch begins does not overlap it.
    const adjacent = inMemory({ image: { at: '0x1f00000', size: '0x100000' } });
    expect(parse(adjacent).machine.memory?.image).toEqual({ first: 0x1f00, count: 0x100 });
  });
});

describe('a bad scenario is refused with the place and the value', () => {
  it.each<[string, unknown, RegExp]>([
    ['another schema', { ...BASE, schema: 'x' }, /: schema: is "x", must be "shootdown\.scenario\/1"/],
    ['no machine', { ...BASE, machine: undefined }, /: machine: is missing/],
    ['an unknown key', inMachine({ colour: 1 }), /: machine\.colour: is not a key/],
    ['no functions', inMachine({ functions: [] }), /: machine\.functions: .*length/],
    [
      'an unknown device',
      nic({ is: 'toaster' }),
      /: machine\.functions\.1\.is: is "toaster", must be .*"nic".* \(function 01:00\.0\)$/,
    ],
    ['an unknown platform', inMachine({ platform: 'vax' }), /: machine\.platform: is "vax", must be/],
    ['an unknown era', inMachine({ era: '1999' }), /: machine\.era: is "1999", must be/],
    ['an unknown rule', inMachine({ rules: { gravity: 1 } }), /: machine\.rules\.gravity: is not a key/],
    [
      'an unknown driver',
      inMachine({ captureDrivers: ['nvme'] }),
      /machine\.captureDrivers\.0: nvme drives no/,
    ],
    ['an unknown driver', { ...BASE, jump: { drivers: ['x'] } }, /jump\.drivers\.0: x drives no function/],
    ['an unknown hazard', { ...BASE, hazards: ['H99'] }, /: hazards\.0: "H99" is not the id of a hazard/],
    ['an unknown policy', { ...BASE, expect: { ...BASE.expect, mine: {} } }, /: expect\.mine: is not a key/],
    [
      'an unknown verdict',
      { ...BASE, expect: { ...BASE.expect, none: { verdict: 'odd' } } },
      /is "odd", must be/,
    ],
    ['no slot', nic({ slot: 'there' }), /functions\.1\.slot: "there" is not a slot/],
    ['a device out of range', nic({ slot: '00:20.0' }), /functions\.1\.slot: "00:20\.0" is not a slot/],
    ['ids', nic({ ids: 8086 }), /functions\.1\.ids: .*received 8086/],
    ['ids', nic({ ids: '8086' }), /functions\.1\.ids: "8086" is not vendor:device/],
    ['a class', nic({ class: '02' }), /functions\.1\.class: "02" must be 6 hexadecimal digits/],
    ['a line out of range', nic({ intx: { pin: 'A', line: 300 } }), /functions\.1\.intx\.line: .*300/],
    ['a pin out of range', nic({ intx: { pin: 'E', line: 3 } }), /functions\.1\.intx\.pin: is "E", must be/],
    ['a negative count', nic({ vfs: -1 }), /functions\.1\.vfs: .*-1/],
    ['half a function', nic({ vfs: 1.5 }), /functions\.1\.vfs: .*1\.5/],
    [
      'a bad shutdown',
      nic({ driver: { name: 'x', shutdown: 'no' } }),
      /driver\.shutdown: must be true, false or/,
    ],
    [
      'a slot taken twice',
      machine({ ...NIC }),
      /functions\.2\.slot: 0000:01:00\.0 is taken already by machine\.functions\.1/,
    ],
    [
      'VFs on a slot that is taken',
      { ...BASE, machine: { functions: [PORT, { ...NIC, vfs: 2 }, { ...NIC, slot: '01:00.2' }] } },
      /functions\.2\.slot: 0000:01:00\.2 is taken already by machine\.functions\.1/,
    ],
    [
      'VFs beyond the last bus',
      { ...BASE, machine: { functions: [{ ...NIC, slot: 'ff:1f.0', vfs: 20 }] } },
      /vfs: 20 lead beyond bus ff/,
    ],
    [
      'a VF beyond the last routing ID',
      { ...BASE, machine: { functions: [{ ...NIC, slot: 'ff:1f.7', vfs: 1 }] } },
      /vfs: 1 lead beyond bus ff/,
    ],
    [
      'a driver of no VFs',
      nic({ vfDriver: { name: 'iavf', shutdown: true } }),
      /functions\.1\.vfDriver: is for a function with vfs/,
    ],
    [
      'messages repeated that there are not',
      nic({ messages: undefined, repeatsMessages: true }),
      /functions\.1\.repeatsMessages: true: it has no messages/,
    ],
    ['VFs without Express', nic({ express: undefined, vfs: 2 }), /vfs: are for a PCI Express function/],
    [
      'a bus that two bridges lead to',
      machine(bridge('00:1d.0', '01')),
      /functions\.2\.secondary: "01": bus 01 is reached twice: 0000:00:1c\.0 leads there, too/,
    ],
    ['a bridge to its own bus', machine(bridge('02:00.0', '02'), bridge('00:1d.0', '02')), /secondary/],
    [
      'a bridge that leads upwards',
      machine(bridge('05:00.0', '03')),
      /functions\.2\.secondary: "03": bus 03 is not below bus 05/,
    ],
    [
      'bridges in a circle',
      machine(bridge('05:00.0', '06'), bridge('06:00.0', '07'), bridge('07:00.0', '05')),
      /functions\.4\.secondary: "05": bus 05 leads back to 0000:07:00\.0: the topology is a cycle, 0000:07:00\.0 below 0000:06:00\.0 below 0000:05:00\.0 below 0000:07:00\.0/,
    ],
    [
      'a bridge to its own bus',
      machine(bridge('05:00.0', '05')),
      /the topology is a cycle, 0000:05:00\.0 below 0000:05:00\.0/,
    ],
    [
      'a bus in the range of another bridge',
      machine(bridge('01:01.0', '05'), bridge('00:1d.0', '03'), { ...NIC, slot: '03:00.0' }),
      /functions\.4\.slot: bus 03 lies between 01 and 05, which 0000:00:1c\.0 claims, but it is not reached from there/,
    ],
    [
      'a bus of one bridge that virtual functions below another lie on',
      inMachine({
        functions: [
          PORT,
          { ...NIC, slot: '01:1f.0', vfs: 8 },
          bridge('00:1d.0', '02'),
          { ...NIC, slot: '02:05.0' },
        ],
      }),
      /functions\.3\.slot: bus 02 lies between 01 and 02, which 0000:00:1c\.0 claims/,
    ],
    [
      'a bus that no bridge leads to',
      machine({ ...NIC, slot: '07:00.0' }),
      /functions\.2\.slot: no bridge leads to bus 07: give one "secondary": "07", or, if it is a root bus/,
    ],
    [
      'a conventional function there',
      machine({ slot: '07:03.0', ids: '8086:100e', class: '020000' }),
      /functions\.2\.slot: no bridge leads to bus 07/,
    ],
    [
      'a bridge without the class of one',
      nic({ secondary: '02' }),
      /functions\.1\.class: 020000 has a secondary bus.* \(function 01:00\.0\)$/,
    ],
    [
      'a bridge without a bus',
      nic({ class: '060400' }),
      /functions\.1\.class: 060400 is that of a bridge without/,
    ],
    [
      'a driver of what was left',
      nic({ leftBy: 'driver' }),
      /functions\.1\.leftBy: driver: it still has a driver, e1000e/,
    ],
    [
      'memory that overlaps',
      inMemory({ ram: [MEMORY.ram[0], { at: '0x7000000', size: '0x2000000' }] }),
      /memory\.ram\.1: 0x7000000 … 0x8ffffff overlaps machine\.memory\.ram\.0, 0x100000 … 0x7ffffff/,
    ],
    [
      'an image in the capture region',
      inMemory({ image: { at: '0x2fff000', size: '0x2000' } }),
      /memory\.image: 0x2fff000 … 0x3000fff overlaps machine\.memory\.capture/,
    ],
    [
      'an initramfs where there is no RAM',
      inMemory({ initramfs: { at: '0x8000000', size: '0x1000' } }),
      /memory\.initramfs: .* is not within one stretch of ram/,
    ],
    [
      'half a page',
      inMemory({ capture: { at: '0x2000800', size: '0x1000000' } }),
      /memory\.capture: .* is not made of whole pages/,
    ],
    [
      'a capture region that is too small',
      inMemory({ capture: { at: '0x2000000', size: '0x200000' } }),
      /memory\.capture: has 0x200000 bytes, and a capture kernel .* needs/,
    ],
    [
      'a capture region without memory to work with',
      inMemory({ capture: { at: '0x2000000', size: '0x300000' } }),
      /memory\.capture: has 0x300000 bytes, and .* needs 0x400000/,
    ],
    [
      'memory that leaves the old kernel nothing',
      inMemory({
        ram: [{ at: '0x1f00000', size: '0x1200000' }],
        image: { at: '0x1f00000', size: '0x100000' },
        initramfs: { at: '0x3000000', size: '0x100000' },
      }),
      /memory\.ram: leaves 0x[0-9a-f]+ bytes .* need 0x/,
    ],
    [
      'a capture kernel that is copied to its place',
      { ...BASE, path: 'crash', jump: { load: 'relocated' } },
      /jump\.load: relocated: on the crash path a capture kernel is loaded where it runs/,
    ],
    [
      'a bridge with virtual functions',
      machine({ ...bridge('00:02.0', '02'), vfs: 3 }),
      /functions\.2\.vfs: are for an endpoint, and this is a bridge/,
    ],
    [
      'one function with faults under two names',
      { ...BASE, jump: { faults: { '01:00.0': { ignoreBme: true }, '0000:01:00.0': {} } } },
      /jump\.faults\.0000:01:00\.0: is the function of jump\.faults\.01:00\.0/,
    ],
    ['a long key', { ...BASE, ['x'.repeat(9999)]: 1 }, /^.{0,400}$/],
    ['a long value', nic({ slot: 'x'.repeat(9999) }), /^.{0,600}$/],
    ['a long choice', { ...BASE, path: 'x'.repeat(9999) }, /^.{0,400}$/],
    [
      'too much memory',
      inMemory({ ram: [{ at: '0x100000', size: '0x1000000000' }] }),
      /memory\.ram: 0x1000000000 bytes are more than 4 GiB/,
    ],
    [
      'an address that is a number',
      inMemory({ image: { at: 16, size: '0x1000' } }),
      /memory\.image\.at: .*16/,
    ],
    [
      'a fact that leads nowhere',
      { ...BASE, fact: { ...BASE.fact, pointer: '/machine/functions/7/driver' } },
      /fact\.pointer: "\/machine\/functions\/7\/driver" leads nowhere: there is no \/machine\/functions\/7/,
    ],
    [
      'a fact that is no pointer',
      { ...BASE, fact: { ...BASE.fact, pointer: 'machine.era' } },
      /fact\.pointer: "machine\.era" is not a JSON pointer/,
    ],
    [
      'a fact in what is expected',
      { ...BASE, fact: { ...BASE.fact, pointer: '/expect/none' } },
      /must lie in machine, jump, path/,
    ],
    [
      'a fact through a prototype',
      { ...BASE, fact: { ...BASE.fact, pointer: '/machine/constructor/name' } },
      /leads nowhere/,
    ],
    [
      'a fact that changes nothing',
      { ...BASE, fact: { ...BASE.fact, without: false } },
      /fact\.without: is what stands at/,
    ],
    [
      'a fact whose other value cannot be',
      { ...BASE, fact: { ...BASE.fact, without: 'maybe' } },
      /fact: .*without it the scenario cannot be: machine\.functions\.1\.driver\.shutdown: must be/,
    ],
    [
      'no symptom',
      { ...BASE, expect: { none: { verdict: 'clean' }, ours: { verdict: 'clean' } } },
      /expect\.none: has no symptom/,
    ],
    [
      'no reason',
      { ...BASE, expect: { ...BASE.expect, ours: { verdict: 'hung' } } },
      /expect\.ours\.why: is missing/,
    ],
    ['a guess that is not named', { ...BASE, confidence: 'inference' }, /: inference: is missing/],
    [
      'a slot that is not there',
      { ...BASE, expect: { ...BASE.expect, none: { verdict: 'hung', slots: ['09:00.0'] } } },
      /expect\.none\.slots\.0: 0000:09:00\.0: there is no such function/,
    ],
    [
      'faults of nobody',
      { ...BASE, jump: { faults: { '09:00.0': {} } } },
      /jump\.faults\.09:00\.0: there is no such function/,
    ],
    [
      'a crash on the normal path',
      { ...BASE, jump: { crashCpu: 1 } },
      /jump\.crashCpu: is for the crash path/,
    ],
    [
      'a reboot of no capture kernel',
      { ...BASE, jump: { reboot: false } },
      /jump\.reboot: is for the crash path/,
    ],
    [
      'a fact without which all is as with it',
      { ...BASE, fact: { ...BASE.fact, leaves: 'corrupted' } },
      /fact\.leaves: corrupted is the symptom itself/,
    ],
    [
      'two rules with one id',
      { ...BASE, policy: [RULE, RULE] },
      /policy\.1\.id: reset-it is the id of another rule/,
    ],
    [
      'a rule that repeats an id',
      { ...BASE, policy: [{ id: 'pci-bridge', match: {}, action: 'gate', reason: 'x' }] },
      /policy\.0\.id: pci-bridge is the id of another rule/,
    ],
    [
      'a rule without reason',
      { ...BASE, policy: [{ id: 'x', match: {}, action: 'gate' }] },
      /policy\.0\.reason: is missing/,
    ],
    ['null', null, /the file as a whole: /],
    ['a list', [], /the file as a whole: is a list/],
    ['a list for an object', { ...BASE, jump: [] }, /: jump: is a list where none belongs/],
    ['a list in a list', { ...BASE, sources: [[]] }, /: sources\.0: is a list where none/],
  ])('%s', (_, value, message) => {
    expect(() => parse(value)).toThrow(message);
    expect(() => parse(value)).toThrow(expect.objectContaining({ code: 'bad-input' }));
    expect(() => parse(value)).toThrow(/^one\.json: not a valid scenario: [^\n]+$/);
  });

  it.each([
    ['a prototype', '{"__proto__":{"schema":"shootdown.scenario/1"}}', /: __proto__: is not a key/],
    [
      'a constructor',
      JSON.stringify(BASE).replace('"name"', '"constructor":{},"name"'),
      /: constructor: is not a key/,
    ],
    [
      'a prototype inside',
      JSON.stringify(BASE).replace('"slot"', '"__proto__":{},"slot"'),
      /machine\.functions\.0\.__proto__: is not/,
    ],
    ['text', 'scenario', /^one\.json: not JSON: line 1, column 1: a value belongs here, not scenario$/],
    ['nothing', '', /^one\.json: not JSON: line 1, column 1: it is empty: a value belongs here$/],
    [
      'a comma too many',
      '{\n  "name": "one",\n}',
      /^one\.json: not JSON: line 3, column 1: a key in double quotes belongs here, not }$/,
    ],
    [
      'a key that stands twice',
      JSON.stringify(BASE).replace('"name"', '"path":"crash","name"'),
      /: line 1, column \d+: the key "path" stands twice in one object$/,
    ],
    ['a deep list', `${'{"at":['.repeat(100_000)}1${']}'.repeat(100_000)}`, /is nested deeper than 16/],
    [
      'a deep fact',
      JSON.stringify(BASE).replace('"without":true', `"without":${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`),
      /fact\.without\.a.*is nested deeper than 16/,
    ],
    ['a control character', JSON.stringify({ ...BASE, schema: '\u001b[2J' }), /^[^\u001b]*$/],
  ])('%s', (_, text, message) => {
    expect(() => parseScenario(text, 'one.json')).toThrow(message);
    expect(() => parseScenario(text, 'one.json')).toThrow(expect.objectContaining({ code: 'bad-input' }));
  });

  it('a million functions are refused before anything looks at them', () => {
    const many = `{"machine":{"functions":[${'1,'.repeat(999_999)}1]}}`;
    expect(many.length).toBeLessThan(SCENARIO_BYTES_MAX);
    expect(() => parseScenario(many, 'one.json')).toThrow(
      /machine\.functions: 1000000 are more than the 16384/,
    );
    const large = JSON.stringify(inMachine({ functions: Array(60_000).fill(NIC) }));
    expect(() => parseScenario(large, 'one.json')).toThrow(
      /10\d+ characters are too many: .* 8388608 bytes \(8 MiB\) and 16384 functions/,
    );
    const virtual = { ...NIC, vfs: 4096 };
    const domains = Array.from({ length: 8 }, (_, i) => ({ ...virtual, slot: `${i + 1}:00:00.0` }));
    const sum = FUNCTIONS_MAX * 2 + 8 + 2;
    expect(() => parse(machine(...domains))).toThrow(
      `machine.functions: makes ${sum} functions with virtual ones`,
    );
  });

  it('the largest that may be is looked at in little time', () => {
    const functions = Array.from({ length: FUNCTIONS_MAX }, (_, i) => ({
      ...bridge(
        `${(i >> 8).toString(16)}:${(i % 255).toString(16)}:00.0`,
        (1 + (i % 255)).toString(16).padStart(2, '0'),
      ),
      slot: `${(i >> 7).toString(16)}:${(i & 127).toString(16).padStart(2, '0')}:00.0`,
      secondary: ((i & 127) + 1).toString(16).padStart(2, '0'),
    }));
    const fact = { pointer: '/machine/functions/3/driver/shutdown', without: false, why: 'x' };
    const scenario = {
      ...inMachine({ functions }),
      fact,
      expect: { none: { verdict: 'hung' }, ours: { verdict: 'clean' } },
    };
    expect(parse(scenario).machine.functions.length).toBe(FUNCTIONS_MAX);
  });

  it('any JSON is a scenario or one clear error', () => {
    const refusals = (text: string) => {
      try {
        parseScenario(text, 'one.json');
      } catch (error) {
        expect(error).toBeInstanceOf(ShootdownError);
        expect((error as ShootdownError).code).toBe('bad-input');
        expect((error as ShootdownError).message).toMatch(/^one\.json: not [^\n]+$/);
      }
    };
    fc.assert(fc.property(fc.json(), refusals), { numRuns: 300 });
    fc.assert(fc.property(fc.string(), refusals), { numRuns: 300 });
  });

  it('a scenario with anything in any place is a scenario or one clear error', () => {
    const places = pointers(BASE);
    const anything = fc.oneof(
      fc.jsonValue(),
      fc.constantFrom('00:00.0', '01', '0x1000', 'clean', 'remove', 1e9, -1, '__proto__'),
    );
    fc.assert(
      fc.property(fc.constantFrom(...places), anything, (place, value) => {
        const text = JSON.stringify(put(BASE, place, value));
        try {
          parseScenario(text, 'one.json');
        } catch (error) {
          expect(error).toBeInstanceOf(ShootdownError);
          expect((error as ShootdownError).message).toMatch(/^one\.json: not [^\n]+$/);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

/** Where values stand. */
function pointers(value: unknown, at: readonly string[] = []): (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return [at];
  return [
    ...(at.length > 0 ? [at] : []),
    ...Object.entries(value).flatMap(([key, inner]) => pointers(inner, [...at, key])),
  ];
}

function put(root: unknown, [step, ...rest]: readonly string[], value: unknown): unknown {
  if (step === undefined) return value;
  const copy = structuredClone(root) as Json;
  copy[step] = put(copy[step], rest, value);
  return copy;
}
