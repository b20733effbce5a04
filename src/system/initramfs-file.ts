import { gunzipSync } from 'node:zlib';
import { ShootdownError } from '../pci/error.js';
import { failureText } from './run-command.js';
import type { System } from './system.js';

const HEADER_BYTES = 110;
/** Unpacked; far more than any. */
const UNPACKED_MAX = 480 * 1024 * 1024;

/** By the first bytes, as Linux tells them apart (lib/decompress.c): the program that unpacks the rest of the file. */
const PACKERS: readonly { readonly magic: readonly number[]; readonly unpack: readonly string[] | null }[] = [
  { magic: [0x1f, 0x8b], unpack: null },
  { magic: [0x28, 0xb5, 0x2f, 0xfd], unpack: ['zstd', '-dcq'] },
  { magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a], unpack: ['xz', '-dcq'] },
  { magic: [0x02, 0x21, 0x4c, 0x18], unpack: ['lz4', '-dcq'] },
  { magic: [0x5d, 0x00, 0x00], unpack: ['xz', '-dcq', '--format=lzma'] },
  { magic: [0x42, 0x5a, 0x68], unpack: ['bzip2', '-dcq'] },
];

/**
 * The files of an initramfs with these paths (relative), as far as they are in it, unpacked in memory: Linux takes
 * archives in a row, of which the last may be compressed (Documentation/driver-api/early-userspace/buffer-format.rst).
 * `undefined` if the image is not there; throws `bad-input` for one that is damaged, `unsupported` where it cannot be told.
 */
export async function initramfsFiles(
  system: System,
  path: string,
  wanted: readonly string[],
): Promise<ReadonlyMap<string, Buffer> | undefined> {
  const image = system.read(path);
  if (!image) return undefined;
  const found = new Map<string, Buffer>();
  const at = takeArchives(path, image, 0, wanted, found);
  if (at < image.length) takeArchives(path, await unpacked(system, path, image, at), 0, wanted, found);
  return found;
}

/** Notes wanted files of plain archives from `at` on, and returns where something else begins. */
function takeArchives(
  path: string,
  bytes: Buffer,
  at: number,
  wanted: readonly string[],
  found: Map<string, Buffer>,
): number {
  let here = at;
  for (;;) {
    while (here < bytes.length && bytes[here] === 0) here++;
    if (!/^07070[12]/.test(bytes.toString('latin1', here, here + 6))) return here;
    // Headers, names and contents begin at multiples of 4.
    const size = field(bytes, here, 6);
    const nameBytes = field(bytes, here, 11);
    const name = bytes.toString('utf8', here + HEADER_BYTES, here + HEADER_BYTES + nameBytes - 1);
    const data = align(here + HEADER_BYTES + nameBytes);
    if (!(nameBytes > 0) || !(size >= 0) || data + size > bytes.length)
      throw new ShootdownError('bad-input', `${path} is damaged: it ends within an archive`);
    const plain = name.replace(/^\.?\/+/, '');
    if (wanted.includes(plain)) found.set(plain, bytes.subarray(data, data + size));
    here = align(data + size);
  }
}

function field(bytes: Buffer, header: number, n: number): number {
  const at = header + 6 + 8 * n;
  return Number.parseInt(bytes.toString('latin1', at, at + 8), 16);
}

const align = (at: number) => (at + 3) & ~3;

async function unpacked(system: System, path: string, image: Buffer, at: number): Promise<Buffer> {
  const packer = PACKERS.find(({ magic }) => magic.every((byte, n) => image[at + n] === byte));
  if (!packer) throw new ShootdownError('unsupported', `${path}: its format is not known here`);
  if (!packer.unpack) {
    try {
      return gunzipSync(image.subarray(at), { maxOutputLength: UNPACKED_MAX });
    } catch (cause) {
      throw new ShootdownError('bad-input', `${path} cannot be unpacked: ${(cause as Error).message}`, {
        cause,
      });
    }
  }
  const [program = ''] = packer.unpack;
  const script = `tail -c +${at + 1} -- "$0" | "$@"`;
  const result = await system.run('sh', ['-c', script, system.locate(path), ...packer.unpack], {
    timeoutMs: 60_000,
    bytes: true,
    outputMax: UNPACKED_MAX,
  });
  if (result.status === 0) return Buffer.from(result.stdout, 'latin1');
  if (result.status === 127)
    throw new ShootdownError('unsupported', `${path} cannot be looked into: ${program} is not installed`);
  throw new ShootdownError(
    'bad-input',
    `${path} cannot be unpacked: ${failureText({ ...result, stdout: '' })}`,
  );
}
