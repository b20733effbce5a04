import type { Row } from './rows.js';

/** Shows the way of one function's requests: in the table, in the picture, and in words. */
export class Chosen {
  readonly #bySlot = new Map<string, Row>();
  /** Of the picture, by slot and root bus. */
  readonly #drawn = new Map<string, Element[]>();
  readonly #way: HTMLElement | null;
  #marked: Element[] = [];

  constructor(document: Document, rows: readonly Row[]) {
    this.#way = document.getElementById('way');
    this.#way?.setAttribute('aria-live', 'polite');
    for (const row of rows) for (const slot of row.searched?.slots ?? []) this.#bySlot.set(slot, row);
    for (const element of document.querySelectorAll<SVGElement>('#tree [data-n]')) {
      const { n = '', has = n } = element.dataset;
      for (const name of has.split(' ')) {
        const list = this.#drawn.get(name);
        if (list) list.push(element);
        else this.#drawn.set(name, [element]);
      }
    }
  }

  rowOf(slot: string): Row | undefined {
    return this.#bySlot.get(slot);
  }

  /** The slots that an element of the picture stands for, the first of them. */
  slotAt(target: EventTarget | null): string | undefined {
    const element = target instanceof Element ? target.closest<SVGElement>('#tree g[data-n]') : null;
    const name = element?.dataset['n'];
    return name !== undefined && this.#bySlot.has(name) ? name : undefined;
  }

  /** Nothing for a slot that is not there. */
  show(slot: string): void {
    for (const element of this.#marked) {
      element.classList.remove('on', 'hit');
      element.removeAttribute('aria-selected');
    }
    this.#marked = [];
    const row = this.#bySlot.get(slot);
    if (this.#way) this.#way.hidden = !row;
    if (!row) return;
    row.element.setAttribute('aria-selected', 'true');
    this.#marked.push(row.element);
    const names = [slot, 'memory'];
    for (let above: Row | null = row; above; above = above.parent) {
      this.#mark(above.element);
      names.push(above.element.id.replace(/^(fn|bus)=/, ''));
    }
    for (const name of names) for (const element of this.#drawn.get(name) ?? []) this.#mark(element);
    this.#markMember(row, slot);
    this.#sayWay(row, slot);
  }

  #mark(element: Element): void {
    element.classList.add('on');
    this.#marked.push(element);
  }

  /** Of functions that are alike the one that is meant. */
  #markMember(row: Row, slot: string): void {
    const member = [...row.element.querySelectorAll('.members>li')].find(({ id }) => id === `fn=${slot}`);
    const details = member?.closest('details');
    if (!member || !details) return;
    details.open = true;
    member.classList.add('hit');
    this.#marked.push(member);
  }

  #sayWay(row: Row, slot: string): void {
    const way = row.element.querySelector('.way');
    if (!this.#way || !way) return;
    const copy = way.cloneNode(true);
    for (const link of (copy as Element).querySelectorAll('a')) link.removeAttribute('tabindex');
    const alike = row.searched !== null && row.searched.slots.length > 1;
    this.#way.replaceChildren('Way to memory: ', alike ? slot : '', ...copy.childNodes);
  }
}
