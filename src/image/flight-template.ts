import * as v from 'valibot';
import { parseJson } from '../quiesce/parse-json.js';
import type { TableTemplate } from './table-data.js';

/** What the table says in words, so that a flight record can name its policy and rules. */
export interface FlightTemplate extends TableTemplate {
  /** Whether the table's ticks were computed with the frequency of the machine's TSC; without it, not known. */
  readonly tsc?: 'measured' | 'assumed' | undefined;
}

// A later tool may add keys.
const templateSchema = v.object({
  tool: v.string(),
  policy: v.object({ name: v.string(), sha256: v.string() }),
  rules: v.array(v.string()),
  tsc: v.optional(v.picklist(['measured', 'assumed'])),
});

/** Reads the template of a flight record: JSON, padded with spaces. `name` is what messages call it. Throws `bad-input`. */
export function parseTemplate(bytes: Uint8Array, name: string): FlightTemplate {
  return parseJson(templateSchema, new TextDecoder().decode(bytes), name, 'flight record: its template');
}
