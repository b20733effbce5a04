import { ShootdownError } from '../pci/error.js';
import { type Clock, systemClock } from './clock.js';
import { LineSocket } from './qtest-socket.js';

export interface QtestOptions {
  readonly clock?: Clock | undefined;
  /** How long QEMU may go without answering anything that it was asked. Default 5000. */
  readonly timeoutMs?: number | undefined;
}

/** Commands and answers of one batch, which come in order. */
interface Batch {
  readonly requests: readonly string[];
  readonly answers: string[];
  resolve(answers: string[]): void;
  reject(error: ShootdownError): void;
  refusal?: ShootdownError;
}

const TIMEOUT_MS = 5000;
/** Memory that one command reads or writes. */
const CHUNK_BYTES = 64 * 1024;
const ADVICE = 'start QEMU with -accel tcg -qtest unix:PATH,server=on,wait=off';

/**
 * Speaks QEMU's qtest protocol (docs/devel/qtest.rst in QEMU): one command a line, one answer a line, in order.
 * Several commands that go out in one write cost one turn of QEMU's loop instead of one each, and nothing of the
 * guest comes between them. Every method rejects with `io` or `timeout`; after either the connection is of no more
 * use, unless QEMU just refused a command.
 */
export class QtestClient {
  readonly name: string;
  readonly #socket: LineSocket;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  /** Oldest first. */
  readonly #waiting: Batch[] = [];
  readonly #closed = new AbortController();
  #failure: ShootdownError | undefined;
  #watching = false;
  #progress = 0;

  private constructor(socket: LineSocket, clock: Clock, timeoutMs: number) {
    this.name = socket.name;
    this.#socket = socket;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    socket.listen({ line: (text) => this.#take(text), failed: (error) => this.#fail(error) });
  }

  /** Connects to the socket of `-qtest unix:PATH,server=on,wait=off`; QEMU serves one client at a time. */
  static async connect(path: string, options: QtestOptions = {}): Promise<QtestClient> {
    const { clock = systemClock, timeoutMs = TIMEOUT_MS } = options;
    const name = `qtest:${path.replaceAll(/[\x00-\x1f\x7f-\x9f]/g, '?')}`;
    const socket = await LineSocket.connect(path, { clock, timeoutMs, name, advice: ADVICE });
    return new QtestClient(socket, clock, timeoutMs);
  }

  /** Set once the connection has failed. */
  get failure(): ShootdownError | undefined {
    return this.#failure;
  }

  /** Sends commands in one write; resolves with what followed OK in each answer. */
  batch(requests: readonly string[]): Promise<string[]> {
    if (this.#failure) return Promise.reject(this.#failure);
    if (requests.length === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      if (this.#waiting.length === 0) this.#progress = this.#clock.now();
      this.#waiting.push({ requests, answers: [], resolve, reject });
      this.#socket.send(`${requests.join('\n')}\n`);
      if (!this.#watching) void this.#watch();
    });
  }

  async ask(request: string): Promise<string> {
    const [answer = ''] = await this.batch([request]);
    return answer;
  }

  /** Reads 1, 2 or 4 bytes from an I/O port. */
  async in(port: number, width: 1 | 2 | 4): Promise<number> {
    return this.number(await this.ask(inCommand(port, width)));
  }

  async out(port: number, width: 1 | 2 | 4, value: number): Promise<void> {
    await this.ask(outCommand(port, width, value));
  }

  /** Reads 1, 2 or 4 bytes of physical memory or of a memory-mapped register in one access. */
  async peek(address: number | bigint, width: 1 | 2 | 4): Promise<number> {
    return this.number(await this.ask(peekCommand(address, width)));
  }

  async poke(address: number | bigint, width: 1 | 2 | 4, value: number): Promise<void> {
    await this.ask(pokeCommand(address, width, value));
  }

  /** Physical memory, all ones where there is none. */
  async readMemory(address: number | bigint, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at += CHUNK_BYTES) {
      const count = Math.min(CHUNK_BYTES, length - at);
      const answer = await this.ask(`b64read ${hexOf(BigInt(address) + BigInt(at))} ${hexOf(count)}`);
      const chunk = Buffer.from(answer, 'base64');
      if (chunk.length !== count) throw this.#garbage(answer);
      bytes.set(chunk, at);
    }
    return bytes;
  }

  async writeMemory(address: number | bigint, bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
      const chunk = Buffer.from(bytes.subarray(at, at + CHUNK_BYTES));
      const to = hexOf(BigInt(address) + BigInt(at));
      await this.ask(`b64write ${to} ${hexOf(chunk.length)} ${chunk.toString('base64')}`);
    }
  }

  /** The number in an answer; `io` if there is none. */
  number(answer: string): number {
    if (!/^0x[0-9a-f]{1,16}$/i.test(answer)) throw this.#garbage(answer);
    const value = Number(answer);
    if (value > 0xffff_ffff) throw this.#garbage(answer);
    return value;
  }

  close(): void {
    this.#fail(new ShootdownError('io', `${this.name}: the connection was closed here`));
  }

  #take(line: string): void {
    // A line that goes up or down while a test intercepts interrupts; nobody asked.
    if (line.startsWith('IRQ ')) return;
    this.#progress = this.#clock.now();
    const [batch] = this.#waiting;
    if (!batch) {
      this.#fail(this.#garbage(line));
      return;
    }
    if (line === 'OK' || line.startsWith('OK ')) {
      batch.answers.push(line.slice(3));
    } else if (/^(FAIL|ERR)\b/.test(line)) {
      const request = batch.requests[batch.answers.length] ?? '';
      batch.refusal ??= new ShootdownError(
        'io',
        `${this.name}: QEMU refuses "${excerpt(request)}": ${excerpt(line)}`,
      );
      batch.answers.push('');
    } else {
      this.#fail(this.#garbage(line));
      return;
    }
    if (batch.answers.length < batch.requests.length) return;
    this.#waiting.shift();
    if (batch.refusal) batch.reject(batch.refusal);
    else batch.resolve(batch.answers);
  }

  #garbage(line: string): ShootdownError {
    const what = line.startsWith('{"QMP"')
      ? 'this is a QMP socket: name that of -qtest'
      : `this is no qtest socket, it says "${excerpt(line)}"`;
    return new ShootdownError('io', `${this.name}: ${what}`);
  }

  #fail(error: ShootdownError): void {
    if (this.#failure) return;
    this.#failure = error;
    this.#socket.close();
    this.#closed.abort();
    for (const batch of this.#waiting.splice(0)) batch.reject(error);
  }

  /** Runs while answers are due; wakes seldom, so that a command does not cost a timer. */
  async #watch(): Promise<void> {
    this.#watching = true;
    while (this.#waiting.length > 0) {
      const left = this.#progress + this.#timeoutMs - this.#clock.now();
      if (left <= 0) {
        const message = `${this.name}: no answer within ${this.#timeoutMs} ms: QEMU hangs, or serves another client`;
        this.#fail(new ShootdownError('timeout', message));
        break;
      }
      await this.#clock.sleep(left, this.#closed.signal);
    }
    this.#watching = false;
  }
}

const SUFFIX = { 1: 'b', 2: 'w', 4: 'l' } as const;

export function inCommand(port: number, width: 1 | 2 | 4): string {
  return `in${SUFFIX[width]} ${hexOf(port)}`;
}

export function outCommand(port: number, width: 1 | 2 | 4, value: number): string {
  return `out${SUFFIX[width]} ${hexOf(port)} ${hexOf(value)}`;
}

export function peekCommand(address: number | bigint, width: 1 | 2 | 4): string {
  return `read${SUFFIX[width]} ${hexOf(address)}`;
}

export function pokeCommand(address: number | bigint, width: 1 | 2 | 4, value: number): string {
  return `write${SUFFIX[width]} ${hexOf(address)} ${hexOf(value)}`;
}

function hexOf(value: number | bigint): string {
  return `0x${value.toString(16)}`;
}

function excerpt(text: string): string {
  const short = text.length > 60 ? `${text.slice(0, 60)}…` : text;
  return short.replaceAll(/[\x00-\x1f\x7f-\x9f]/g, '?');
}
