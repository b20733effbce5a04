import type { Clock } from '../host/clock.js';
import type { Io } from './io.js';

const STATUS_EVERY_MS = 500;
/** Of what goes to a file or a log. */
const LINE_EVERY_MS = 30_000;

/** Says how far a long run is: on a terminal on one line, else in a line now and then, and nothing where it is quick. */
export function soakProgress(
  io: Pick<Io, 'watched' | 'status' | 'err'>,
  clock: Pick<Clock, 'now'>,
): (text: string) => void {
  const every = io.watched ? STATUS_EVERY_MS : LINE_EVERY_MS;
  let said = clock.now();
  return (text) => {
    const now = clock.now();
    if (now - said < every) return;
    said = now;
    if (io.watched) io.status(text);
    else io.err(`shootdown: ${text}\n`);
  };
}
