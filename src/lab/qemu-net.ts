import { createSocket, type Socket } from 'node:dgram';

/**
 * The other end of QEMU's `-netdev dgram`: an Ethernet frame is one UDP datagram on loopback, so traffic needs no
 * privileges and leaves the machine nowhere.
 */
export interface FrameSource {
  /** For `-netdev dgram`. */
  readonly options: string;
  /** Frames that QEMU has sent. */
  readonly received: number;
  send(frame: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** `id` names the netdev. Ports are drawn by the kernel; QEMU refuses to start if somebody took its one meanwhile. */
export async function openFrameSource(id: string): Promise<FrameSource> {
  const ours = await bound();
  // Nobody can bind a port for another program; the kernel does not soon hand out again one that was let go.
  const theirs = await bound();
  const port = theirs.address().port;
  await closed(theirs);
  let received = 0;
  ours.on('message', () => {
    received++;
  });
  // ICMP says so when QEMU does not listen (any more); frames may get lost.
  ours.on('error', () => {});
  const remote = `remote.type=inet,remote.host=127.0.0.1,remote.port=${ours.address().port}`;
  return {
    options: `dgram,id=${id},local.type=inet,local.host=127.0.0.1,local.port=${port},${remote}`,
    get received() {
      return received;
    },
    send: (frame) => new Promise((resolve) => ours.send(frame, port, '127.0.0.1', () => resolve())),
    close: () => closed(ours),
  };
}

function bound(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket('udp4');
    socket.once('error', reject);
    socket.bind(0, '127.0.0.1', () => {
      socket.off('error', reject);
      resolve(socket);
    });
  });
}

function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => socket.close(() => resolve()));
}
