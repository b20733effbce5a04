import { RULE_LADDER } from '../../src/image/layout.js';
import { defaultPolicy } from '../../src/quiesce/default-policy.js';
import { policyDigest } from '../../src/quiesce/policy-digest.js';
import type { RecordSpec } from './flight-record.js';

const policy = defaultPolicy();
const rules = policy.rules.filter(({ at }) => at?.includes('between') ?? true).map(({ id }) => id);
const rule = (id: string) => rules.indexOf(id);

export const TEMPLATE = {
  tool: '0.1.0',
  policy: { name: policy.name, sha256: policyDigest(policy) },
  rules,
};

/** A record that has one of nearly everything. */
export const CRASH: RecordSpec = {
  flags: ['crash'],
  template: TEMPLATE,
  counts: { functions: 14, buses: 3, reads: 131, writes: 8, failed: 3 },
  nmis: 1,
  entries: [
    { rid: 0x0000, rule: rule('host-bridge'), before: 0x0006, outcome: 'exempt' },
    { rid: 0x0008, rule: rule('integrated-display'), before: 0x0007, outcome: 'exempt' },
    {
      rid: 0x0010,
      flags: ['bmeClear', 'intxDisabled', 'planned'],
      after: 0x0503,
      msix: { at: 0x98, before: 0x8004, became: 'disabled' },
      pending: { at: 0xa8, kind: 1, became: 'clear' },
      outcome: 'done',
    },
    {
      rid: 0x0018,
      before: 0x0107,
      after: 0x0103,
      flags: ['bmeClear', 'planned'],
      msi: { at: 0x50, before: 0x0081, became: 'skipped' },
      outcome: 'partial',
    },
    { rid: 0x00e0, rule: rule('pci-bridge'), flags: ['bridge'], before: 0x0107, outcome: 'exempt' },
    { rid: 0x0100, flags: ['planned'], before: 0x0507, after: 0x0507, outcome: 'ignored' },
    {
      rid: 0x0108,
      flags: ['planned'],
      before: 0x0107,
      after: 0x0103,
      status: 0x0018,
      outcome: 'interrupting',
    },
    {
      rid: 0x0200,
      flags: ['bmeClear', 'intxDisabled', 'planned'],
      after: 0x0503,
      pending: { at: 0x44, kind: 2, became: 'timeout' },
      outcome: 'done',
    },
    { rid: 0x0208, flags: ['planned'], before: 0x0507, after: 0xffff, outcome: 'vanished' },
    { rid: 0x0210, rule: RULE_LADDER, before: 0x0006, outcome: 'asleep' },
  ],
};

/** What a normal jump leaves: only what was to be gated. */
export const SUMMARY: RecordSpec = {
  flags: ['summary'],
  end: 'time',
  phase: 'gate',
  rid: 0x0010,
  counts: { functions: 9, buses: 2, reads: 60 },
  entries: [
    { rid: 0x0010, before: 0x0107, msix: { at: 0, before: 0, became: 'disabled' }, outcome: 'done' },
    { rid: 0x0100, rule: 12, before: 0x0103, outcome: 'none' },
  ],
};
