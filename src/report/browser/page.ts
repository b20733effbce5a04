import { startTimelines } from '../timeline/island.js';
import { Chosen } from './chosen.js';
import { Grid } from './grid.js';
import { isFiltered } from './match.js';
import { filterRows, type Row, readRows, reveal } from './rows.js';
import { EMPTY_STATE, KEYS, type PageState, parseState, stateText } from './state.js';

// The script of a page. All that it shows is in the page already: it folds, filters, and highlights.

function start(): void {
  const table = document.querySelector<HTMLTableElement>('#functions-table');
  const form = document.querySelector<HTMLFormElement>('#filter');
  const count = document.querySelector<HTMLOutputElement>('#found');
  const [body] = table?.tBodies ?? [];
  if (!table || !body || !form || !count) return;
  document.documentElement.classList.add('js');
  form.hidden = false;
  const rows = readRows(body);
  const grid = new Grid(table, rows, (row) => choose(row.searched?.slots[0] ?? ''));
  const chosen = new Chosen(document, rows);
  let state: PageState = EMPTY_STATE;

  const apply = (next: PageState, scroll: boolean): void => {
    const filtered = isFiltered(next);
    const { found, all } = filterRows(rows, next, filtered);
    if (!filtered) for (const row of rows) row.wanted = true;
    count.textContent = filtered ? `${found} of ${all} functions` : `${all} functions`;
    state = next;
    chosen.show(next.fn);
    const row = chosen.rowOf(next.fn);
    if (row && scroll) reveal(row);
    grid.settle();
    if (row && scroll) row.element.scrollIntoView({ block: 'center' });
  };
  const say = (next: PageState): void => {
    const fragment = stateText(next);
    history.replaceState(null, '', fragment === '' ? '#functions' : `#${fragment}`);
    apply(next, false);
  };
  const choose = (slot: string): void => say({ ...state, fn: slot });

  form.addEventListener('input', () => say(readForm(form, state)));
  form.addEventListener('submit', (event) => event.preventDefault());
  form.addEventListener('reset', () => requestAnimationFrame(() => say({ ...EMPTY_STATE, fn: state.fn })));
  form.addEventListener('click', (event) => {
    const { name } = event.target as HTMLButtonElement;
    if (name !== 'expand' && name !== 'collapse') return;
    for (const row of rows) row.open = name === 'expand' || row.level < 2;
    grid.settle();
  });
  document.querySelector('#tree')?.addEventListener('click', (event) => {
    const slot = chosen.slotAt(event.target);
    if (slot === undefined) return;
    choose(slot);
    revealRow(chosen.rowOf(slot), grid);
  });
  const follow = (): void => {
    const parsed = parseState(location.hash);
    if (!parsed) {
      const section = document.getElementById(location.hash.slice(1));
      if (section instanceof HTMLDetailsElement) section.open = true;
      return;
    }
    const next = offered(form, parsed);
    // A link to a function leaves the filters as they are, unless they would hide it.
    const onlyFunction = next.fn !== '' && !isFiltered(next);
    const merged = onlyFunction ? { ...state, fn: next.fn } : next;
    writeForm(form, merged);
    apply(merged, true);
  };
  addEventListener('hashchange', follow);
  apply(EMPTY_STATE, false);
  if (location.hash !== '') follow();
}

function revealRow(row: Row | undefined, grid: Grid): void {
  if (!row) return;
  reveal(row);
  grid.settle();
}

function readForm(form: HTMLFormElement, state: PageState): PageState {
  const values = new FormData(form);
  const next = { ...EMPTY_STATE, fn: state.fn };
  for (const key of KEYS) if (values.has(key)) next[key] = String(values.get(key));
  return next;
}

/** Without what the form has no choice for: nothing would be found by it, and nobody could see why. */
function offered(form: HTMLFormElement, state: PageState): PageState {
  const next = { ...state };
  for (const key of KEYS) {
    const field = form.elements.namedItem(key);
    const values = field instanceof HTMLSelectElement ? [...field.options].map(({ value }) => value) : null;
    if (values ? !values.includes(state[key]) : !field && key !== 'fn') next[key] = '';
  }
  return next;
}

function writeForm(form: HTMLFormElement, state: PageState): void {
  for (const key of KEYS) {
    const field = form.elements.namedItem(key);
    if (field instanceof HTMLInputElement || field instanceof HTMLSelectElement) field.value = state[key];
  }
}

start();
startTimelines(document);
