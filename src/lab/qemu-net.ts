import { createSocket, type Socket } from 'node:dgram';

const DRAWS_MAX = 10;

/**
 * The other end of QEMU's `-netdev dgram`: an Ethernet frame is one UDP datagram on loopback, so traffic needs no
 * privileges and leaves the machine nowhere.
 */
export interface FrameSource {
  /** For `-netdev dgram`. */
  readonly options: string;
  /** Frames that QEMU has sent. */
  readonly received: number;
  /** Is given each of them. */
  onFrame: ((frame: Uint8Array) => void) | undefined;
  send(frame: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** `id` names the netdev. Ports are drawn by the kernel; QEMU's stays its own for as long as this is open. */
export async function openFrameSource(id: string): Promise<FrameSource> {
  const ours = await bound();
  const { port, guard } = await guardedPort();
  let received = 0;
  ours.on('error', () => {});
  const remote = `remote.type=inet,remote.host=127.0.0.1,remote.port=${ours.address().port}`;
  const source: FrameSource = {
    options: `dgram,id=${id},local.type=inet,local.host=127.0.0.1,local.port=${port},${remote}`,
    get received() {
      return received;
    },
    onFrame: undefined,
    send: (frame) => new Promise((resolve) => ours.send(frame, port, '127.0.0.1', () => resolve())),
    close: async () => {
      await closed(ours);
      await closed(guard);
    },
  };
  ours.on('message', (frame) => {
    received++;
    source.onFrame?.(frame);
  });
  return source;
}

/**
 * Nobody can bind a port for another program, and QEMU binds its own with SO_REUSEADDR: it would share one that another
 * lab has drawn. So a socket of ours is bound to the port as well, with SO_REUSEADDR, too: then nobody else is given
 * that port, QEMU can bind it all the same, and as the one that was bound last it gets what is sent there (Linux looks
 * sockets up newest first). Before QEMU listens and when it has ended, this socket takes the frames, and drops them.
 */
async function guardedPort(): Promise<{ port: number; guard: Socket }> {
  for (let tries = 1; ; tries++) {
    const drawn = await bound();
    const { port } = drawn.address();
    await closed(drawn);
    try {
      return { port, guard: await bound(port, true) };
    } catch (error) {
      // Drawn by somebody else just now.
      if (tries === DRAWS_MAX || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    }
  }
}

function bound(port = 0, reuseAddr = false): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket({ type: 'udp4', reuseAddr });
    socket.once('error', reject);
    socket.bind(port, '127.0.0.1', () => {
      socket.off('error', reject);
      resolve(socket);
    });
  });
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.close(() => resolve()));
}
