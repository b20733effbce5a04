import type { Socket } from 'node:net';
import type { Clock } from '../host/clock.js';
import { ShootdownError } from '../pci/error.js';

/** What the guest's init says of itself when it starts (guest-init.ts). */
export interface Ready {
  /** 0 for the kernel that QEMU booted, counted up by each jump. */
  readonly boot: number;
  readonly release: string;
  /** The kernel's own clock, in seconds. */
  readonly uptimeS: number;
}

export interface Answer {
  readonly status: number;
  readonly output: string;
}

/** Everything a serial line has said, and what it says next. */
export class SerialLog {
  #text = '';
  readonly #waiting = new Set<() => void>();
  #closed = false;

  /** `onText` takes what the line says as it comes. */
  constructor(socket: Socket, onText: (text: string) => void = () => {}) {
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      this.#text += text;
      onText(text);
      this.#wake();
    });
    socket.on('close', () => {
      this.#closed = true;
      this.#wake();
    });
    socket.on('error', () => undefined);
  }

  /** So far; positions in it stay what they are. */
  get text(): string {
    return this.#text;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** The last lines, for errors. */
  tail(lines: number): string {
    return this.#text.replaceAll('\r', '').trimEnd().split('\n').slice(-lines).join('\n');
  }

  /** First match at or after `from`. Gives `undefined` once `ms` have passed or the line is closed without one. */
  async find(pattern: RegExp, { from, ms, clock }: FindOptions): Promise<RegExpExecArray | undefined> {
    const until = clock.now() + ms;
    const search = new RegExp(pattern.source, `${pattern.flags.replace(/[gy]/g, '')}g`);
    // A line is looked at again only from where the last one began: a pattern matches within one line.
    let at = from;
    for (;;) {
      search.lastIndex = at;
      const match = search.exec(this.#text);
      if (match) return match;
      at = Math.max(from, this.#text.lastIndexOf('\n') + 1);
      const left = until - clock.now();
      if (left <= 0 || this.#closed) return undefined;
      await this.#more(left, clock);
    }
  }

  #more(ms: number, clock: Clock): Promise<void> {
    return new Promise((resolve) => {
      const stop = new AbortController();
      const wake = () => {
        this.#waiting.delete(wake);
        stop.abort();
        resolve();
      };
      this.#waiting.add(wake);
      void clock.sleep(ms, stop.signal).then(wake);
    });
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }
}

interface FindOptions {
  readonly from: number;
  readonly ms: number;
  readonly clock: Clock;
}

/** The host's end of the command line: one command at a time, each answered or given up within a bound. */
export class CommandLine {
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly log: SerialLog;
  #serial = 0;
  #at = 0;

  constructor(socket: Socket, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
    this.log = new SerialLog(socket);
  }

  /** Waits for the next init to say that it is there; `undefined` if it does not within `ms`. */
  async ready(ms: number): Promise<Ready | undefined> {
    const match = await this.#next(/^! ready (\d+) (\S+) ([\d.]+)\r?\n/m, ms);
    if (!match) return undefined;
    const [, boot = '', release = '', uptime = ''] = match;
    return { boot: Number(boot), release, uptimeS: Number(uptime) };
  }

  /** Runs a script in the guest. Rejects with `timeout` if no answer comes within `ms`. */
  async run(script: string, ms: number): Promise<Answer> {
    const id = this.send(script);
    const match = await this.#next(new RegExp(`^= ${id} (\\d+) ([\\w+/=]*)\\r?\\n`, 'm'), ms);
    if (!match) {
      const why = this.log.closed ? 'the guest has ended' : `no answer within ${ms / 1000} s`;
      throw new ShootdownError('timeout', `${why} to: ${firstLine(script)}`);
    }
    const [, status = '', output = ''] = match;
    return { status: Number(status), output: Buffer.from(output, 'base64').toString('utf8') };
  }

  /** Sends a script that is not expected to answer, such as a jump; gives its number. */
  send(script: string): number {
    const id = ++this.#serial;
    this.#socket.write(`${id} ${Buffer.from(script).toString('base64')}\n`);
    return id;
  }

  async #next(pattern: RegExp, ms: number): Promise<RegExpExecArray | undefined> {
    const match = await this.log.find(pattern, { from: this.#at, ms, clock: this.#clock });
    if (match) this.#at = match.index + match[0].length;
    return match;
  }
}

function firstLine(script: string): string {
  const [line = ''] = script.trim().split('\n');
  return line.length > 80 ? `${line.slice(0, 79)}…` : line;
}
