import { execFileSync } from 'node:child_process';

export interface Measured {
  readonly ms: number;
  /** User and system time: what other work beside it disturbs least. */
  readonly cpuMs: number;
  readonly rssMb: number;
}

/** Medians of time and the peak of memory of several runs, one after another in turn. */
export function alternate(runs: readonly (() => Measured)[], rounds: number): Measured[] {
  const results: Measured[][] = runs.map(() => []);
  for (let i = 0; i < rounds; i++) for (const [index, run] of runs.entries()) results[index]?.push(run());
  return results.map((list) => ({
    ms: median(list.map(({ ms }) => ms)),
    cpuMs: median(list.map(({ cpuMs }) => cpuMs)),
    rssMb: Math.max(...list.map(({ rssMb }) => rssMb)),
  }));
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

/** Wall time and peak memory of a whole process, by wait4: Node does not tell of a child's memory. */
export function measure(command: string, status = 0): Measured {
  const script = `
import os, sys, time
start = time.monotonic()
pid = os.fork()
if pid == 0:
    null = os.open('/dev/null', os.O_RDWR)
    for fd in (0, 1): os.dup2(null, fd)
    os.execv('/bin/sh', ['sh', '-c', 'exec ' + sys.argv[1]])
_, status, usage = os.wait4(pid, 0)
print((time.monotonic() - start) * 1000, (usage.ru_utime + usage.ru_stime) * 1000, usage.ru_maxrss / 1024, os.waitstatus_to_exitcode(status))
`;
  const out = execFileSync('python3', ['-c', script, command], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [ms, cpuMs, rssMb, ended] = out.trim().split(' ').map(Number);
  if (ended !== status) throw new Error(`${command.slice(0, 200)} ended with status ${ended}`);
  return { ms: ms ?? Number.NaN, cpuMs: cpuMs ?? Number.NaN, rssMb: rssMb ?? Number.NaN };
}

const NONE: Measured = { ms: Number.NaN, cpuMs: Number.NaN, rssMb: Number.NaN };

export function row(name: string, { ms, rssMb }: Measured = NONE): void {
  console.log(`  ${name.padEnd(38)} ${ms.toFixed(0).padStart(6)} ms  ${rssMb.toFixed(0).padStart(5)} MB`);
}

export function ratio(
  ours: Measured | undefined,
  peer: Measured | undefined,
  of: 'ms' | 'cpuMs' = 'ms',
): string {
  return ours && peer ? (ours[of] / peer[of]).toFixed(2) : '?';
}
