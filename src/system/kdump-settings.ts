import { PLACES_OF } from './places.js';
import { readTextOf, type System } from './system.js';

/** What /etc/default/kdump-tools says, as far as it can be read without running it. */
export interface KdumpSettings {
  /** USE_KDUMP is there and not 0. */
  readonly on: boolean;
  /** Where dumps go. */
  readonly coredir: string;
  /** Dumps go to another machine: NFS, SSH or FTP is set. */
  readonly remote: boolean;
  /** As set by hand, before our line; `''` if not. */
  readonly kernel: string;
  readonly initrd: string;
  /** The folder of the script that our line calls; `null` if there is no such line. */
  readonly lib: string | null;
  /** KDUMP_KERNEL is set again behind our line. */
  readonly overridden: boolean;
  /** What stands before our line, or where it would be added, ends in a backslash: the two are one line. */
  readonly continued: boolean;
}

/** The line that is added to /etc/default/kdump-tools. A script that breaks prints nothing, and the plain kernel is loaded. */
export function kdumpLine(lib: string): string {
  return `eval "$(${lib}/kdump-kernel 2>/dev/null)" || : # shootdown`;
}

/** `kdumpLine`, whatever its folder. */
export const KDUMP_LINE = /^eval "\$\((\/\S+)\/kdump-kernel 2>\/dev\/null\)" \|\| : # shootdown$/m;

export function readKdumpSettings(system: Pick<System, 'read'>): KdumpSettings {
  return parseKdumpSettings(readTextOf(system, PLACES_OF.kdumpDefaults) ?? '');
}

/** Only plain assignments count, the last of each name; what a script in it computes is not known. */
export function parseKdumpSettings(text: string): KdumpSettings {
  const ours = KDUMP_LINE.exec(text);
  const above = ours ? text.slice(0, ours.index) : text;
  const before = assignments(above);
  const after = assignments(ours ? text.slice(ours.index + ours[0].length) : '');
  const value = (name: string) => after.get(name) ?? before.get(name) ?? '';
  return {
    on: !['', '0'].includes(value('USE_KDUMP')),
    coredir: value('KDUMP_COREDIR').replace(/(.)\/+$/, '$1') || '/var/crash',
    remote: ['NFS', 'SSH', 'FTP'].some((name) => value(name) !== ''),
    kernel: before.get('KDUMP_KERNEL') ?? '',
    initrd: value('KDUMP_INITRD'),
    lib: ours?.[1] ?? null,
    overridden: after.has('KDUMP_KERNEL'),
    // A comment goes on in systemd's eyes, too, which looks for no more than assignments.
    continued: /(^|\n)(?![ \t]*#)[^\n]*(?<!\\)(\\\\)*\\\n?$/.test(above),
  };
}

/** Of a file of shell variables: `NAME=value`, `NAME="value"` or `NAME='value'`. */
export function assignments(text: string): ReadonlyMap<string, string> {
  const found = text.matchAll(/^[ \t]*(?:export[ \t]+)?(\w+)=(?:"([^"\n]*)"|'([^'\n]*)'|([^\s#;]*))/gm);
  return new Map(
    [...found].map(([, name = '', double, single, plain]) => [name, double ?? single ?? plain ?? '']),
  );
}
