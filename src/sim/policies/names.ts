/** What can be done about a jump, and compared: nothing, what others did, and what this tool does. */
export const POLICY_NAMES = [
  'none',
  'ia64-2006',
  'linux',
  'efi-bridges',
  'xen-2011',
  'clearmsi',
  'before',
  'between',
  'after',
  'ours',
] as const;
export type PolicyName = (typeof POLICY_NAMES)[number];
