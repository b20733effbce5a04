import type { Clock } from '../host/clock.js';
import { parseMac } from './frames.js';
import type { Guest } from './guest.js';
import type { FrameSource } from './qemu-net.js';

const TIMEOUT_MS = 30_000;
const INTERVAL_MS = 250;
const BROADCAST = parseMac('ff:ff:ff:ff:ff:ff');
const OUR_MAC = parseMac('02:53:48:4f:54:02');
/** RFC 5737: addresses for documentation. */
const OUR_ADDRESS = [192, 0, 2, 1];
const GUEST_ADDRESS = [192, 0, 2, 2];
const ETHERTYPE_ARP = 0x0806;
const ARP_REQUEST = 1;
const ARP_REPLY = 2;
// RFC 826, behind the Ethernet header of 14 bytes
const OPERATION = 14 + 6;
const SENDER = 14 + 8;

/** Whether the guest answers through its card, whose driver has just been loaded: a request in, a reply out. */
export async function nicAnswers(guest: Guest, source: FrameSource, clock: Clock): Promise<boolean> {
  await guest.must(`ip addr add ${GUEST_ADDRESS.join('.')}/24 dev eth0 && ip link set eth0 up`);
  let answered = false;
  source.onFrame = (frame) => {
    answered ||= isAnswer(Buffer.from(frame));
  };
  const deadline = clock.now() + TIMEOUT_MS;
  while (!answered && clock.now() < deadline) {
    await source.send(request());
    await clock.sleep(INTERVAL_MS);
  }
  source.onFrame = undefined;
  return answered;
}

function request(): Uint8Array {
  const frame = Buffer.alloc(64);
  frame.set(BROADCAST, 0);
  frame.set(OUR_MAC, 6);
  frame.writeUInt16BE(ETHERTYPE_ARP, 12);
  // Ethernet, IPv4, lengths of their addresses
  frame.set([0, 1, 8, 0, 6, 4], 14);
  frame.writeUInt16BE(ARP_REQUEST, OPERATION);
  frame.set([...OUR_MAC, ...OUR_ADDRESS], SENDER);
  frame.set(GUEST_ADDRESS, SENDER + 16);
  return frame;
}

function isAnswer(frame: Buffer): boolean {
  if (frame.length < 42 || frame.readUInt16BE(12) !== ETHERTYPE_ARP) return false;
  return (
    frame.readUInt16BE(OPERATION) === ARP_REPLY &&
    GUEST_ADDRESS.every((byte, i) => frame[SENDER + 6 + i] === byte)
  );
}
