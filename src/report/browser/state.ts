/** What the page's address says: filters, and the function that is chosen. */
export interface PageState {
  readonly q: string;
  readonly verdict: string;
  readonly severity: string;
  readonly driver: string;
  readonly action: string;
  readonly group: string;
  /** Its slot. */
  readonly fn: string;
}

export const EMPTY_STATE: PageState = {
  q: '',
  verdict: '',
  severity: '',
  driver: '',
  action: '',
  group: '',
  fn: '',
};
export const KEYS = Object.keys(EMPTY_STATE) as (keyof PageState)[];

/** The state in a fragment, with or without `#`; `undefined` for one that names a section. */
export function parseState(fragment: string): PageState | undefined {
  const text = fragment.replace(/^#/, '');
  if (text !== '' && !text.includes('=')) return undefined;
  const said = new URLSearchParams(text.replaceAll('+', '%2B'));
  const state = { ...EMPTY_STATE };
  for (const key of KEYS) state[key] = said.get(key) ?? '';
  return state;
}

/** The inverse; a function alone keeps the form that names its row. */
export function stateText(state: PageState): string {
  return KEYS.filter((key) => state[key] !== '')
    .map((key) => `${key}=${encodeURIComponent(state[key]).replaceAll('%3A', ':')}`)
    .join('&');
}
