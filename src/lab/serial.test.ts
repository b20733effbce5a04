import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemClock as clock } from '../host/clock.js';
import { CommandLine, SerialLog } from './serial.js';

/** A guest that the test plays. */
let guest: Socket;
let ours: Socket;
let close: () => void;

beforeEach(async () => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const { createConnection } = await import('node:net');
  ours = createConnection(typeof address === 'object' && address ? address.port : 0, '127.0.0.1');
  [guest] = (await once(server, 'connection')) as [Socket];
  guest.setEncoding('latin1');
  close = () => {
    guest.destroy();
    ours.destroy();
    server.close();
  };
});
afterEach(() => close());

/** Answers every command with this status and its own text in capitals, in pieces. */
function answer(status: number): void {
  guest.on('data', (text: string) => {
    const [id, script = ''] = text.trim().split(' ');
    const output = Buffer.from(script, 'base64').toString().toUpperCase();
    const line = `= ${id} ${status} ${Buffer.from(output).toString('base64')}\r\n`;
    guest.write(line.slice(0, 5));
    setTimeout(() => guest.write(line.slice(5)), 20);
  });
}

describe('the command line', () => {
  it('gives status and output, however they arrive', async () => {
    const line = new CommandLine(ours, clock);
    answer(3);
    expect(await line.run('echo höhe\necho 2', 5000)).toEqual({ status: 3, output: 'ECHO HÖHE\nECHO 2' });
    expect(await line.run('true', 5000)).toEqual({ status: 3, output: 'TRUE' });
  });

  it('gives up within the bound', async () => {
    const line = new CommandLine(ours, clock);
    const start = clock.now();
    await expect(line.run('sleep 9', 100)).rejects.toThrow('no answer within 0.1 s to: sleep 9');
    expect(clock.now() - start).toBeLessThan(2000);
  });

  it('says so at once when the guest has ended', async () => {
    const line = new CommandLine(ours, clock);
    setTimeout(() => guest.destroy(), 20);
    await expect(line.run('true', 60_000)).rejects.toThrow('the guest has ended');
  });

  it('takes no late answer for another command', async () => {
    const line = new CommandLine(ours, clock);
    await expect(line.run('first', 50)).rejects.toThrow(/no answer/);
    guest.write('= 1 0 \n');
    setTimeout(() => guest.write(`= 2 0 ${Buffer.from('second').toString('base64')}\n`), 20);
    expect(await line.run('second', 5000)).toEqual({ status: 0, output: 'second' });
  });

  it('sees each kernel come up, once', async () => {
    const line = new CommandLine(ours, clock);
    guest.write('! ready 0 6.1.0-56-amd64 2.91\r\n');
    expect(await line.ready(5000)).toEqual({ boot: 0, release: '6.1.0-56-amd64', uptimeS: 2.91 });
    expect(await line.ready(50)).toBeUndefined();
    guest.write('! ready 1 6.12.1 0.50\n');
    expect((await line.ready(5000))?.boot).toBe(1);
  });
});

describe('a log', () => {
  it('finds what comes after a position, in one line', async () => {
    const log = new SerialLog(ours);
    guest.write('Linux version 1\nmore\n');
    await log.find(/more/, { from: 0, ms: 5000, clock });
    const from = log.text.length;
    setTimeout(() => guest.write('Linux ver'), 10);
    setTimeout(() => guest.write('sion 2\n'), 30);
    const match = await log.find(/Linux version \d/, { from, ms: 5000, clock });
    expect(match?.[0]).toBe('Linux version 2');
    expect(log.tail(2)).toBe('more\nLinux version 2');
  });
});
