import * as v from 'valibot';
import type { Slot } from '../pci/slot.js';

// What the schemas of files and of JSON outputs have in common.

/** A schema's values as those who make and read them see them: nothing in them is changed. */
export type Data<S extends v.GenericSchema> = Deep<v.InferOutput<S>>;
type Deep<T> = T extends string | number | boolean | null | undefined
  ? T
  : { readonly [K in keyof T]: Deep<T[K]> };

/** As `formatSlot` writes it: a domain of more than four digits does not begin with 0. */
const SLOT = /^([0-9a-f]{4}|[1-9a-f][0-9a-f]{4,7}):[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$/;

export const slot = v.pipe(
  v.string(),
  v.regex(SLOT, 'is not a full slot, as in 0000:00:1f.2'),
  v.transform((text) => text as Slot),
);
export const uint = (max: number) => v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(max));
/** How many there are of something. */
export const count = v.pipe(v.number(), v.integer(), v.minValue(0));
export const hexadecimal = (digits: number) =>
  v.pipe(v.string(), v.regex(new RegExp(`^[0-9a-f]{${digits}}$`), `must be ${digits} hexadecimal digits`));
export const sha256 = v.pipe(
  v.string(),
  v.regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in 64 lower-case hexadecimal digits'),
);
export const flag = v.nullable(v.boolean());
export const name = v.nullable(v.string());
