import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ShootdownError } from '../pci/error.js';
import { openQtest } from './qtest.js';
import { QtestClient } from './qtest-client.js';

let folder: string;
let path: string;
let server: Server | undefined;
const sockets = new Set<Socket>();

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'shootdown-qtest-client-'));
  path = join(folder, 'socket');
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  if (server) await new Promise((resolve) => server?.close(resolve));
  server = undefined;
  rmSync(folder, { recursive: true });
});

/** A peer that is no QEMU: `talk` is called for each connection, `answer` for each line that comes in. */
function peer(options: { talk?: (socket: Socket) => void; answer?: (line: string, socket: Socket) => void }) {
  return new Promise<void>((resolve) => {
    server = createServer((socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      options.talk?.(socket);
      let rest = '';
      socket.on('data', (data) => {
        const lines = (rest + data.toString()).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) options.answer?.(line, socket);
      });
    }).listen(path, resolve);
  });
}

async function refusal(promise: Promise<unknown>): Promise<ShootdownError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof ShootdownError)) throw new Error(`not a ShootdownError: ${String(error)}`);
  expect(error.message).not.toMatch(/[\u0000-\u001f]/);
  return error;
}

const FAST = { timeoutMs: 200 };

describe('opening what is no machine', () => {
  it('a path where nothing is', async () => {
    const error = await refusal(openQtest(join(folder, 'nothing')));
    expect(error.code).toBe('not-found');
    expect(error.message).toMatch(/no such socket: start QEMU with .*-qtest unix:PATH/);
  });

  it('no path at all, and one that is too long', async () => {
    expect((await refusal(openQtest(''))).code).toBe('usage');
    const long = await refusal(openQtest(`/tmp/${'x'.repeat(120)}`));
    expect(long.code).toBe('usage');
    expect(long.message).toMatch(/at most 107 bytes/);
  });

  it('a file, and a socket that nobody listens on', async () => {
    writeFileSync(path, '');
    const error = await refusal(openQtest(path));
    expect(error.code).toBe('io');
    expect(error.message).toMatch(/nobody listens there/);
  });

  it('a QMP socket', async () => {
    await peer({ talk: (socket) => socket.write('{"QMP": {"version": {}, "capabilities": []}}\r\n') });
    const error = await refusal(openQtest(path, FAST));
    expect(error.code).toBe('io');
    expect(error.message).toMatch(/this is a QMP socket: name that of -qtest/);
  });

  it('garbage, in lines and without an end', async () => {
    await peer({ answer: (_, socket) => socket.write('\x1b[2Jhello\n') });
    const error = await refusal(openQtest(path, FAST));
    expect(error.code).toBe('io');
    expect(error.message).toMatch(/no qtest socket, it says "\?\[2Jhello"/);
  });

  it('a stream without an end of line', async () => {
    const chunk = 'x'.repeat(1024 * 1024);
    await peer({
      answer: (_, socket) => {
        for (let i = 0; i < 8; i++) socket.write(chunk);
      },
    });
    const error = await refusal(openQtest(path, { timeoutMs: 5000 }));
    expect(error.code).toBe('io');
    expect(error.message).toMatch(/without ever ending a line/);
  });

  it('numbers that are none', async () => {
    for (const answer of ['OK', 'OK 12', 'OK 0xZZ', 'OK 0x123456789']) {
      await peer({ answer: (_, socket) => socket.write(`${answer}\n`) });
      expect((await refusal(openQtest(path, FAST))).message).toMatch(/no qtest socket/);
      server?.close();
      rmSync(path, { force: true });
    }
  });

  it('one that never answers', async () => {
    await peer({});
    const error = await refusal(openQtest(path, FAST));
    expect(error.code).toBe('timeout');
    expect(error.message).toMatch(/no answer within 200 ms: QEMU hangs, or serves another client/);
  });

  it('one that hangs up', async () => {
    await peer({ answer: (_, socket) => socket.destroy() });
    const error = await refusal(openQtest(path, FAST));
    expect(error.code).toBe('io');
    expect(error.message).toMatch(/closed the connection/);
  });
});

describe('the client', () => {
  it('gives each of many batches its own answers, in order', async () => {
    await peer({ answer: (line, socket) => socket.write(`IRQ raise 3\nOK 0x${line.split(' ')[1]}\n`) });
    const client = await QtestClient.connect(path);
    const batches = [['a 1', 'a 2'], ['a 3'], [], ['a 4', 'a 5', 'a 6']];
    const answers = await Promise.all(batches.map((batch) => client.batch(batch)));
    expect(answers).toEqual([['0x1', '0x2'], ['0x3'], [], ['0x4', '0x5', '0x6']]);
    client.close();
  });

  it('takes answers in pieces of any size', async () => {
    await peer({
      answer: async (_, socket) => {
        for (const byte of 'OK 0x1234\r\n') {
          socket.write(byte);
          await new Promise((resolve) => setImmediate(resolve));
        }
      },
    });
    const client = await QtestClient.connect(path);
    expect(await client.in(0x80, 2)).toBe(0x1234);
    client.close();
  });

  it('goes on after QEMU refused a command', async () => {
    await peer({
      answer: (line, socket) =>
        socket.write(line === 'bad' ? "FAIL Unknown command 'bad'\n" : 'OK 0x0000000000000007\n'),
    });
    const client = await QtestClient.connect(path);
    const refused = await refusal(client.batch(['bad', 'readl 0x0']));
    expect(refused.message).toMatch(/QEMU refuses "bad": FAIL Unknown command/);
    expect(client.failure).toBeUndefined();
    expect(await client.peek(0, 4)).toBe(7);
    client.close();
  });

  it('fails all that waits, and all that comes after, with one reason', async () => {
    let lines = 0;
    await peer({ answer: (_, socket) => (++lines === 3 ? socket.destroy() : socket.write('OK\n')) });
    const client = await QtestClient.connect(path);
    await client.batch(['a', 'b']);
    const [first, second] = await Promise.all([refusal(client.ask('c')), refusal(client.ask('d'))]);
    expect(first).toBe(second);
    expect(await refusal(client.ask('e'))).toBe(first);
    expect(client.failure).toBe(first);
  });

  it('reads and writes memory above 4 GiB, in chunks', async () => {
    const commands: string[] = [];
    await peer({
      answer: (line, socket) => {
        const [command, , length] = line.split(' ');
        commands.push(line.slice(0, 40));
        const bytes = Buffer.alloc(command === 'b64read' ? Number(length) : 0, 0xab);
        socket.write(`OK ${bytes.toString('base64')}\n`);
      },
    });
    const client = await QtestClient.connect(path);
    const bytes = await client.readMemory(0x1_0000_0000n, 0x1_0004);
    expect(bytes.every((byte) => byte === 0xab)).toBe(true);
    await client.writeMemory(0x1_0000_0000, new Uint8Array(3));
    expect(commands).toEqual([
      'b64read 0x100000000 0x10000',
      'b64read 0x100010000 0x4',
      'b64write 0x100000000 0x3 AAAA',
    ]);
    client.close();
  });

  it('closes twice, and says so to who asks later', async () => {
    await peer({});
    const client = await QtestClient.connect(path);
    client.close();
    client.close();
    expect((await refusal(client.ask('a'))).message).toMatch(/was closed here/);
  });
});
