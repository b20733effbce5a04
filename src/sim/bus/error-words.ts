import type { SimEvent } from '../events.js';

type ErrorEvent = Extract<SimEvent, { kind: 'error' }>;

/** As PCIe calls them. */
const NAMES: Readonly<Record<ErrorEvent['what'], string>> = {
  'unsupported-request': 'Unsupported Request',
  poisoned: 'Poisoned TLP',
  'completion-timeout': 'Completion Timeout',
  'unexpected-completion': 'Unexpected Completion',
};
const REACTIONS: Readonly<Record<ErrorEvent['reaction'], string>> = {
  nothing: 'nobody is told',
  logged: 'it is logged',
  nmi: 'firmware makes an NMI of it',
  hang: 'firmware stops the machine',
};

/** An error, and whose request it was if not that of the function itself. */
export function errorWords({ slot, cause, what }: Pick<ErrorEvent, 'slot' | 'cause' | 'what'>): string {
  return slot === cause ? NAMES[what] : `${NAMES[what]} on a request of ${cause}`;
}

/** The same, and what came of it. */
export function errorEventWords(event: ErrorEvent): string {
  return `${errorWords(event)}; ${REACTIONS[event.reaction]}`;
}
