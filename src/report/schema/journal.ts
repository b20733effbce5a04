import * as v from 'valibot';
import { ENDS, OUTCOMES } from '../../quiesce/journal.js';
import { PLACES } from '../../quiesce/policy.js';
import { count, hexadecimal, name, slot, uint } from '../../quiesce/schema-parts.js';

const word = v.nullable(hexadecimal(4));

/** What a shootdown made of one function. @internal */
export const functionResultEntries = {
  slot,
  verdict: v.picklist(['gated', 'stopped', 'live', 'quiet', 'unknown']),
  outcome: v.pipe(
    v.picklist([...OUTCOMES, 'exempt']),
    v.description('of the step that decided the verdict; exempt: it was left alone'),
  ),
  reason: v.string(),
};

/** What `apply --json` prints. @internal */
export const journalSchema = v.strictObject({
  schema: v.literal('shootdown.journal/1'),
  tool: v.pipe(v.string(), v.description('version')),
  started: v.pipe(v.string(), v.description('time of day, ISO 8601')),
  host: v.string(),
  at: v.picklist(PLACES),
  policy: v.string(),
  fingerprint: v.pipe(v.string(), v.description('of the machine: its slots, ids and bus numbers')),
  file: v.pipe(name, v.description('the journal that restore reads')),
  end: v.pipe(v.nullable(v.picklist(ENDS)), v.description('null: the run was cut short')),
  entries: v.array(
    v.strictObject({
      step: v.pipe(count, v.description('of the plan')),
      slot,
      kind: v.picklist(['write', 'wait', 'unbind', 'reset']),
      register: v.nullable(
        v.picklist(['PCI_COMMAND', 'PCI_MSI_FLAGS', 'PCI_MSIX_FLAGS', 'PCI_EXP_DEVSTA', 'PCI_AF_STATUS']),
      ),
      offset: v.nullable(uint(0xff)),
      before: word,
      wrote: word,
      after: v.pipe(word, v.description('as read back')),
      outcome: v.pipe(
        v.nullable(v.picklist(OUTCOMES)),
        v.description('null: the run ended before it was known'),
      ),
      detail: name,
      rule: v.string(),
    }),
  ),
  functions: v.pipe(
    v.array(v.strictObject(functionResultEntries)),
    v.description('all of the plan, those left alone too'),
  ),
  stillLive: v.array(slot),
});

/** What `restore --json` prints. @internal */
export const restoreSchema = v.strictObject({
  schema: v.literal('shootdown.restore/1'),
  host: v.pipe(name, v.description('null: nothing had been written, so there was nothing to put back')),
  file: v.string(),
  entries: v.array(
    v.strictObject({
      slot,
      register: v.pipe(v.string(), v.description('or driver')),
      found: word,
      wanted: word,
      after: word,
      outcome: v.picklist([
        'restored',
        'already',
        'rebound',
        'left',
        'refused',
        'ignored',
        'vanished',
        'error',
        'timeout',
      ]),
      detail: name,
    }),
  ),
  notRestored: v.array(slot),
});
