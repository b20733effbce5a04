/** One entry of an archive that Linux unpacks as its initial file system. */
export type CpioEntry =
  | {
      readonly path: string;
      readonly kind: 'file';
      readonly bytes: Uint8Array;
      readonly executable?: boolean;
    }
  | { readonly path: string; readonly kind: 'folder' }
  | { readonly path: string; readonly kind: 'link'; readonly target: string }
  | { readonly path: string; readonly kind: 'device'; readonly major: number; readonly minor: number };

const S_IFREG = 0o100000;
const S_IFDIR = 0o040000;
const S_IFLNK = 0o120000;
const S_IFCHR = 0o020000;
const HEADER_BYTES = 110;

/**
 * A `newc` archive (Linux: Documentation/driver-api/early-userspace/buffer-format.rst) of these entries in the given
 * order, with the folders that they need and nothing of the machine that makes it: the same entries give the same
 * bytes. Paths are relative; owner is root, all times are 0.
 */
export function cpioArchive(entries: readonly CpioEntry[]): Uint8Array {
  const all = withFolders(entries);
  const parts = all.flatMap((entry, i) => record(entry, i + 1));
  parts.push(...record({ path: 'TRAILER!!!', kind: 'file', bytes: new Uint8Array() }, 0));
  return Buffer.concat(parts);
}

/** Linux creates no parents by itself: each folder comes before what is in it, once. */
function withFolders(entries: readonly CpioEntry[]): CpioEntry[] {
  const seen = new Set<string>();
  const all: CpioEntry[] = [];
  for (const entry of entries) {
    const names = entry.path.split('/');
    if (names.some((name) => name === '' || name === '.' || name === '..')) {
      throw new RangeError(`not a path for an archive: ${entry.path}`);
    }
    for (let depth = 1; depth < names.length; depth++)
      add({ path: names.slice(0, depth).join('/'), kind: 'folder' });
    add(entry);
  }
  return all;

  function add(entry: CpioEntry): void {
    if (seen.has(entry.path)) {
      if (entry.kind === 'folder') return;
      throw new RangeError(`twice in one archive: ${entry.path}`);
    }
    seen.add(entry.path);
    all.push(entry);
  }
}

function record(entry: CpioEntry, inode: number): Uint8Array[] {
  const name = Buffer.from(`${entry.path}\0`);
  const data = contentOf(entry);
  const device = entry.kind === 'device' ? entry : { major: 0, minor: 0 };
  const links = entry.kind === 'folder' ? 2 : 1;
  const fields = [
    inode,
    inode === 0 ? 0 : modeOf(entry),
    0, // uid
    0, // gid
    links,
    0, // mtime
    data.length,
    0, // the device that the file is on
    0,
    device.major,
    device.minor,
    name.length,
    0, // checksum: only the format `crc` has one
  ];
  const header = Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}`);
  return [header, name, padding(HEADER_BYTES + name.length), data, padding(data.length)];
}

function contentOf(entry: CpioEntry): Uint8Array {
  if (entry.kind === 'file') return entry.bytes;
  return entry.kind === 'link' ? Buffer.from(entry.target) : new Uint8Array();
}

function modeOf(entry: CpioEntry): number {
  switch (entry.kind) {
    case 'file':
      return S_IFREG | (entry.executable ? 0o755 : 0o644);
    case 'folder':
      return S_IFDIR | 0o755;
    case 'link':
      return S_IFLNK | 0o777;
    case 'device':
      return S_IFCHR | 0o600;
  }
}

/** Names and contents are padded so that what follows starts at a multiple of 4. */
function padding(length: number): Uint8Array {
  return new Uint8Array((4 - (length % 4)) % 4);
}
