import { createConnection, type Socket } from 'node:net';
import { ShootdownError } from '../pci/error.js';
import type { Clock } from './clock.js';

/** A peer that sends more than this without a line's end speaks something else. */
const LINE_MAX_BYTES = 4 * 1024 * 1024;
/** Of sockaddr_un, less the zero at its end. */
const PATH_MAX_BYTES = 107;
const CLOSED = 'QEMU closed the connection: it has ended, or was ended';
const PATH_RULE = `the path of a unix socket has at most ${PATH_MAX_BYTES} bytes`;

export interface LineSocketOptions {
  readonly clock: Clock;
  /** For connecting. */
  readonly timeoutMs: number;
  /** What stands before every message, as in `qtest:/tmp/q`. */
  readonly name: string;
  /** What to do where there is no such socket or nobody listens on it. */
  readonly advice: string;
}

/** What a connection does with what comes in. */
export interface LineListener {
  line(text: string): void;
  /** Called once at most: the peer closed, or the socket failed. Not after `close`. */
  failed(error: ShootdownError): void;
}

/** A unix socket that speaks in lines: the socket under both qtest and QMP. */
export class LineSocket {
  readonly name: string;
  readonly #socket: Socket;
  /** Parts of a line whose end has not come yet. */
  readonly #parts: string[] = [];
  #bytes = 0;
  #listener: LineListener | undefined;
  #ended = false;

  private constructor(socket: Socket, name: string) {
    this.#socket = socket;
    this.name = name;
    socket.setEncoding('latin1');
    // Until somebody listens, nothing is read: a greeting must not be lost.
    socket.pause();
    socket.on('data', (text: string) => this.#take(text));
    socket.on('error', (cause: NodeJS.ErrnoException) => {
      const gone = cause.code === 'ECONNRESET' || cause.code === 'EPIPE';
      this.#fail(gone ? CLOSED : `the connection failed: ${cause.message}`, cause);
    });
    socket.on('close', () => this.#fail(CLOSED));
  }

  /** Rejects with `not-found`, `no-permission`, `usage`, `timeout` or `io`. */
  static async connect(path: string, options: LineSocketOptions): Promise<LineSocket> {
    // Node would cut off a longer one, and connect to something else.
    if (Buffer.byteLength(path) > PATH_MAX_BYTES)
      throw new ShootdownError('usage', `${options.name}: ${PATH_RULE}`);
    const stop = new AbortController();
    const opened = openSocket(path, options, stop.signal);
    const late = options.clock.sleep(options.timeoutMs, stop.signal).then((): Socket => {
      const message = `${options.name}: no connection within ${options.timeoutMs} ms`;
      throw new ShootdownError('timeout', message);
    });
    try {
      const socket = await Promise.race([opened, late]);
      return new LineSocket(socket, options.name);
    } finally {
      late.catch(() => {});
      opened.catch(() => {});
      stop.abort();
    }
  }

  listen(listener: LineListener): void {
    this.#listener = listener;
    this.#socket.resume();
  }

  send(text: string): void {
    if (!this.#ended) this.#socket.write(text, 'latin1');
  }

  close(): void {
    this.#ended = true;
    this.#socket.destroy();
  }

  #take(text: string): void {
    let from = 0;
    for (;;) {
      const end = text.indexOf('\n', from);
      if (end < 0) break;
      this.#parts.push(text.slice(from, end));
      const line = this.#parts.join('');
      this.#parts.length = 0;
      this.#bytes = 0;
      from = end + 1;
      this.#listener?.line(line.endsWith('\r') ? line.slice(0, -1) : line);
      if (this.#ended) return;
    }
    if (from < text.length) this.#parts.push(text.slice(from));
    this.#bytes += text.length - from;
    if (this.#bytes > LINE_MAX_BYTES)
      this.#fail('it sends without ever ending a line: this is no socket of QEMU');
  }

  #fail(what: string, cause?: Error): void {
    if (this.#ended) return;
    this.close();
    this.#listener?.failed(
      new ShootdownError('io', `${this.name}: ${what}`, cause === undefined ? {} : { cause }),
    );
  }
}

function openSocket(path: string, options: LineSocketOptions, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection({ path });
    let connected = false;
    const failed = (cause: NodeJS.ErrnoException) => reject(connectError(cause, options));
    socket.once('error', failed);
    socket.once('connect', () => {
      connected = true;
      socket.off('error', failed);
      resolve(socket);
    });
    signal.addEventListener('abort', () => {
      if (!connected) socket.destroy();
    });
  });
}

function connectError(cause: NodeJS.ErrnoException, { name, advice }: LineSocketOptions): ShootdownError {
  const details = { cause };
  switch (cause.code) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new ShootdownError('not-found', `${name}: no such socket: ${advice}`, details);
    case 'ECONNREFUSED':
      return new ShootdownError(
        'io',
        `${name}: nobody listens there: QEMU has ended, or this is no socket; ${advice}`,
        details,
      );
    case 'EACCES':
    case 'EPERM':
      return new ShootdownError('no-permission', `${name}: not allowed to connect to this socket`, details);
    default:
      return new ShootdownError('io', `${name}: cannot connect: ${cause.message}`, details);
  }
}
