import type { PageState } from './state.js';

/** What can be asked of a row of the tree. */
export interface Searched {
  /** One, or several of functions that are alike. */
  readonly slots: readonly string[];
  /** IOMMU groups, one for each slot; empty where there is none. */
  readonly groups: readonly string[];
  /** Device, driver and findings, in lower case. */
  readonly text: string;
  readonly verdict: string;
  readonly severity: string;
  readonly driver: string;
  readonly action: string;
}

/** Which functions of a row are asked for. */
export function matching(row: Searched, state: PageState): readonly string[] {
  for (const key of ['verdict', 'severity', 'driver', 'action'] as const) {
    if (state[key] !== '' && state[key] !== row[key]) return [];
  }
  const wanted = state.q.trim().toLowerCase();
  const group = state.group.trim();
  const inText = row.text.includes(wanted);
  return row.slots.filter((slot, index) => {
    if (group !== '' && row.groups[index] !== group) return false;
    return inText || slot.includes(wanted);
  });
}

/** Something is asked for. */
export function isFiltered(state: PageState): boolean {
  return (['q', 'verdict', 'severity', 'driver', 'action', 'group'] as const).some(
    (key) => state[key].trim() !== '',
  );
}
