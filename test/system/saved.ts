import type { Disk } from './disk.js';

/** A dump that kdump-tools has saved, with whatever else lies in its folder. */
export interface SavedDump {
  /** In the guest. */
  readonly folder: string;
  readonly names: readonly string[];
  readonly bytes: number;
  /** What the dump begins with, up to its first NUL. */
  readonly header: string;
  /** The crashed kernel's log. */
  readonly dmesg: string;
}

const CRASH_FOLDER = '/var/crash';
/** kdump-tools' names for a folder, and for a dump that is complete. */
const STAMP = /^\d{12}$/;
const DUMP = /^(dump|vmcore)\.\d+$/;

/** Dumps that are complete, oldest first. */
export async function savedDumps(disk: Disk): Promise<readonly SavedDump[]> {
  const dumps: SavedDump[] = [];
  for (const { name: stamp } of await disk.list(CRASH_FOLDER)) {
    if (!STAMP.test(stamp)) continue;
    const folder = `${CRASH_FOLDER}/${stamp}`;
    const entries = await disk.list(folder);
    const dump = entries.find(({ name }) => DUMP.test(name));
    if (dump === undefined) continue;
    const bytes = await disk.read(`${folder}/${dump.name}`);
    dumps.push({
      folder,
      names: entries.map(({ name }) => name),
      bytes: dump.bytes,
      header: bytes.subarray(0, Math.max(bytes.indexOf(0), 0)).toString('latin1'),
      dmesg: await disk.text(`${folder}/dmesg.${stamp}`),
    });
  }
  return dumps;
}
