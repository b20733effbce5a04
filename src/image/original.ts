import { createHash } from 'node:crypto';
import * as v from 'valibot';
import { ShootdownError } from '../pci/error.js';
import { parseJson } from '../quiesce/parse-json.js';
import { VERSION } from '../version.js';

/**
 * What `unwrap` needs: JSON as below, a zero byte, and what the original had behind its protected-mode code (the
 * certificate table).
 */
const schema = v.strictObject({
  tool: v.string(),
  /** Of the original file. */
  length: v.pipe(v.number(), v.integer(), v.minValue(0)),
  sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)),
  /** So many bytes from its start are in the wrapped file, at the same place. */
  kept: v.pipe(v.number(), v.integer(), v.minValue(0)),
  patches: v.pipe(
    v.array(
      v.strictObject({
        offset: v.pipe(v.number(), v.integer(), v.minValue(0)),
        bytes: v.pipe(v.string(), v.regex(/^([0-9a-f]{2}){1,256}$/)),
      }),
    ),
    v.maxLength(16),
  ),
});
export type OriginalInfo = v.InferOutput<typeof schema>;

/** `ranges` are those that will change: `[offset, length]`. */
export function encodeOriginal(
  image: Uint8Array,
  kept: number,
  ranges: readonly (readonly [number, number])[],
): Uint8Array {
  const info: OriginalInfo = {
    tool: VERSION,
    length: image.length,
    sha256: sha256(image),
    kept,
    patches: ranges.map(([offset, length]) => ({
      offset,
      bytes: Buffer.from(image.subarray(offset, offset + length)).toString('hex'),
    })),
  };
  return Buffer.concat([Buffer.from(`${JSON.stringify(info)}\0`), image.subarray(kept)]);
}

export function decodeOriginal(data: Uint8Array): { info: OriginalInfo; rest: Uint8Array } {
  const end = data.indexOf(0);
  if (end < 0) throw damaged('what it says of the original has no end');
  const info = parseJson(
    schema,
    Buffer.from(data.subarray(0, end)).toString('utf8'),
    'the stub',
    'description',
  );
  return { info, rest: data.subarray(end + 1) };
}

/** The original, verified. `limit`: bytes of the wrapped file before the stub's block. */
export function restoreOriginal(wrapped: Uint8Array, data: Uint8Array, limit: number): Uint8Array {
  const { info, rest } = decodeOriginal(data);
  if (info.kept > limit || info.length < info.kept || info.length - info.kept > rest.length) {
    throw damaged('the parts of the original do not add up');
  }
  const original = Buffer.concat([wrapped.subarray(0, info.kept), rest.subarray(0, info.length - info.kept)]);
  for (const { offset, bytes } of info.patches) {
    const patch = Buffer.from(bytes, 'hex');
    if (offset + patch.length > info.kept) throw damaged('a part of the original lies outside of it');
    original.set(patch, offset);
  }
  if (sha256(original) !== info.sha256) {
    throw damaged(`the result does not have the original's SHA-256 ${info.sha256}`);
  }
  return original;
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function damaged(what: string): ShootdownError {
  return new ShootdownError(
    'bad-input',
    `the wrapped kernel was changed or damaged (${what}): take the original from its package`,
  );
}
