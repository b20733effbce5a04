import { hex, type Slot, slotOfKey } from '../../pci/slot.js';
import type { Arrangement } from './arrange.js';
import { textHash } from './hash.js';
import { Intern } from './intern.js';
import { GROUP_COST, SAMPLE_MAX, TOPOLOGY_FUNCTIONS_MAX, VARIANT_FUNCTIONS_MAX } from './limits.js';
import { type First, firstNames, shortName } from './names.js';
import type { Outcome } from './outcome.js';
import type { FleetAudit, FleetFunction } from './read-audit.js';

/** What may differ in a function that is the same. */
export interface FunctionState {
  readonly verdict: string;
  readonly driver: string;
  readonly policy: string;
  readonly presence: string;
}
export const STATE_WORDS = ['verdict', 'driver', 'policy', 'presence'] as const;

/** What may differ in machines whose functions are the same. */
interface Traits {
  readonly kernel: string | null;
  readonly lockdown: string;
  readonly policy: string;
  readonly iommu: string;
  readonly 'capture kernel': string;
}
export const TRAIT_WORDS = ['kernel', 'lockdown', 'policy', 'iommu', 'capture kernel'] as const;

/** Machines of one topology in one state. */
export interface Variant {
  /** By position. */
  readonly states: Int32Array;
  readonly traits: number;
  machines: number;
  readonly names: First<string>;
  /** Slots on the first of them by name, by position. */
  slots: Float64Array;
  firstName: string;
}

/** Machines with the same functions in the same places. */
export interface Topology {
  readonly signature: number;
  machines: number;
  readonly names: First<string>;
  /** Slots on the first of them by name, by position; so are the others. */
  slots: Float64Array;
  firstName: string;
  readonly places: Float64Array;
  readonly parents: Int32Array;
  /** Vendor and device in one. */
  readonly ids: Uint32Array;
  readonly classes: Uint32Array;
  readonly outcomes: Record<Outcome, number>;
  readonly variants: Map<number, Variant>;
}

/** Groups machines by topology and, within one, by state. */
export class Topologies {
  readonly #bySignature = new Map<number, Topology>();
  readonly #states = new Intern<FunctionState & { readonly hash: number }>({
    verdict: '?',
    driver: '?',
    policy: '?',
    presence: '?',
    hash: 0,
  });
  readonly #traits = new Intern<Traits & { readonly hash: number }>({
    kernel: '?',
    lockdown: '?',
    policy: '?',
    iommu: '?',
    'capture kernel': '?',
    hash: 0,
  });
  #functions = 0;
  #variantFunctions = 0;
  /** Machines whose topology, or whose state, was not kept. */
  #unplaced = 0;
  #unkept = 0;

  stateOf(fn: FleetFunction): number {
    const driver = fn.driver === undefined ? 'not known' : (fn.driver ?? 'none');
    const text = `${fn.verdict}\n${fn.action}\n${fn.rule}\n${fn.presence}\n${driver}`;
    return this.#states.id(text, () => ({
      verdict: fn.verdict,
      driver: shortName(driver),
      policy: shortName(`${fn.action} (${fn.rule})`),
      presence: fn.presence,
      hash: textHash(text),
    }));
  }

  stateHash(state: number): number {
    return this.#states.value(state).hash;
  }

  state(id: number): FunctionState {
    return this.#states.value(id);
  }

  traits(id: number): Traits {
    return this.#traits.value(id);
  }

  traitsOf(audit: FleetAudit): { readonly id: number; readonly hash: number } {
    const { kernel = null, lockdown, policy, iommu, captureLoaded, captureProtected } = audit;
    const text = JSON.stringify([kernel, lockdown, policy, iommu, captureLoaded, captureProtected]);
    const id = this.#traits.id(text, () => ({
      kernel: kernel === null ? null : shortName(kernel),
      lockdown: lockdown ?? 'not known',
      policy: shortName(policy),
      iommu: iommu === null ? 'not known' : iommu ? 'translates' : 'none',
      'capture kernel': captureText(captureLoaded, captureProtected),
      hash: textHash(text),
    }));
    return { id, hash: this.#traits.value(id).hash };
  }

  add(machine: {
    readonly name: string;
    readonly audit: FleetAudit;
    readonly outcome: Outcome;
    readonly arrangement: Arrangement;
    readonly states: Int32Array;
    readonly traits: number;
    readonly stateSignature: number;
  }): void {
    const { name, arrangement } = machine;
    const { functions } = machine.audit;
    const slots = Float64Array.from(arrangement.order, (i) => (functions[i] as FleetFunction).key);
    const topology = this.#topology(arrangement, functions, name, slots);
    if (!topology) {
      this.#unplaced++;
      return;
    }
    topology.machines++;
    topology.outcomes[machine.outcome]++;
    topology.names.add(name);
    if (name < topology.firstName) [topology.firstName, topology.slots] = [name, slots];
    const known = topology.variants.get(machine.stateSignature);
    const variant = known ?? this.#variant(topology, machine, name, slots);
    if (!variant) {
      this.#unkept++;
      return;
    }
    variant.machines++;
    variant.names.add(name);
    if (name < variant.firstName) {
      variant.firstName = name;
      variant.slots = sameNumbers(slots, topology.slots) ? topology.slots : slots;
    }
  }

  /** The largest first. */
  list(): Topology[] {
    return [...this.#bySignature.values()].sort(
      (a, b) => b.machines - a.machines || a.signature - b.signature,
    );
  }

  leftOut(): string[] {
    const out: string[] = [];
    if (this.#unplaced > 0) out.push(`topologies: ${this.#unplaced} machines, of more kinds than are kept`);
    if (this.#unkept > 0) out.push(`deviations: ${this.#unkept} machines, in more states than are kept`);
    if (this.#states.full || this.#traits.full)
      out.push('deviations: more drivers, rules or kernels than are told apart');
    return out;
  }

  #topology(
    { signature, places, parents, order }: Arrangement,
    functions: readonly FleetFunction[],
    name: string,
    slots: Float64Array,
  ): Topology | undefined {
    const known = this.#bySignature.get(signature);
    // Of two different topologies with one signature only one is shown.
    if (known) return known.slots.length === order.length ? known : undefined;
    if (this.#functions + order.length > TOPOLOGY_FUNCTIONS_MAX) return undefined;
    this.#functions += order.length + GROUP_COST;
    const inOrder = order.map((i) => functions[i] as FleetFunction);
    const topology: Topology = {
      signature,
      machines: 0,
      names: firstNames(SAMPLE_MAX),
      slots,
      firstName: name,
      places,
      parents,
      ids: Uint32Array.from(inOrder, ({ vendor, device }) => vendor * 0x1_0000 + device),
      classes: Uint32Array.from(inOrder, ({ classCode }) => classCode),
      outcomes: { exposed: 0, unprotected: 0, 'no-capture-kernel': 0, unknown: 0, ready: 0 },
      variants: new Map(),
    };
    this.#bySignature.set(signature, topology);
    return topology;
  }

  #variant(
    topology: Topology,
    {
      arrangement,
      states,
      traits,
      stateSignature,
    }: {
      readonly arrangement: Arrangement;
      readonly states: Int32Array;
      readonly traits: number;
      readonly stateSignature: number;
    },
    name: string,
    slots: Float64Array,
  ): Variant | undefined {
    if (this.#variantFunctions + states.length > VARIANT_FUNCTIONS_MAX) return undefined;
    this.#variantFunctions += states.length + GROUP_COST;
    const variant: Variant = {
      states: Int32Array.from(arrangement.order, (i) => states[i] as number),
      traits,
      machines: 0,
      names: firstNames(SAMPLE_MAX),
      slots: sameNumbers(slots, topology.slots) ? topology.slots : slots,
      firstName: name,
    };
    topology.variants.set(stateSignature, variant);
    return variant;
  }
}

/** A function of a topology, for people. */
export function functionAt(
  topology: Topology,
  position: number,
): { readonly slot: Slot; readonly vendor: string; readonly device: string; readonly class: string } {
  const id = topology.ids[position] ?? 0;
  return {
    slot: slotOfKey(topology.slots[position] ?? 0),
    vendor: hex(id >>> 16, 4),
    device: hex(id & 0xffff, 4),
    class: hex(topology.classes[position] ?? 0, 6),
  };
}

function captureText(loaded: boolean | null, protects: boolean | null): string {
  if (loaded === null) return 'not known';
  if (!loaded) return 'not loaded';
  return protects ? 'loaded and protected' : 'loaded (nothing shows protection)';
}

function sameNumbers(a: Float64Array, b: Float64Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
