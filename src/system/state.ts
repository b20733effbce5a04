import * as v from 'valibot';
import { ShootdownError } from '../pci/error.js';
import { parseJson } from '../quiesce/parse-json.js';
import { attempt } from './attempt.js';
import { PLACES_OF } from './places.js';
import { readTextOf, type System } from './system.js';

export const PARTS = ['kdump', 'kexec', 'hook'] as const;
export type Part = (typeof PARTS)[number];
export const GENERATORS = ['initramfs-tools', 'dracut'] as const;
export type Generator = (typeof GENERATORS)[number];

const absolute = v.pipe(v.string(), v.startsWith('/', 'must be an absolute path'));
const digest = v.pipe(
  v.string(),
  v.regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in 64 lower-case hexadecimal digits'),
);

/** @internal */
export const installSchema = v.strictObject({
  schema: v.literal('shootdown.install/1'),
  parts: v.strictObject({
    kdump: v.optional(v.strictObject({})),
    kexec: v.optional(v.strictObject({})),
    hook: v.optional(
      v.strictObject({ when: v.picklist(['crash', 'always']), generator: v.picklist(GENERATORS) }),
    ),
  }),
  policy: v.nullable(absolute),
  sign: v.nullable(v.strictObject({ key: absolute, cert: absolute })),
});

/** What was asked of `install`: /etc/shootdown/install.json, schema `shootdown.install/1`. */
export type Install = v.InferOutput<typeof installSchema>;
export type Hook = NonNullable<Install['parts']['hook']>;

/** @internal */
export const kernelSchema = v.strictObject({
  schema: v.literal('shootdown.kernel/1'),
  original: v.strictObject({ path: absolute, sha256: digest }),
  /** Of the wrapped file, signature and all. */
  wrapped: v.strictObject({ sha256: digest }),
  /** The version that wrapped it. */
  tool: v.string(),
  policy: v.strictObject({ name: v.string(), sha256: v.string() }),
  /** `fingerprint` of the machine it was wrapped for. */
  machine: v.string(),
  /** SHA-256 of the certificate that it was signed for; `null` if it was not signed. */
  cert: v.nullable(digest),
  made: v.pipe(v.string(), v.isoTimestamp('must be a time as in 2026-01-31T12:00:00.000Z')),
});

/** What a wrapped kernel was made from: kernels/vmlinuz-V.json, schema `shootdown.kernel/1`. */
export type KernelRecord = v.InferOutput<typeof kernelSchema>;

const owner = { uid: v.number(), gid: v.number() };
const beforeSchema = v.variant('kind', [
  v.strictObject({ kind: v.literal('absent') }),
  v.strictObject({
    kind: v.literal('file'),
    sha256: digest,
    mode: v.number(),
    ...owner,
    /** `null` where it can be told without: a line was added. */
    backup: v.nullable(absolute),
  }),
  v.strictObject({ kind: v.literal('link'), target: v.string() }),
]);
/** What lay at a path before `install`. */
export type Before = v.InferOutput<typeof beforeSchema>;

const parts = v.pipe(v.array(v.picklist(PARTS)), v.minLength(1));
const placed = {
  /** Who needs it; it is undone with the last of them. */
  parts,
  path: absolute,
  before: beforeSchema,
  /** Made for it, the outermost first. */
  folders: v.array(absolute),
};
const command = v.strictObject({ command: v.string(), args: v.array(v.string()) });
const entrySchema = v.variant('kind', [
  v.strictObject({
    kind: v.literal('file'),
    ...placed,
    /** What is ours there: while it is being replaced, the new one and the old one. */
    after: v.pipe(v.array(digest), v.minLength(1)),
    mode: v.number(),
    /** Its content is nobody's work: it goes whatever is in it. */
    generated: v.boolean(),
  }),
  v.strictObject({
    kind: v.literal('line'),
    ...placed,
    line: v.string(),
    /** The file's last line had no end, and was given one. */
    ended: v.boolean(),
  }),
  v.strictObject({ kind: v.literal('link'), ...placed, target: v.string() }),
  v.strictObject({
    kind: v.literal('command'),
    parts,
    ...command.entries,
    why: v.string(),
    /** Run after what was done is undone. */
    undo: v.nullable(command),
    /** Without this file there is nothing to undo: the kernel is gone, say. */
    about: v.nullable(absolute),
    /** It has ended well since the last change. */
    done: v.boolean(),
  }),
]);
/** One thing that `install` did, or is about to do. */
export type ChangeEntry = v.InferOutput<typeof entrySchema>;
export type CommandEntry = Extract<ChangeEntry, { kind: 'command' }>;
export type PlacedEntry = Exclude<ChangeEntry, CommandEntry>;

/** @internal */
export const changesSchema = v.strictObject({
  schema: v.literal('shootdown.changes/1'),
  tool: v.string(),
  entries: v.array(entrySchema),
});

/** What `install` changed, in that order: /var/lib/shootdown/changes.json, schema `shootdown.changes/1`. */
export type ChangeJournal = v.InferOutput<typeof changesSchema>;

/** Throws `bad-input` with what is wrong and where. */
function parseInstall(json: string, name: string): Install {
  return parseJson(installSchema, json, name, 'install.json of shootdown');
}

/** As `parseInstall`. */
function parseKernelRecord(json: string, name: string): KernelRecord {
  return parseJson(kernelSchema, json, name, 'record of a wrapped kernel');
}

/** As `parseInstall`. */
function parseChanges(json: string, name: string): ChangeJournal {
  return parseJson(changesSchema, json, name, 'list of changes');
}

/** What was asked of `install`; `undefined` if nothing was, or it was taken back. Throws as `parseInstall`. */
export function readInstall(system: Pick<System, 'read'>): Install | undefined {
  const text = readTextOf(system, PLACES_OF.install);
  return text === undefined ? undefined : withAdvice(() => parseInstall(text, PLACES_OF.install));
}

/** As `readInstall`; `undefined` also for one that is damaged or cannot be read. */
export function readInstallIfSound(system: Pick<System, 'read'>): Install | undefined {
  const install = attempt(() => readInstall(system));
  return install instanceof ShootdownError ? undefined : install;
}

/** What `install` changed; `undefined` if the list is not there. Throws as `parseInstall`. */
export function readChanges(system: Pick<System, 'read'>): ChangeJournal | undefined {
  const text = readTextOf(system, PLACES_OF.changes);
  return text === undefined ? undefined : parseChanges(text, PLACES_OF.changes);
}

/** What the wrapped kernel of this version was made from; `undefined` if that is not there. Throws as `parseInstall`. */
export function readKernelRecord(system: Pick<System, 'read'>, version: string): KernelRecord | undefined {
  const { record } = kernelFiles(version);
  const text = readTextOf(system, record);
  return text === undefined ? undefined : parseKernelRecord(text, record);
}

/** The initramfs that kdump-tools makes for itself. */
export function kdumpInitrd(version: string): string {
  return `${PLACES_OF.kdumpState}/initrd.img-${version}`;
}

/** The files of the kernel of this version, as in `uname -r`. */
export function kernelFiles(version: string): {
  /** What the distribution put there. */
  readonly original: string;
  readonly wrapped: string;
  /** Of both, in sha256sum's format. */
  readonly sums: string;
  readonly record: string;
} {
  const wrapped = `${PLACES_OF.kernels}/vmlinuz-${version}`;
  return {
    original: `${PLACES_OF.boot}/vmlinuz-${version}`,
    wrapped,
    sums: `${wrapped}.sha256`,
    record: `${wrapped}.json`,
  };
}

export function stateText(value: Install | KernelRecord | ChangeJournal): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

function withAdvice<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof ShootdownError) || error.code !== 'bad-input') throw error;
    const message = `${error.message}; shootdown uninstall all removes it, then install again`;
    throw new ShootdownError('bad-input', message, { cause: error });
  }
}
