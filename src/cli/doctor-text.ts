import type { Data } from '../quiesce/schema-parts.js';
import { paragraph, type Style, table } from '../report/table.js';
import { countStates, type Result } from '../system/doctor.js';
import { counted } from '../system/doctor-check.js';
import type { doctorSchema } from './system-schema.js';

/** What a doctor found, for people: how many of each, then each with what to do about it. */
export function doctorText(results: readonly Result[], style: Style): string {
  const rows = results.flatMap(({ id, state, text, advice }) => [
    [state, id, text],
    ...(advice === null ? [] : [['', '', `→ ${advice}`]]),
  ]);
  const columns = [{ title: '' }, { title: 'check' }, { title: 'what is so', flexible: 'wrap' as const }];
  const paint = {
    problem: style.red,
    warning: style.yellow,
    unknown: style.yellow,
    note: style.dim,
    ok: style.green,
  };
  // Cells are made printable, colours and all: so they are put on afterwards.
  const text = table(columns, rows, style).replaceAll(/^(problem|warning|unknown|note|ok)\b/gm, (word) =>
    paint[word as Result['state']](word),
  );
  return `${style.bold(paragraph(summary(results), 0, style))}\n\n${text}\n`;
}

function summary(results: readonly Result[]): string {
  const { problem, warning, unknown, ok } = countStates(results);
  const bad = [
    ...(problem > 0 ? [counted(problem, 'problem')] : []),
    ...(warning > 0 ? [counted(warning, 'warning')] : []),
  ];
  const first =
    bad.length > 0 ? bad.join(', ') : unknown > 0 ? 'Nothing wrong as far as can be told' : 'All is well';
  return `${first}${unknown > 0 ? `; ${unknown} could not be told` : ''}; ${ok} ok.`;
}

/** Schema `shootdown.doctor/1`. */
export function doctorJson(
  results: readonly Result[],
  about: { readonly tool: string; readonly root: string },
): Data<typeof doctorSchema> {
  return {
    schema: 'shootdown.doctor/1',
    tool: about.tool,
    root: about.root === '' ? null : about.root,
    counts: countStates(results),
    results,
  };
}
