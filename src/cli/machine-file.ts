import { readDump } from '../host/dump.js';
import { type Machine, scan } from '../host/scan.js';
import { machineFromAudit } from '../quiesce/audit-machine.js';
import { readText } from './options.js';
import { readStandardInput } from './standard-input.js';

/**
 * The machine in a file that `audit --json` or `lspci -xxxx` printed; `-` for standard input, which an aborted `signal`
 * ends. Rejects with `bad-input`.
 */
export async function machineInFile(path: string, signal?: AbortSignal): Promise<Machine> {
  const text = path === '-' ? await readStandardInput(signal) : readText(path);
  const name = path === '-' ? 'standard input' : path;
  if (text.trimStart().startsWith('{')) return machineFromAudit(text, name);
  const host = await readDump(name, [Buffer.from(text)]);
  try {
    return await scan(host);
  } finally {
    await host.close();
  }
}
