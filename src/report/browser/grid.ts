import { isVisible, type Row, showRows } from './rows.js';

const INNER = 'a,summary';

/** Makes a treegrid of the table, one stop of the Tab key with the arrow keys inside, as the ARIA practices have it. */
export class Grid {
  readonly rows: readonly Row[];
  readonly #byElement: Map<Element, Row>;
  readonly #choose: (row: Row) => void;
  #active: Row | undefined;

  constructor(table: HTMLTableElement, rows: readonly Row[], choose: (row: Row) => void) {
    this.rows = rows;
    this.#choose = choose;
    this.#byElement = new Map(rows.map((row) => [row.element, row]));
    table.setAttribute('role', 'treegrid');
    for (const { element, level, parent, children } of rows) {
      element.setAttribute('aria-level', String(level));
      element.tabIndex = -1;
      for (const inner of element.querySelectorAll<HTMLElement>(INNER)) inner.tabIndex = -1;
      this.#number(children);
      if (!parent) this.#number(rows.filter((row) => !row.parent));
    }
    this.#activate(rows[0]);
    table.addEventListener('keydown', (event) => this.#key(event));
    table.addEventListener('focusin', (event) => this.#activate(this.rowOf(event.target)));
    table.addEventListener('click', (event) => this.#click(event));
  }

  #number(siblings: readonly Row[]): void {
    for (const [index, { element }] of siblings.entries()) {
      element.setAttribute('aria-setsize', String(siblings.length));
      element.setAttribute('aria-posinset', String(index + 1));
    }
  }

  rowOf(target: EventTarget | null): Row | undefined {
    const element = target instanceof Element ? target.closest('tr') : null;
    return element ? this.#byElement.get(element) : undefined;
  }

  /** Of all rows only the active one, and what is in it, is a stop of the Tab key. */
  #activate(row: Row | undefined): void {
    if (!row || row === this.#active) return;
    for (const [one, index] of [
      [this.#active, -1],
      [row, 0],
    ] as const) {
      if (!one) continue;
      one.element.tabIndex = index;
      for (const inner of one.element.querySelectorAll<HTMLElement>(INNER)) inner.tabIndex = index;
    }
    this.#active = row;
  }

  focus(row: Row | undefined): void {
    this.#activate(row);
    row?.element.focus();
  }

  /** After rows were hidden: the Tab key must find one that is there. */
  settle(): void {
    showRows(this.rows);
    if (!this.#active || !isVisible(this.#active)) this.#activate(this.rows.find(isVisible));
  }

  toggle(row: Row, open: boolean): void {
    if (row.children.length === 0 || row.open === open) return;
    row.open = open;
    this.settle();
  }

  #click(event: MouseEvent): void {
    const row = this.rowOf(event.target);
    if (!row || !(event.target instanceof Element) || event.target.closest('a,summary,dl,.members')) return;
    const head = row.element.cells[0];
    const indent = head ? Number.parseFloat(getComputedStyle(head).paddingLeft) : 0;
    const left = head ? event.clientX - head.getBoundingClientRect().left : 0;
    if (row.children.length > 0 && left < indent) this.toggle(row, !row.open);
    else this.#choose(row);
    this.focus(row);
  }

  #key(event: KeyboardEvent): void {
    const row = this.rowOf(event.target);
    if (!row || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target !== row.element) {
      if (event.key === 'Escape') this.focus(row);
      return;
    }
    if (!this.#move(row, event.key)) return;
    event.preventDefault();
  }

  /** False for a key that means nothing here. */
  #move(row: Row, key: string): boolean {
    const visible = this.rows.filter(isVisible);
    const at = visible.indexOf(row);
    switch (key) {
      case 'ArrowDown':
        this.focus(visible[at + 1]);
        return true;
      case 'ArrowUp':
        this.focus(visible[at - 1]);
        return true;
      case 'PageDown':
        this.focus(visible[Math.min(at + PAGE, visible.length - 1)]);
        return true;
      case 'PageUp':
        this.focus(visible[Math.max(at - PAGE, 0)]);
        return true;
      case 'Home':
        this.focus(visible[0]);
        return true;
      case 'End':
        this.focus(visible.at(-1));
        return true;
      case 'ArrowRight':
        if (row.children.length > 0 && !row.open) this.toggle(row, true);
        else this.focus(row.children.find(isVisible));
        return true;
      case 'ArrowLeft':
        if (row.children.length > 0 && row.open) this.toggle(row, false);
        else this.focus(row.parent ?? undefined);
        return true;
      case ' ':
        this.#choose(row);
        return true;
      case 'Enter': {
        const details = row.element.querySelector<HTMLDetailsElement>('details.ev');
        if (details) details.open = !details.open;
        this.#choose(row);
        return true;
      }
      default:
        return false;
    }
  }
}

const PAGE = 12;
