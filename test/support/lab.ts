import { spawn } from 'node:child_process';
import type { LabVerdict } from '../../src/lab/verdict.js';
import { type CliResult, SHOOTDOWN } from './cli.js';

/** False only where somebody allowed that the guests are not run (SHOOTDOWN_ALLOW_MISSING=lab or qemu-system-x86). */
export function labWanted(): boolean {
  const allowed = (process.env['SHOOTDOWN_ALLOW_MISSING'] ?? '').split(/[\s,]+/);
  return !allowed.includes('lab') && !allowed.includes('qemu-system-x86');
}

/** Runs the bundle without holding up this process: two guests run side by side. */
export function shootdownAsync(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [SHOOTDOWN, ...args], {
      env: { ...process.env, COLUMNS: '100', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (status, signal) => resolve({ status, signal, stdout, stderr }));
  });
}

/** One scenario's verdict; a run that came to none rejects with what it said. */
export async function labRun(scenario: string, kernel: string, policy: 'none' | 'ours'): Promise<LabVerdict> {
  const args = ['lab', 'run', scenario, '--kernel', kernel, '--policy', policy, '--offline', '--json'];
  const { status, stdout, stderr } = await shootdownAsync(args);
  if (status === 0 || status === 2) return JSON.parse(stdout) as LabVerdict;
  throw new Error(`shootdown ${args.join(' ')}: status ${status}: ${stderr}`);
}
