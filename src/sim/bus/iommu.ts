import type { JumpPath } from '../../quiesce/findings.js';
import type { SimFunction } from '../functions/function.js';
import type { IommuRules } from '../platform.js';

/** The translations of one group. */
interface Domain {
  /** All of memory, or the pages that a driver mapped. */
  readonly pages: Set<number> | 'identity';
  /** Handed on from kernel to kernel, or asked for by firmware (RMRR): every kernel sets them up again. */
  readonly preserved: Set<number>;
  /** Of the kernel that made it. */
  readonly generation: number;
  /** Functions of the group that are attached. */
  readonly attached: Set<SimFunction>;
}

/**
 * An IOMMU that translates. Functions are grouped as their requests can be told apart: what is below a bridge to a
 * conventional bus carries that bridge's ID, everything else, each virtual function too, its own.
 */
export class Iommu {
  readonly #rules: IommuRules;
  readonly #domains = new Map<SimFunction, Domain>();
  #generation = 0;
  /** A group without a domain may go anywhere. */
  readonly #identity: boolean;

  constructor(rules: IommuRules) {
    this.#rules = rules;
    this.#identity = rules.domains === 'identity';
  }

  /** Whether its tables let a request of the function through to a page. */
  allows(fn: SimFunction, page: number): boolean {
    const domain = this.#domains.get(groupOf(fn));
    if (!domain) return this.#identity;
    return domain.pages === 'identity' || domain.pages.has(page) || domain.preserved.has(page);
  }

  /** How the function's group is set up, as sysfs says it; `null` while nobody has. */
  domainOf(fn: SimFunction): 'identity' | 'DMA' | null {
    const domain = this.#domains.get(groupOf(fn));
    if (!domain) return this.#identity ? 'identity' : null;
    return domain.pages === 'identity' ? 'identity' : 'DMA';
  }

  /** A driver's probe: a domain of this kernel's, in place of what the group had, which a kernel that takes over keeps. */
  attach(fn: SimFunction): void {
    const found = this.#domains.get(groupOf(fn));
    if (found && (found.generation === this.#generation || this.#rules.nextKernel === 'takes-over')) {
      found.attached.add(fn);
      return;
    }
    this.#set(fn, found?.preserved).attached.add(fn);
  }

  /** Pages that every kernel maps for this function, for as long as the power is on. */
  preserve(fn: SimFunction, pages: readonly number[]): void {
    const domain = this.#domains.get(groupOf(fn)) ?? this.#set(fn, undefined);
    for (const page of pages) domain.preserved.add(page);
  }

  map(fn: SimFunction, pages: readonly number[]): void {
    const mapped = this.#domains.get(groupOf(fn))?.pages;
    if (mapped instanceof Set) for (const page of pages) mapped.add(page);
  }

  unmap(fn: SimFunction, pages: readonly number[]): void {
    const mapped = this.#domains.get(groupOf(fn))?.pages;
    if (mapped instanceof Set) for (const page of pages) mapped.delete(page);
  }

  /** A driver's remove: the group is blocked, or back to identity, once nobody in it is attached. */
  detach(fn: SimFunction): void {
    const domain = this.#domains.get(groupOf(fn));
    if (!domain?.attached.delete(fn) || domain.attached.size > 0) return;
    this.#forget(groupOf(fn), domain);
  }

  /** A next kernel finds these tables, and does with them what kernels of its kind do. Only one for dumps copies them. */
  nextKernel(path: JumpPath): void {
    const { nextKernel } = this.#rules;
    if (nextKernel === 'resets' || (nextKernel === 'copies' && path === 'normal')) this.reset();
    else this.copy();
  }

  /** Fresh tables: only what is preserved is set up again. */
  reset(): void {
    this.#generation++;
    for (const [group, domain] of this.#domains) this.#forget(group, domain);
  }

  /** The old tables go on until a driver of the next kernel attaches its function. */
  copy(): void {
    this.#generation++;
    for (const domain of this.#domains.values()) domain.attached.clear();
  }

  #forget(group: SimFunction, { preserved }: Domain): void {
    if (preserved.size === 0) this.#domains.delete(group);
    else this.#set(group, preserved);
  }

  /** A domain with nothing mapped in it yet. */
  #set(fn: SimFunction, preserved: Set<number> | undefined): Domain {
    const attached = new Set<SimFunction>();
    const pages: Domain['pages'] = this.#identity ? 'identity' : new Set<number>();
    const domain = { pages, preserved: preserved ?? new Set(), generation: this.#generation, attached };
    this.#domains.set(groupOf(fn), domain);
    return domain;
  }
}

/** The function under whose ID requests arrive. PCIe-to-PCI bridges take over those from below, PCIe 2.3 of its spec. */
export function groupOf(fn: SimFunction): SimFunction {
  let group = fn;
  for (let bridge = fn.parent; bridge; bridge = bridge.parent) if (bridge.toConventional) group = bridge;
  return group;
}
