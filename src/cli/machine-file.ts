import { readDump } from '../host/dump.js';
import { type Machine, scan } from '../host/scan.js';
import { machineFromAudit } from '../quiesce/audit-machine.js';
import type { Io } from './io.js';
import { readTextOrPipe } from './pipe-input.js';
import { readStandardInput } from './standard-input.js';

/**
 * The machine in a file that `audit --json` or `lspci -xxxx` printed; `-` for standard input, which the signal of
 * `io` ends. Rejects with `bad-input`.
 */
export async function machineInFile(path: string, io?: Pick<Io, 'signal' | 'status'>): Promise<Machine> {
  const { name, text } = await machineText(path, io);
  if (text.trimStart().startsWith('{')) return machineFromAudit(text, name);
  const host = await readDump(name, [Buffer.from(text)]);
  try {
    return await scan(host);
  } finally {
    await host.close();
  }
}

/** The text of such a file, and what messages call it. */
export async function machineText(
  path: string,
  io?: Pick<Io, 'signal' | 'status'>,
): Promise<{ readonly name: string; readonly text: string }> {
  if (path !== '-') {
    const text = await readTextOrPipe(path, 'give it on standard input as -', io?.signal);
    return { name: path, text };
  }
  const name = 'standard input';
  io?.status(`reading ${name}: Ctrl-D ends it, Ctrl-C stops`);
  return { name, text: await readStandardInput(io?.signal) };
}
