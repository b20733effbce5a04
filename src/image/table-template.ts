import * as v from 'valibot';
import { parseJson } from '../quiesce/parse-json.js';
import type { TableTemplate } from './table-data.js';

// A later tool may add keys.
const templateSchema = v.object({
  tool: v.string(),
  policy: v.object({ name: v.string(), sha256: v.string() }),
  rules: v.array(v.string()),
  tsc: v.optional(v.picklist(['measured', 'assumed'])),
});

/** Reads the template of a table or a flight record: JSON, padded with spaces. `name` is what messages call it. Throws `bad-input`. */
export function parseTemplate(bytes: Uint8Array, name: string): TableTemplate {
  return parseJson(templateSchema, new TextDecoder().decode(bytes), name, 'template');
}
