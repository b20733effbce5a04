import { attempt, readLines, type SysfsFiles } from './sysfs-files.js';

/** A line of /proc/PID/mountinfo, as far as it says what a file system lies on. */
export interface Mount {
  /** `major:minor`; major 0 for what has no block device of its own: btrfs, overlay, nfs, tmpfs. */
  readonly number: string;
  readonly at: string;
  readonly type: string;
  readonly source: string;
  readonly options: string;
}

export function readMounts(files: SysfsFiles, procRoot: string): readonly Mount[] {
  const lines = attempt(() => readLines(files, `${procRoot}/self/mountinfo`)) ?? [];
  return lines.map(parseMount).filter((mount) => mount !== undefined);
}

function parseMount(line: string): Mount | undefined {
  const [left, right] = line.split(' - ');
  const number = left?.split(' ')[2];
  const at = left?.split(' ')[4];
  const [type, source, options] = right?.split(' ') ?? [];
  if (number === undefined || at === undefined || type === undefined) return undefined;
  return { number, at: unescapeOctal(at), type, source: unescapeOctal(source ?? ''), options: options ?? '' };
}

/** Spaces and their like are written as `\040`. */
export function unescapeOctal(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}

/** The mount that shows at a path: the last one at the longest folder above it. */
export function mountOf(mounts: readonly Mount[], path: string): Mount | undefined {
  let best: Mount | undefined;
  for (const mount of mounts) {
    const under = mount.at === '/' || path === mount.at || path.startsWith(`${mount.at}/`);
    if (under && mount.at.length >= (best?.at.length ?? 0)) best = mount;
  }
  return best;
}
