import type { KillCase } from './stub-kill.js';
import { BIT_CASES } from './stub-kill-bits.js';
import { BRIDGES_TOO, FAILING, SMALL_TREE, TREE } from './stub-kill-boards.js';
import { BOUND_CASES } from './stub-kill-bounds.js';
import { DETAIL_CASES } from './stub-kill-details.js';
import { ENTRY_CASES } from './stub-kill-entries.js';
import { MACHINE_CASES } from './stub-kill-machines.js';
import { RANDOM_CASES } from './stub-kill-random.js';

/** What breaks most comes first. */
export const KILL_CASES: readonly KillCase[] = [
  { name: 'what fails, nothing known', board: FAILING, known: null, reads: 233 },
  { name: 'a tree, bridges too', reads: 566, board: SMALL_TREE, policy: BRIDGES_TOO },
  ...MACHINE_CASES,
  ...DETAIL_CASES,
  ...BIT_CASES,
  ...ENTRY_CASES,
  ...BOUND_CASES,
  ...RANDOM_CASES,
  { name: 'a tree with virtual functions', reads: 1093, board: TREE, policy: BRIDGES_TOO },
  { name: 'a tree', reads: 1084, board: TREE },
];
