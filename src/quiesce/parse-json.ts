import * as v from 'valibot';
import { ShootdownError } from '../pci/error.js';
import { brief, briefMiddle, printable } from '../pci/printable.js';
import { jsonMistake } from './json-mistake.js';

/**
 * Parses JSON against a schema; the error names the place in the file and what belongs there. `beside` may have more to
 * say of a place.
 */
export function parseJson<S extends v.GenericSchema>(
  schema: S,
  json: string,
  name: string,
  what: string,
  beside: (place: string) => string = () => '',
): v.InferOutput<S> {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw notJson(name, json, cause as Error);
  }
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  for (const { input, path, type, expected } of result.issues) {
    if (type === 'literal' && path?.length === 1 && path[0]?.key === 'schema' && isNewer(input, expected)) {
      const message = `${name}: its schema is ${brief(String(input))}: read it with a newer shootdown`;
      throw new ShootdownError('bad-input', printable(message));
    }
  }
  const lines = result.issues.slice(0, 5).map((issue) => {
    const path = v.getDotPath(issue);
    return path === null
      ? `the file as a whole: ${explain(issue)}`
      : `${brief(path)}: ${explain(issue)}${beside(path)}`;
  });
  const more = result.issues.length - lines.length;
  if (more > 0) lines.push(`and ${more} more`);
  throw new ShootdownError('bad-input', printable(`${name}: not a valid ${what}: ${lines.join('; ')}`));
}

/** The same schema with a greater number than the one that is expected, which stands in quotes. */
function isNewer(given: unknown, expected: string | null): boolean {
  const schema = /^(.+\/)(\d{1,6})$/;
  const [, name, number] = schema.exec(String(given)) ?? [];
  const [, known, ours] = schema.exec(expected?.slice(1, -1) ?? '') ?? [];
  return name !== undefined && name === known && Number(number) > Number(ours);
}

function notJson(name: string, json: string, cause: Error): ShootdownError {
  const found = jsonMistake(json);
  const what = found ? `line ${found.line}, column ${found.column}: ${found.text}` : cause.message;
  return new ShootdownError('bad-input', `${name}: not JSON: ${printable(what)}`, { cause });
}

function explain(issue: v.BaseIssue<unknown>): string {
  if (issue.type === 'strict_object' && issue.expected === 'never') return 'is not a key that is known here';
  if (issue.received === 'undefined') return 'is missing';
  if (issue.type === 'picklist' || issue.type === 'literal') {
    return `is ${brief(issue.received)}, must be ${issue.expected ?? ''}`;
  }
  return briefMiddle(issue.message);
}
