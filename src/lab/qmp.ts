import { type Clock, systemClock } from '../host/clock.js';
import { LineSocket } from '../host/qtest-socket.js';
import { ShootdownError } from '../pci/error.js';

export interface QmpOptions {
  readonly clock?: Clock | undefined;
  /** For connecting, and for a command that is given no time of its own. Default 10000. */
  readonly timeoutMs?: number | undefined;
}

export interface QmpEvent {
  readonly event: string;
  readonly data: Readonly<Record<string, unknown>>;
}

interface Waiting {
  readonly command: string;
  resolve(value: unknown): void;
  reject(error: ShootdownError): void;
}

type Message = Readonly<Record<string, unknown>>;

const TIMEOUT_MS = 10_000;
const ADVICE = 'start QEMU with -qmp unix:PATH,server=on,wait=off';

/**
 * Speaks QEMU's machine protocol (docs/interop/qmp-spec.txt in QEMU): JSON objects in lines, greeted and switched on
 * by `qmp_capabilities`. Methods reject with `io` or `timeout`, and with `unsupported` for a command that QEMU refuses.
 */
export class Qmp {
  readonly #socket: LineSocket;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #waiting = new Map<number, Waiting>();
  readonly #listeners = new Set<(event: QmpEvent) => void>();
  #nextId = 1;
  #failure: ShootdownError | undefined;

  private constructor(socket: LineSocket, clock: Clock, timeoutMs: number) {
    this.#socket = socket;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    socket.listen({ line: (text) => this.#take(text), failed: (error) => this.#fail(error) });
  }

  static async connect(path: string, options: QmpOptions = {}): Promise<Qmp> {
    const { clock = systemClock, timeoutMs = TIMEOUT_MS } = options;
    const socket = await LineSocket.connect(path, { clock, timeoutMs, name: `qmp:${path}`, advice: ADVICE });
    const qmp = new Qmp(socket, clock, timeoutMs);
    try {
      await qmp.execute('qmp_capabilities');
      return qmp;
    } catch (error) {
      qmp.close();
      throw error;
    }
  }

  /** Runs a command and resolves with its `return`. */
  async execute(
    command: string,
    values: Readonly<Record<string, unknown>> = {},
    timeoutMs = this.#timeoutMs,
  ): Promise<unknown> {
    if (this.#failure) throw this.#failure;
    const id = this.#nextId++;
    const answer = new Promise((resolve, reject) => this.#waiting.set(id, { command, resolve, reject }));
    this.#socket.send(`${JSON.stringify({ execute: command, arguments: values, id })}\n`);
    try {
      return await this.#within(answer, timeoutMs, `no answer to ${command}`);
    } finally {
      this.#waiting.delete(id);
    }
  }

  /** Runs a command of the human monitor and resolves with what it prints. */
  async human(line: string): Promise<string> {
    return String(await this.execute('human-monitor-command', { 'command-line': line }));
  }

  /** Calls `listener` for each event from now on; returns how to stop that. */
  onEvent(listener: (event: QmpEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The next event of this name. */
  async nextEvent(name: string, timeoutMs: number): Promise<QmpEvent> {
    let stop = () => {};
    const event = new Promise<QmpEvent>((resolve) => {
      stop = this.onEvent((next) => {
        if (next.event === name) resolve(next);
      });
    });
    try {
      return await this.#within(event, timeoutMs, `no event ${name}`);
    } finally {
      stop();
    }
  }

  close(): void {
    this.#fail(new ShootdownError('io', `${this.#socket.name}: the connection was closed here`));
  }

  async #within<T>(promise: Promise<T>, ms: number, what: string): Promise<T> {
    const stop = new AbortController();
    const late = this.#clock.sleep(ms, stop.signal).then((): T => {
      throw new ShootdownError('timeout', `${this.#socket.name}: ${what} within ${ms} ms`);
    });
    try {
      return await Promise.race([promise, late]);
    } finally {
      promise.catch(() => {});
      late.catch(() => {});
      stop.abort();
    }
  }

  #take(line: string): void {
    const message = parseMessage(line);
    if (!message) {
      this.#fail(new ShootdownError('io', `${this.#socket.name}: this is no QMP socket, it sends no JSON`));
      return;
    }
    if (typeof message['event'] === 'string') {
      const event = { event: message['event'], data: (message['data'] ?? {}) as Message };
      for (const listener of this.#listeners) listener(event);
      return;
    }
    const waiting = this.#waiting.get(Number(message['id']));
    if (!waiting) return;
    if (message['error'] === undefined) {
      waiting.resolve(message['return']);
      return;
    }
    const { desc } = message['error'] as { desc?: unknown };
    const text = `${this.#socket.name}: QEMU refuses ${waiting.command}: ${String(desc)}`;
    waiting.reject(new ShootdownError('unsupported', text));
  }

  #fail(error: ShootdownError): void {
    if (this.#failure) return;
    this.#failure = error;
    this.#socket.close();
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }
}

function parseMessage(line: string): Message | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Message) : undefined;
  } catch {
    return undefined;
  }
}
