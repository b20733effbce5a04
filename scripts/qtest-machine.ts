import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Bdf {
  readonly bus: number;
  readonly devfn: number;
}

/** A QEMU machine whose firmware has enumerated the buses, with raw access to configuration space. */
export class QtestMachine {
  readonly #process: ChildProcess;
  readonly #socket: Socket;
  readonly #folder: string;
  readonly #answers: ((line: string) => void)[] = [];
  #ecam: number | undefined;

  private constructor(process: ChildProcess, socket: Socket, folder: string) {
    this.#process = process;
    this.#socket = socket;
    this.#folder = folder;
    createInterface(socket).on('line', (line) => {
      if (!line.startsWith('IRQ')) this.#answers.shift()?.(line);
    });
  }

  static async start(options: readonly string[]): Promise<QtestMachine> {
    const folder = mkdtempSync(join(tmpdir(), 'shootdown-qtest-'));
    const path = join(folder, 'qtest');
    const all = ['-accel', 'tcg', '-display', 'none', '-nodefaults', '-m', '256', '-qtest-log', '/dev/null'];
    const qtest = ['-qtest', `unix:${path},server=on,wait=off`];
    const process = spawn('qemu-system-x86_64', [...all, ...qtest, ...options], {
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    // The firmware is done well before; there is nothing to boot.
    await sleep(5000);
    const socket = createConnection(path);
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    const machine = new QtestMachine(process, socket, folder);
    if (options.some((option) => option.startsWith('q35'))) {
      machine.#ecam = ((await machine.#port({ bus: 0, devfn: 0 }, 0x60)) & 0xf000_0000) >>> 0;
    }
    return machine;
  }

  async stop(): Promise<void> {
    this.#socket.destroy();
    this.#process.kill('SIGKILL');
    await new Promise((resolve) => this.#process.once('exit', resolve));
    rmSync(this.#folder, { recursive: true });
  }

  /** Every function on `bus`, by the dword at offset 4, so that virtual functions count. */
  async functionsOn(bus: number): Promise<Bdf[]> {
    const found: Bdf[] = [];
    for (let devfn = 0; devfn < 256; devfn++) {
      if ((await this.read32({ bus, devfn }, 4)) !== 0xffff_ffff) found.push({ bus, devfn });
    }
    return found;
  }

  async read32(bdf: Bdf, offset: number): Promise<number> {
    if (this.#ecam === undefined) return this.#port(bdf, offset);
    return Number(await this.#ask(`readl ${this.#address(bdf, offset)}`));
  }

  /** `width` 2 or 4 */
  async write(bdf: Bdf, offset: number, width: 2 | 4, value: number): Promise<void> {
    if (this.#ecam === undefined) {
      await this.#ask(`outl 0xcf8 ${portAddress(bdf, offset)}`);
      await this.#ask(`${width === 2 ? 'outw' : 'outl'} ${0xcfc + (offset & 3)} ${value}`);
    } else {
      await this.#ask(`${width === 2 ? 'writew' : 'writel'} ${this.#address(bdf, offset)} ${value}`);
    }
  }

  async space(bdf: Bdf, length: 256 | 4096): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    const view = new DataView(bytes.buffer);
    for (let at = 0; at < length; at += 4) view.setUint32(at, await this.read32(bdf, at), true);
    return bytes;
  }

  get hasEcam(): boolean {
    return this.#ecam !== undefined;
  }

  async #port(bdf: Bdf, offset: number): Promise<number> {
    await this.#ask(`outl 0xcf8 ${portAddress(bdf, offset)}`);
    return Number(await this.#ask('inl 0xcfc'));
  }

  #address({ bus, devfn }: Bdf, offset: number): number {
    return (this.#ecam ?? 0) + bus * 0x10_0000 + devfn * 0x1000 + offset;
  }

  async #ask(request: string): Promise<string> {
    const answer = await new Promise<string>((resolve) => {
      this.#answers.push(resolve);
      this.#socket.write(`${request}\n`);
    });
    if (!answer.startsWith('OK')) throw new Error(`${request}: ${answer}`);
    return answer.slice(3);
  }
}

function portAddress({ bus, devfn }: Bdf, offset: number): number {
  return (0x8000_0000 | (bus << 16) | (devfn << 8) | (offset & 0xfc)) >>> 0;
}
