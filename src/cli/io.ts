import { createColors } from 'picocolors';
import type { Style } from '../report/table.js';
import type { ExitStatus } from './exit.js';

/** Where a command reads its surroundings and writes what it has to say. */
export interface Io {
  readonly env: NodeJS.ProcessEnv;
  readonly style: Style;
  out(text: string): void;
  /** Diagnostics: standard error. */
  err(text: string): void;
  /** Somebody watches: diagnostics go to a terminal. */
  readonly watched: boolean;
  /** Shown on a terminal only, on one line that the next output clears. */
  progress(what: string): (done: number, total: number) => void;
  /** What is being done, likewise. */
  status(text: string): void;
  /** Aborts when the user or the system asks to stop. */
  readonly signal: AbortSignal;
}

/** Performs the one command that was given; what it resolves to becomes the exit status. */
export type Run = (action: (io: Io) => Promise<ExitStatus>) => Promise<void>;

/** Functions from which on progress is shown. */
const PROGRESS_FROM = 200;

export function processIo(signal: AbortSignal): Io {
  const { stdout, stderr, env } = process;
  const colors = createColors(stdout.isTTY && !env['NO_COLOR'] && env['TERM'] !== 'dumb');
  let shown = false;
  const clear = () => {
    if (shown) stderr.write('\r\x1b[K');
    shown = false;
  };
  return {
    env,
    signal,
    watched: stderr.isTTY === true,
    style: {
      width: Math.max(60, stdout.isTTY ? stdout.columns : Number(env['COLUMNS']) || 120),
      bold: colors.bold,
      dim: colors.dim,
      red: colors.red,
      yellow: colors.yellow,
      green: colors.green,
    },
    out(text) {
      clear();
      stdout.write(text);
    },
    err(text) {
      clear();
      stderr.write(text);
    },
    status(text) {
      if (!stderr.isTTY) return;
      clear();
      shown = true;
      stderr.write(text);
    },
    progress(what) {
      let last = 0;
      return (done, total) => {
        if (!stderr.isTTY || total < PROGRESS_FROM) return;
        const percent = Math.floor((done * 100) / total);
        if (percent === last && done < total) return;
        last = percent;
        shown = true;
        stderr.write(`\r${what} ${done}/${total} (${percent} %)`);
        if (done >= total) clear();
      };
    },
  };
}
