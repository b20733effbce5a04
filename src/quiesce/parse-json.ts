import * as v from 'valibot';
import { ShootdownError } from '../pci/error.js';
import { printable } from '../pci/printable.js';

/** Parses JSON against a schema; the error names the place in the file and what belongs there. */
export function parseJson<S extends v.GenericSchema>(
  schema: S,
  json: string,
  name: string,
  what: string,
): v.InferOutput<S> {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new ShootdownError('bad-input', `${name}: not JSON: ${printable((cause as Error).message)}`, {
      cause,
    });
  }
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const lines = result.issues.slice(0, 5).map((issue) => {
    const path = v.getDotPath(issue);
    return `${path === null ? 'the file as a whole' : path}: ${explain(issue)}`;
  });
  const more = result.issues.length - lines.length;
  if (more > 0) lines.push(`and ${more} more`);
  throw new ShootdownError('bad-input', printable(`${name}: not a valid ${what}: ${lines.join('; ')}`));
}

function explain(issue: v.BaseIssue<unknown>): string {
  if (issue.type === 'strict_object' && issue.expected === 'never') return 'is not a key that is known here';
  if (issue.received === 'undefined') return 'is missing';
  if (issue.type === 'picklist' || issue.type === 'literal') {
    return `is ${issue.received}, must be ${issue.expected ?? ''}`;
  }
  return issue.message;
}
