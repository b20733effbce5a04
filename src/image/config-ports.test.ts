import { describe, expect, it } from 'vitest';
import { memoryHost } from '../../test/support/memory-host.js';
import { ShootdownError } from '../pci/error.js';
import {
  type ConfigAccess,
  ConfigPorts,
  type ConfigPortsSetup,
  runOnBus,
  runOnHost,
} from './config-ports.js';
import type { Exit } from './interpreter.js';
import type { PortRequest } from './x86-cpu.js';

const DONE: Exit = { kind: 'arrived', why: null, rip: 0, instructions: 0 };
const ALL_ONES = 0xffff_ffff;

/** A program that makes these accesses, and what its reads gave. */
function program(requests: readonly Partial<PortRequest>[], setup: ConfigPortsSetup = {}) {
  const values: number[] = [];
  const ports = new ConfigPorts(setup);
  function* run(): Generator<PortRequest, Exit, number> {
    for (const request of requests) {
      try {
        const value = yield { write: false, port: 0xcfc, width: 4, value: 0, ...request };
        if (!request.write) values.push(value);
      } catch (error) {
        if (!(error instanceof ShootdownError)) throw error;
        return { ...DONE, kind: 'stopped', why: error.message };
      }
    }
    return DONE;
  }
  return { ports, values, run: ports.serve(run()) };
}

const address = (value: number) => ({ write: true, port: 0xcf8, value });
/** 03:02.1, the dword at 0x54. */
const SOMEWHERE = 0x8003_1154;
const SOMEWHERE_RID = 0x0311;

/** Reads give where they came from. */
const mirror = {
  read: (rid: number, offset: number, width: number) => rid * 0x1_0000 + offset * 0x10 + width,
  write: () => {},
};

describe('configuration mechanism #1', () => {
  it('leads accesses to a function and an offset', () => {
    const reads = [
      { port: 0xcfc, width: 4 },
      { port: 0xcfc, width: 2 },
      { port: 0xcfe, width: 2 },
      { port: 0xcff, width: 1 },
    ] as const;
    const { ports, values, run } = program([
      address(SOMEWHERE),
      ...reads,
      { write: true, port: 0xcfe, width: 2, value: 0xbeef },
      { port: 0xcf8 },
    ]);
    expect(runOnBus(run, mirror)).toEqual(DONE);
    const at = SOMEWHERE_RID * 0x1_0000;
    expect(values).toEqual([at + 0x544, at + 0x542, at + 0x562, at + 0x571, SOMEWHERE]);
    const trace: ConfigAccess[] = [
      { write: false, rid: SOMEWHERE_RID, offset: 0x54, width: 4, value: at + 0x544 },
      { write: false, rid: SOMEWHERE_RID, offset: 0x54, width: 2, value: at + 0x542 },
      { write: false, rid: SOMEWHERE_RID, offset: 0x56, width: 2, value: at + 0x562 },
      { write: false, rid: SOMEWHERE_RID, offset: 0x57, width: 1, value: at + 0x571 },
      { write: true, rid: SOMEWHERE_RID, offset: 0x56, width: 2, value: 0xbeef },
    ];
    expect(ports.trace).toEqual(trace);
    expect([ports.reads, ports.writes]).toEqual([4, 1]);
  });

  it('keeps what port 0xCF8 held', () => {
    const { values, run } = program([{ port: 0xcf8 }], { cf8: 0x8000_1234 });
    runOnBus(run, mirror);
    expect(values).toEqual([0x8000_1234]);
  });

  it('writes down progress', () => {
    const { ports, run } = program([{ write: true, port: 0x80, width: 1, value: 0xd0 }]);
    runOnBus(run, mirror);
    expect(ports.progress).toEqual([0xd0]);
  });

  it.each<[string, Partial<PortRequest>[], string]>([
    [
      'the reset register',
      [{ write: true, port: 0xcf9, width: 1, value: 6 }],
      'write of 6 to port cf9, 1 bytes',
    ],
    ['a part of the address', [{ port: 0xcf8, width: 2 }], 'read from port cf8, 2 bytes'],
    ['data over the end', [address(SOMEWHERE), { port: 0xcfe }], 'read from port cfe, 4 bytes'],
    ['data across words', [address(SOMEWHERE), { port: 0xcfd, width: 2 }], 'read from port cfd, 2 bytes'],
    ['data before the address', [{}], 'read from port cfc, 4 bytes, while port cf8 holds 00000000'],
    ['an address with reserved bits', [address(0x8100_0000), {}], 'while port cf8 holds 81000000'],
    ['an address within a dword', [address(0x8000_0001), {}], 'while port cf8 holds 80000001'],
    ['a read of port 0x80', [{ port: 0x80, width: 1 }], 'read from port 80, 1 bytes'],
    ['a dword for port 0x80', [{ write: true, port: 0x80, value: 1 }], 'write of 1 to port 80, 4 bytes'],
    [
      'any other port',
      [{ write: true, port: 0x64, width: 1, value: 0xfe }],
      'write of fe to port 64, 1 bytes',
    ],
    ['the port behind', [{ port: 0xd00 }], 'read from port d00, 4 bytes'],
  ])('stops a program at %s', (_, requests, why) => {
    const { ports, run } = program(requests);
    expect(runOnBus(run, mirror)).toMatchObject({ kind: 'stopped', why: expect.stringContaining(why) });
    expect(ports.trace).toEqual([]);
  });

  it('may not be there', () => {
    const { ports, values, run } = program([address(SOMEWHERE), { port: 0xcf8 }, {}], { there: false });
    expect(runOnBus(run, mirror)).toEqual(DONE);
    expect(values).toEqual([ALL_ONES, ALL_ONES]);
    expect(ports.trace).toEqual([]);
  });
});

describe('a host behind the ports', () => {
  const command = { write: true, port: 0xcfc, width: 2, value: 0x0402 } as const;

  it('is read and written where it has functions', async () => {
    const host = memoryHost({ '0000:03:02.1': { vendor: 0x8086, device: 0x10d3, command: 7 } });
    const { values, run } = program([
      address(0x8003_1100),
      {},
      address(0x8003_1104),
      command,
      { width: 2 },
      address(0x8003_1000),
      {},
      { port: 0xcff, width: 1 },
      command,
    ]);
    expect(await runOnHost(run, host)).toEqual(DONE);
    expect(values).toEqual([0x10d3_8086, 0x0402, ALL_ONES, 0xff]);
    expect(host.log.filter(({ kind }) => kind === 'write')).toHaveLength(1);
  });

  it('leaves out other segments', async () => {
    const { values, run } = program([address(0x8003_1100), {}]);
    await runOnHost(run, memoryHost({ '0001:03:02.1': { vendor: 0x8086, device: 0x10d3 } }));
    expect(values).toEqual([ALL_ONES]);
  });

  it('that cannot answer gives all ones, as a bus does; anything else is thrown', async () => {
    const host = memoryHost({ '0000:03:02.1': { vendor: 0x8086, device: 0x10d3 } });
    const accesses = [address(0x8003_1104), {}, command];
    host.interfere = {
      read: () => {
        throw new ShootdownError('io', 'it does not answer');
      },
      write: () => {
        throw new ShootdownError('vanished', 'it is gone');
      },
    };
    const { values, run } = program(accesses);
    expect(await runOnHost(run, host)).toEqual(DONE);
    expect(values).toEqual([ALL_ONES]);
    host.interfere = {
      read: () => {
        throw new ShootdownError('no-permission', 'not allowed');
      },
    };
    await expect(runOnHost(program(accesses).run, host)).rejects.toThrow('not allowed');
  });
});
