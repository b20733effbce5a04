import { hex } from '../pci/slot.js';
import { type FunctionResult, functionResults, type Journal, outcomeOf } from '../quiesce/journal.js';
import { notRestored, type RestoreEntry } from '../quiesce/restore.js';
import type { Data } from '../quiesce/schema-parts.js';
import type { ReportOptions } from './plan-report.js';
import { commandChange, liveTable, resultTable } from './results-text.js';
import type { journalSchema, restoreSchema } from './schema/journal.js';
import { table } from './table.js';

/** What was done, for people. */
export function journalText(journal: Journal, { style, brief }: ReportOptions): string {
  const results = functionResults(journal);
  const touched = results.filter(({ outcome }) => outcome !== 'exempt');
  const live = results.filter(({ verdict }) => verdict === 'live');
  const count = (verdict: FunctionResult['verdict']) => touched.filter((r) => r.verdict === verdict).length;
  const head = brief ? (text: string) => text : style.bold;
  const parts = [head(`${count('gated')} gated, ${count('stopped')} stopped; ${live.length} still live.`)];
  if (journal.end !== 'complete')
    parts.push(style.red(`The run was ${journal.end ?? 'cut short'}: not every step was performed.`));
  if (brief) return `${parts.join('\n')}\n`;
  if (touched.length > 0) {
    const outcomes = outcomeOf(journal);
    const command = new Map(
      journal.header.plan.steps.flatMap((step) =>
        step.kind === 'write' && step.register === 'PCI_COMMAND'
          ? [[step.slot, { step, record: outcomes.get(step.id) }]]
          : [],
      ),
    );
    const rows = touched.map((result) => {
      const gate = command.get(result.slot);
      const before = gate?.record?.before ?? gate?.step.before;
      return { ...result, command: commandChange(before, gate?.record?.after) };
    });
    parts.push('', resultTable(rows, style));
  }
  const left = live.filter(({ outcome }) => outcome === 'exempt');
  if (left.length > 0) parts.push('', style.bold('Still live, left alone'), liveTable(left, style));
  return `${parts.join('\n')}\n`;
}

/** What was done as one JSON value, schema `shootdown.journal/1`. */
export function journalJson(journal: Journal, file: string | null): Data<typeof journalSchema> {
  const { plan, tool, started } = journal.header;
  const outcomes = outcomeOf(journal);
  const results = functionResults(journal);
  return {
    schema: 'shootdown.journal/1',
    tool,
    started,
    host: plan.host,
    at: plan.at,
    policy: plan.policy,
    fingerprint: plan.fingerprint,
    file,
    end: journal.end ?? null,
    entries: plan.steps.map((step) => {
      const record = outcomes.get(step.id);
      const write = step.kind === 'write';
      const before = write ? (record?.before ?? step.before) : undefined;
      return {
        step: step.id,
        slot: step.slot,
        kind: step.kind,
        register: 'register' in step ? step.register : null,
        offset: 'offset' in step ? step.offset : null,
        before: before === undefined ? null : hex(before, 4),
        wrote: write && before !== undefined ? hex((before & ~step.mask) | step.value, 4) : null,
        after: record?.after === undefined ? null : hex(record.after, 4),
        outcome: record?.outcome ?? null,
        detail: record?.detail ?? null,
        rule: step.rule,
      };
    }),
    functions: results,
    stillLive: results.filter(({ verdict }) => verdict === 'live').map(({ slot }) => slot),
  };
}

export function restoreText(entries: readonly RestoreEntry[], { style, brief }: ReportOptions): string {
  const bad = notRestored(entries);
  const count = (outcome: RestoreEntry['outcome']) => entries.filter((e) => e.outcome === outcome).length;
  const head = `${count('restored')} registers restored, ${count('already')} were as before, ${count('rebound')} drivers bound again; ${bad.length} not restored.`;
  if (brief) return `${head}\n`;
  const parts = [style.bold(head)];
  const rows = entries
    .filter(({ outcome }) => outcome !== 'already')
    .map(({ slot, register, found, after, outcome, detail }) => [
      slot,
      register,
      found !== null && after !== null ? `${hex(found, 4)}→${hex(after, 4)}` : '',
      outcome,
      detail,
    ]);
  if (rows.length > 0) {
    parts.push(
      '',
      table(
        [
          { title: 'slot' },
          { title: 'register' },
          { title: 'value' },
          { title: 'outcome' },
          { title: '', flexible: 'wrap' },
        ],
        rows,
        style,
      ),
    );
  }
  return `${parts.join('\n')}\n`;
}

export function restoreJson(
  journal: Journal | undefined,
  entries: readonly RestoreEntry[],
  file: string,
): Data<typeof restoreSchema> {
  return {
    schema: 'shootdown.restore/1',
    host: journal?.header.plan.host ?? null,
    file,
    entries: entries.map(({ slot, register, found, wanted, after, outcome, detail }) => ({
      slot,
      register,
      found: found === null ? null : hex(found, 4),
      wanted: wanted === null ? null : hex(wanted, 4),
      after: after === null ? null : hex(after, 4),
      outcome,
      detail: detail === '' ? null : detail,
    })),
    notRestored: notRestored(entries).map(({ slot }) => slot),
  };
}
