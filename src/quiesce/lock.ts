import { createServer } from 'node:net';
import { ShootdownError } from '../pci/error.js';

/**
 * Keeps two runs on one machine apart. The lock is an abstract unix socket: it leaves no file, and the kernel lets
 * go of it however this process ends. Returns what releases it.
 */
export async function acquireLock(name: string): Promise<() => Promise<void>> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const busy = cause.code === 'EADDRINUSE';
      const message = busy
        ? 'another shootdown is at work on this machine: wait for it to end'
        : `no lock could be taken: ${cause.message}`;
      reject(new ShootdownError(busy ? 'busy' : 'io', message, { cause }));
    });
    server.listen(`\0shootdown-${name}`, resolve);
  });
  server.unref();
  return () => new Promise((resolve) => server.close(() => resolve()));
}
