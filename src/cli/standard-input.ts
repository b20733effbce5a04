import { ShootdownError } from '../pci/error.js';
import { TEXT_MAX } from './options.js';
import { readError } from './read-error.js';

const NAME = 'standard input';

/**
 * Reads standard input to its end. Unlike a file it may be a terminal or a pipe of which nothing comes for a long
 * time: an aborted `signal` ends it. Throws `bad-input` beyond 64 MiB.
 */
export async function readStandardInput(signal?: AbortSignal): Promise<string> {
  const { stdin } = process;
  const stop = () => stdin.destroy(new ShootdownError('io', `stopped while reading ${NAME}`));
  if (signal?.aborted) stop();
  signal?.addEventListener('abort', stop, { once: true });
  const chunks: Buffer[] = [];
  let total = 0;
  try {
    for await (const chunk of stdin) {
      const bytes = Buffer.from(chunk);
      chunks.push(bytes);
      total += bytes.length;
      if (total > TEXT_MAX) throw new ShootdownError('bad-input', `${NAME}: larger than 64 MiB`);
    }
  } catch (cause) {
    throw cause instanceof ShootdownError ? cause : readError(NAME, cause);
  } finally {
    signal?.removeEventListener('abort', stop);
  }
  return Buffer.concat(chunks).toString('utf8');
}
