import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createConnection, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { sleep } from './dma.js';

/** Stands in for QEMU: tells the test its private folder, and moves one of its sockets aside for a proxy of the test's. */
const QEMU = `#!/bin/sh
[ "$1" = --version ] && exec @QEMU@ "$@"
for left in "$@"; do
  word=$1; shift
  case $word in
    */@SOCKET@,*)
      folder=\${word%%/@SOCKET@,*}; folder=/\${folder#*/}
      word=$(printf %s "$word" | sed 's#/@SOCKET@,#/@SOCKET@-real,#') ;;
  esac
  set -- "$@" "$word"
done
printf %s "$folder" >'@TOLD@.new' && mv '@TOLD@.new' '@TOLD@'
for i in $(seq 200); do [ -S "$folder/@SOCKET@" ] && exec @QEMU@ "$@"; sleep 0.05; done
echo nobody listens in place of QEMU >&2; exit 1
`;

export interface CutSocket {
  /** Goes in front of PATH. */
  readonly bin: string;
  /** True once the connection was cut. */
  cut(): boolean;
  close(): void;
}

/**
 * Lets QEMU go on while the connection to one of its sockets (a file name in its private folder) breaks, as soon as what
 * passes through it in either direction matches `when`.
 */
export function cutSocket(scratch: string, socket: string, when: RegExp): CutSocket {
  const bin = join(scratch, 'bin');
  const told = join(scratch, 'told');
  const qemu = spawnSync('which', ['qemu-system-x86_64'], { encoding: 'utf8' }).stdout.trim();
  const words = { QEMU: qemu, SOCKET: socket, TOLD: told };
  mkdirSync(bin, { recursive: true });
  writeFileSync(
    join(bin, 'qemu-system-x86_64'),
    QEMU.replace(/@(QEMU|SOCKET|TOLD)@/g, (_, word: keyof typeof words) => words[word]),
    { mode: 0o755 },
  );
  let wasCut = false;
  let closed = false;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const real = createConnection(`${readFileSync(told, 'utf8')}/${socket}-real`);
    const cut = () => {
      for (const one of [client, real]) one.destroy();
    };
    for (const [from, to] of [
      [client, real],
      [real, client],
    ] as const) {
      sockets.add(from);
      let seen = '';
      from.on('error', cut);
      from.on('close', cut);
      from.on('data', (data) => {
        seen = (seen + data.toString('latin1')).slice(-10_000);
        if (when.test(seen)) {
          wasCut = true;
          cut();
        } else to.write(data);
      });
    }
  });
  const listen = async () => {
    while (!closed && !existsSync(told)) await sleep(20);
    if (!closed) server.listen(`${readFileSync(told, 'utf8')}/${socket}`);
  };
  void listen();
  return {
    bin,
    cut: () => wasCut,
    close: () => {
      closed = true;
      for (const one of sockets) one.destroy();
      server.close();
    },
  };
}
