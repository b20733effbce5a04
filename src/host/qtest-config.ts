import type { Width } from './port.js';
import { inCommand, outCommand, peekCommand, pokeCommand, type QtestClient } from './qtest-client.js';

/** A routing ID: bus, device and function in 16 bits. */
export type RoutingId = number & { readonly __brand: 'RoutingId' };

export interface ConfigTarget {
  readonly id: RoutingId;
  readonly offset: number;
}

/** Configuration space of segment 0 over one of the two ways that a PC has. Nothing is checked here. */
export interface ConfigAccess {
  readonly kind: 'ports' | 'ecam';
  /** How far it can see, and how many buses. */
  readonly bytes: 256 | 4096;
  readonly buses: number;
  read(target: ConfigTarget, width: Width): Promise<number>;
  write(target: ConfigTarget, width: Width, value: number): Promise<void>;
  /** One dword of each target, in one batch. */
  dwords(targets: readonly ConfigTarget[]): Promise<number[]>;
  range(target: ConfigTarget, length: number): Promise<Uint8Array>;
}

export function routingId(bus: number, device: number, fn: number): RoutingId {
  return ((bus << 8) | (device << 3) | fn) as RoutingId;
}

const HOST_BRIDGE = routingId(0, 0, 0);
/** Intel 82G33 and Q35, the host bridge of `-M q35`. */
const Q35_IDS = 0x29c0_8086;
/** Intel 3 Series datasheet 5.1.16: base address, length and enable of the memory-mapped space. */
const Q35_PCIEXBAR = 0x60;
const PCIEXBAR_ENABLE = 1;
const PCIEXBAR_BUSES: readonly number[] = [256, 128, 64, 0];

/**
 * The memory-mapped way where the machine is a q35 whose firmware has enabled it, else ports; and what should be said
 * about that.
 */
export async function openConfig(
  client: QtestClient,
  want: 'auto' | 'ports' = 'auto',
): Promise<{ config: ConfigAccess; note: string | undefined }> {
  const ports = portAccess(client);
  const targets = [0, Q35_PCIEXBAR, Q35_PCIEXBAR + 4].map((offset) => ({ id: HOST_BRIDGE, offset }));
  const [ids, low = 0, high = 0] = await ports.dwords(targets);
  if (want === 'ports' || ids !== Q35_IDS) return { config: ports, note: undefined };
  const buses = PCIEXBAR_BUSES[(low >>> 1) & 3] ?? 0;
  if ((low & PCIEXBAR_ENABLE) === 0 || buses === 0) {
    const note = `${client.name}: firmware has not enabled ECAM (yet): only 256 bytes of each function can be seen`;
    return { config: ports, note };
  }
  const size = BigInt(buses) << 20n;
  const base = ((BigInt(high & 0xf) << 32n) | BigInt(low)) & ~(size - 1n);
  return { config: ecamAccess(client, base, buses), note: undefined };
}

const CONFIG_ADDRESS = 0xcf8; // PCI 3.2.2.3.2
const CONFIG_DATA = 0xcfc;

function portAccess(client: QtestClient): ConfigAccess {
  // The address is written each time, in one batch with the access: firmware uses the same two ports.
  const select = ({ id, offset }: ConfigTarget) =>
    outCommand(CONFIG_ADDRESS, 4, (0x8000_0000 | (id << 8) | (offset & 0xfc)) >>> 0);
  const data = (offset: number) => CONFIG_DATA + (offset & 3);
  const dwords = async (targets: readonly ConfigTarget[]): Promise<number[]> => {
    const answers = await client.batch(
      targets.flatMap((target) => [select(target), inCommand(CONFIG_DATA, 4)]),
    );
    return answers.filter((_, at) => at % 2 === 1).map((answer) => client.number(answer));
  };
  return {
    kind: 'ports',
    bytes: 256,
    buses: 256,
    dwords,
    async read(target, width) {
      const [, answer = ''] = await client.batch([select(target), inCommand(data(target.offset), width)]);
      return client.number(answer);
    },
    async write(target, width, value) {
      await client.batch([select(target), outCommand(data(target.offset), width, value)]);
    },
    async range({ id, offset }, length) {
      const first = offset & ~3;
      const targets: ConfigTarget[] = [];
      for (let at = first; at < offset + length; at += 4) targets.push({ id, offset: at });
      const bytes = new Uint8Array(targets.length * 4);
      const view = new DataView(bytes.buffer);
      (await dwords(targets)).forEach((value, at) => {
        view.setUint32(at * 4, value, true);
      });
      return bytes.slice(offset - first, offset - first + length);
    },
  };
}

function ecamAccess(client: QtestClient, base: bigint, buses: number): ConfigAccess {
  const address = ({ id, offset }: ConfigTarget) => base + (BigInt(id) << 12n) + BigInt(offset);
  return {
    kind: 'ecam',
    bytes: 4096,
    buses,
    async dwords(targets) {
      const answers = await client.batch(targets.map((target) => peekCommand(address(target), 4)));
      return answers.map((answer) => client.number(answer));
    },
    read: async (target, width) => client.number(await client.ask(peekCommand(address(target), width))),
    write: async (target, width, value) => {
      await client.ask(pokeCommand(address(target), width, value));
    },
    range: (target, length) => client.readMemory(address(target), length),
  };
}
