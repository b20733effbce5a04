import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ConfigBus } from '../src/image/config-ports.js';
import type { Exit } from '../src/image/interpreter.js';
import { STUB } from '../src/image/stub.generated.js';
import { defaultPolicy } from '../src/quiesce/default-policy.js';
import { CRASH, StubRun, type StubRunOptions } from './support/stub-run.js';

const NMI = 2;
const MACHINE_CHECK = 18;
const VMM_COMMUNICATION = 29;
/** Instructions between two tries; prime, so that no loop is met in the same place each time. */
const NMI_EVERY = 13;
const EXCEPTION_EVERY = 29;

/** One bus master on bus 0, beside a host bridge; the rest is not there. */
function oneMaster(): ConfigBus & { command: number; readonly written: string[] } {
  const written: string[] = [];
  const headers: Record<number, number[]> = {
    0: [0x29c0_8086, 0x0010_0006, 0x0600_0000, 0],
    24: [0x10d3_8086, 0x0010_0506, 0x0200_0000, 0],
  };
  return {
    written,
    get command() {
      return (headers[0x18]?.[1] ?? 0) & 0xffff;
    },
    read(rid, offset, width) {
      const dword = headers[rid]?.[offset >> 2] ?? (headers[rid] ? 0 : 0xffff_ffff);
      return width === 4 ? dword : (dword >>> ((offset & 3) * 8)) & (width === 2 ? 0xffff : 0xff);
    },
    write(rid, offset, width, value) {
      written.push(`${rid.toString(16)}+${offset} ${width}: ${value.toString(16)}`);
      const header = headers[rid];
      if (header) header[1] = ((header[1] ?? 0) & 0xffff_0000) | value;
    },
  };
}

/** Without a machine, on bus 0 only. */
function run(options: StubRunOptions = {}, bus: ConfigBus = oneMaster()) {
  const stub = new StubRun({ scanAll: false, ...options });
  const exit = stub.on(bus);
  return { stub, exit, problems: stub.problems(exit) };
}

describe('the stub', () => {
  it('gates a bus master, leaves the host bridge alone, and tells of both', () => {
    const bus = oneMaster();
    const { stub, problems } = run({}, bus);
    expect(problems).toEqual([]);
    expect(bus.written).toEqual(['18+4 2: 502']);
    const { record } = stub;
    expect(record).toMatchObject({
      end: 'complete',
      jump: 'crash',
      summary: false,
      observe: false,
      nmis: 0,
      counts: { functions: 2, buses: 1, writes: 1, gated: 1, failed: 0 },
      program: STUB.sha256.slice(0, 8),
    });
    expect(record?.counts.reads).toBe(stub.image.ports.reads);
    expect(record?.entries.map(({ slot, outcome }) => [slot, outcome])).toEqual([
      ['0000:00:00.0', 'exempt'],
      ['0000:00:03.0', 'done'],
    ]);
  });

  describe('on the way to a kernel that does not capture', () => {
    it('leaves the memory map alone and a summary in boot_params', () => {
      const { stub, problems } = run({ entry: { commandLine: 'quiet' } });
      expect(problems).toEqual([]);
      expect(stub.setupData()).toBeNull();
      expect(stub.record).toMatchObject({ summary: true, jump: 'normal', end: 'complete' });
      expect(stub.record?.entries.map(({ slot }) => slot)).toEqual(['0000:00:03.0']);
    });
  });

  it.each([
    ['a boot loader that is not kexec', { loaderType: 0x72 }],
    ['QEMU', { loaderType: 0xb0 }],
    ['an extended boot loader', { loaderType: 0xe0 }],
    ['firmware', { loaderType: 0x00 }],
  ])('does nothing at all when entered by %s', (_, entry) => {
    const bus = oneMaster();
    const { stub, exit, problems } = run({ entry: { commandLine: CRASH, ...entry } }, bus);
    expect(problems).toEqual([]);
    expect(stub.image.machine.memory.changes()).toEqual([]);
    expect(stub.image.ports.trace).toEqual([]);
    expect(exit.instructions).toBeLessThan(12);
  });

  it('leaves boot_params alone when the GDT lies in the image, as on the way through the 32-bit entry', () => {
    const { stub, problems } = run({ entry: { gdtAddress: 0x100_4000, commandLine: CRASH } });
    expect(problems).toEqual([]);
    expect(stub.image.ports.trace).toEqual([]);
    expect(stub.record).toBeNull();
  });

  describe('by the command line', () => {
    it.each([
      ['shootdown=off', 'off'],
      ['quiet shootdown=off elfcorehdr=1', 'off'],
      ['shootdown=on shootdown=off', 'off'],
      ['shootdown=off shootdown=on', 'on'],
      ['shootdown=offline', 'observe'],
      ['shootdown=of', 'observe'],
      ['shootdown="off"', 'observe'],
      ['xshootdown=off', 'on'],
      ['shootdown=observe', 'observe'],
      ['shootdown=observe\tquiet', 'observe'],
      ['', 'on'],
      ['shootdown=', 'observe'],
      ['shootdown=observe shootdown=on', 'on'],
      [`${'x'.repeat(2100)} shootdown=off`, 'on'],
    ])('%s', (commandLine, wanted) => {
      const bus = oneMaster();
      const { stub, problems } = run({ entry: { commandLine } }, bus);
      expect(problems).toEqual([]);
      expect(bus.written.length).toBe(wanted === 'on' ? 1 : 0);
      expect(stub.record === null).toBe(wanted === 'off');
      if (wanted === 'off') expect(stub.image.ports.trace).toEqual([]);
      if (wanted === 'observe') {
        expect(stub.record?.observe).toBe(true);
        expect(stub.record?.entries[0]?.outcome).toBe('wouldGate');
      }
    });

    it('reads no byte behind its bound, whatever comes', () => {
      fc.assert(
        fc.property(fc.uint8Array({ minLength: 0, maxLength: 300 }), (bytes) => {
          // Mapped up to the last byte that may be read, and not ended by a zero.
          const line = new Uint8Array(2048).fill(0x61);
          line.set(bytes.map((byte) => byte || 1));
          const { problems } = run({ entry: { commandLine: line, commandLineAddress: 0x9_1800 } });
          expect(problems).toEqual([]);
        }),
        { numRuns: 200 },
      );
    });

    it('does without one', () => {
      const { stub, problems } = run({ noCommandLine: true });
      expect(problems).toEqual([]);
      expect(stub.record).toMatchObject({ jump: 'normal', end: 'complete' });
    });
  });

  it('says that nothing answered where ports lead nowhere', () => {
    const { stub, problems } = run({ entry: { portsThere: false, commandLine: CRASH } });
    expect(problems).toEqual([]);
    expect(stub.image.ports.trace).toEqual([]);
    expect(stub.record).toMatchObject({ end: 'nothing', counts: { functions: 0, reads: 0 } });
  });

  it('touches no port in a TDX guest, where one would leave the next kernel crippled', () => {
    const cpuid = (leaf: number): [number, number, number, number] =>
      leaf === 0x21 ? [0, 0x6574_6e49, 0x2020_2020, 0x5844_546c] : [0, 0, 0, 0];
    const stub = new StubRun({ scanAll: false, entry: { commandLine: CRASH, cpuid } });
    expect(stub.problems(stub.image.run().next().value as Exit)).toEqual([]);
    expect(stub.record).toMatchObject({ end: 'confidential', counts: { reads: 0 } });
  });

  it('puts back what port 0xCF8 held', () => {
    const { stub, problems } = run({ entry: { cf8: 0x8000_f8a0, commandLine: CRASH } });
    expect(problems).toEqual([]);
    expect(stub.image.ports.cf8).toBe(0x8000_f8a0);
  });

  it('writes no full record where the decompressor would run over it', () => {
    // Below the preferred address; and not aligned.
    for (const loadAddress of [0x80_0000, 0x110_0000]) {
      const { stub, problems } = run({ entry: { loadAddress, commandLine: CRASH } });
      expect(problems).toEqual([]);
      expect(stub.setupData()).toBeNull();
      expect(stub.record).toMatchObject({ summary: true, jump: 'crash' });
    }
  });

  it('tells the decompressor the size without the tail, and only then', () => {
    const full = run().stub;
    const summary = run({ entry: { commandLine: 'quiet' } }).stub;
    expect(summary.initSize - full.initSize).toBe(32 * 1024);
  });

  describe('interrupted', () => {
    const length = () => run().exit.instructions;

    it('an NMI at any moment costs nothing but its mark', () => {
      const all = length();
      let marked = 0;
      for (let before = 0; before < all; before += NMI_EVERY) {
        const bus = oneMaster();
        const stub = new StubRun({
          scanAll: false,
          entry: { commandLine: CRASH, injections: [{ before, vector: NMI }] },
        });
        const exit = stub.on(bus);
        // Before and after the stub's own tables there is nobody to take it, with or without the stub.
        if (exit.kind === 'reset') continue;
        expect(stub.problems(exit)).toEqual([]);
        expect(bus.written).toEqual(['18+4 2: 502']);
        marked += stub.record?.nmis ?? 0;
      }
      expect(marked).toBeGreaterThan(all / NMI_EVERY / 2);
    });

    it.each([
      ['a machine check', { vector: MACHINE_CHECK }],
      ['#VC, as in an SEV-ES guest', { vector: VMM_COMMUNICATION, errorCode: 0x7b }],
      ['a page fault', { vector: 14, errorCode: 2 }],
    ])('%s at any moment ends the walk and boots', (_, injection) => {
      const all = length();
      let ended = 0;
      for (let before = 0; before < all; before += EXCEPTION_EVERY) {
        const stub = new StubRun({
          scanAll: false,
          entry: { commandLine: CRASH, injections: [{ before, ...injection }] },
        });
        const exit = stub.on(oneMaster());
        if (exit.kind === 'reset') continue;
        expect(stub.problems(exit)).toEqual([]);
        const { record } = stub;
        if (record?.end === 'exception') {
          expect(record.vector).toBe(injection.vector);
          ended++;
        }
      }
      expect(ended).toBeGreaterThan(all / EXCEPTION_EVERY / 3);
    });
  });

  describe('whatever the hardware answers', () => {
    const hostile = fc.oneof(
      fc.constant(() => 0),
      fc.constant(() => 0xffff_ffff),
      fc.constant(() => 0x0006_0006),
      // Each function a bridge to the next bus.
      fc.constant((rid: number, offset: number) =>
        offset === 0x18 ? (((rid >> 8) + 1) << 8) | 0xff_0000 : offset === 0x0c ? 0x81_0000 : 0x0000_0006,
      ),
      fc.infiniteStream(fc.nat(0xffff_ffff)).map((stream) => () => stream.next().value ?? 0),
      // A capability list that has no end, of a function that never comes to rest.
      fc.constant((_: number, offset: number) =>
        offset < 0x40
          ? ([0x1234_8086, 0x0010_0006, 0x0200_0000, 0x80_0000][offset >> 2] ?? 0x40)
          : 0x0020_0010 | ((offset + 4) << 8),
      ),
    );

    it('it stops within its bounds, and boots', () => {
      fc.assert(
        fc.property(hostile, fc.nat(3000), fc.boolean(), (answer, maxAccesses, scanAll) => {
          const bus: ConfigBus = { read: (rid, offset) => answer(rid, offset) >>> 0, write: () => {} };
          const { stub, problems } = run({ maxAccesses, scanAll }, bus);
          expect(problems).toEqual([]);
          expect(stub.image.ports.trace.length).toBeLessThanOrEqual(maxAccesses);
          expect(stub.record?.counts.reads).toBe(stub.image.ports.reads);
        }),
        { numRuns: 150 },
      );
    });

    it('time is bounded, too, by a counter that may stand still or run backwards', () => {
      const busy: ConfigBus = { read: () => 0x0006_0006, write: () => {} };
      const clocks: readonly ((count: number) => number)[] = [
        () => 5,
        (n) => 1e9 - n,
        (n) => n * 1e6,
        (n) => (n % 2) * 1e15,
      ];
      for (const clock of clocks) {
        const { stub, problems } = run(
          {
            maxAccesses: 5000,
            scanAll: true,
            entry: { commandLine: CRASH, ticks: ({ requests }) => clock(requests) },
          },
          busy,
        );
        expect(problems).toEqual([]);
        expect(['time', 'accesses']).toContain(stub.record?.end);
      }
    });
  });

  it('cuts the record short, not to pieces', () => {
    const bus: ConfigBus = {
      read: (rid, offset) =>
        rid >= 0x100 ? 0xffff_ffff : ([0x1234_8086, 0x0000_0006, 0x0200_0000, 0x80_0000][offset >> 2] ?? 0),
      write: () => {},
    };
    const { stub, problems } = run({ tailBytes: 4096 }, bus);
    expect(problems).toEqual([]);
    expect(stub.record).toMatchObject({ truncated: true, counts: { functions: 256, entries: 256 } });
    expect(stub.record?.entries.length).toBeLessThan(120);
    expect(stub.record?.entries.every(({ outcome }) => outcome === 'ignored')).toBe(true);
    const summary = run({ entry: { commandLine: 'quiet' } }, bus).stub;
    expect(summary.record).toMatchObject({ truncated: true, summary: true, counts: { entries: 256 } });
  });

  it('stops at the first failure where the policy says so', () => {
    const bus: ConfigBus = {
      read: (rid, offset) =>
        rid >= 0x100 ? 0xffff_ffff : ([0x1234_8086, 0x0000_0006, 0x0200_0000, 0x80_0000][offset >> 2] ?? 0),
      write: () => {},
    };
    const { stub, problems } = run({ policy: { ...defaultPolicy(), onFailure: 'stop' } }, bus);
    expect(problems).toEqual([]);
    expect(stub.record).toMatchObject({ end: 'stopped', counts: { writes: 1, failed: 1 } });
  });

  it('tells port 0x80 how far it is, where the policy says so', () => {
    expect(run({ progress: true }).stub.image.ports.progress).toEqual([0xd0, 0xd1, 0xd2, 0xd3, 0xd4]);
    expect(run().stub.image.ports.progress).toEqual([]);
  });
});
