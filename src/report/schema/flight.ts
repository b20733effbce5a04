import * as v from 'valibot';
import { END, MESSAGES, OUTCOME, PENDING, PHASE } from '../../image/layout.js';
import { OUTCOMES } from '../../quiesce/journal.js';
import { count, flag, hexadecimal, name, slot, uint } from '../../quiesce/schema-parts.js';
import { functionResultEntries } from './journal.js';

const keys = <T extends object>(of: T) => v.picklist(Object.keys(of) as (keyof T & string)[]);
const word = v.nullable(hexadecimal(4));
const ms = v.pipe(v.nullable(v.number()), v.description('null: the frequency is not in the record'));
const outcomes = v.picklist([
  ...new Set([...OUTCOMES, ...(Object.keys(OUTCOME) as (keyof typeof OUTCOME)[])]),
]);
const messages = v.strictObject({
  before: v.pipe(word, v.description('Message Control')),
  outcome: keys(MESSAGES),
});

/** What `flight --json` prints. @internal */
export const flightSchema = v.strictObject({
  schema: v.literal('shootdown.flight/1'),
  tool: v.pipe(name, v.description('version that wrapped the kernel')),
  at: v.literal('between'),
  jump: v.picklist(['normal', 'crash']),
  policy: name,
  policySha256: name,
  program: v.pipe(
    v.nullable(hexadecimal(8)),
    v.description('the first digits of the SHA-256 of the stub’s program'),
  ),
  file: name,
  summary: v.pipe(v.boolean(), v.description('the short form that a normal jump leaves')),
  observe: v.pipe(v.boolean(), v.description('nothing was written')),
  truncated: v.boolean(),
  end: keys(END),
  phase: keys(PHASE),
  vector: v.pipe(v.nullable(uint(255)), v.description('of the exception that ended it')),
  nmis: uint(255),
  lastAccess: v.nullable(slot),
  counts: v.strictObject({
    functions: count,
    buses: count,
    reads: count,
    writes: count,
    gated: count,
    failed: count,
    entries: count,
  }),
  time: v.strictObject({
    ms,
    accessMs: ms,
    tscKhz: count,
    frequency: v.nullable(v.picklist(['measured', 'assumed'])),
    start: hexadecimal(16),
    ticks: hexadecimal(16),
    accessTicks: hexadecimal(16),
  }),
  tailBytes: count,
  entries: v.array(
    v.strictObject({
      slot,
      kind: v.picklist(['write', 'wait']),
      register: v.nullable(
        v.picklist(['PCI_COMMAND', 'PCI_MSI_FLAGS', 'PCI_MSIX_FLAGS', 'PCI_EXP_DEVSTA', 'PCI_AF_STATUS']),
      ),
      offset: v.nullable(uint(0x1ff)),
      before: word,
      wrote: word,
      after: word,
      outcome: outcomes,
      rule: name,
    }),
  ),
  functions: v.array(
    v.strictObject({
      ...functionResultEntries,
      rule: name,
      ruleIndex: v.nullable(uint(0xffff)),
      recorded: v.pipe(keys(OUTCOME), v.description('what the record says, in its own words')),
      vendor: word,
      device: word,
      bridge: flag,
      virtual: flag,
      command: v.strictObject({ before: hexadecimal(4), after: word }),
      status: word,
      msi: messages,
      msix: messages,
      pending: keys(PENDING),
    }),
  ),
  stillLive: v.array(slot),
});
