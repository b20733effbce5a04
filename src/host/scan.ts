import { ConfigImage } from '../pci/config-image.js';
import { absent, decodeSteps } from '../pci/decode.js';
import { ShootdownError } from '../pci/error.js';
import { type PciFunction, readsAsVirtual } from '../pci/function.js';
import { type Slot, slotParts } from '../pci/slot.js';
import { buildTopology, type Topology } from '../pci/topology.js';
import type { FunctionFacts, MachineFacts } from './facts.js';
import { type Host, readRange } from './port.js';

/** A machine as it was read: the input of audit and plan. */
export interface Machine {
  readonly host: string;
  readonly topology: Topology;
  readonly facts: ReadonlyMap<Slot, FunctionFacts>;
  readonly machineFacts: MachineFacts;
  /** What could not be read or was not sound, in one line each. */
  readonly notes: readonly string[];
}

export interface ScanOptions {
  /** Also read what only an audit needs: the extended capability list. Default true. */
  readonly extended?: boolean;
  /** Read no more than the header of a function that is quiet. */
  readonly skipQuiet?: boolean;
  /** Functions that will be accessed again soon; the host may let go of the others. */
  readonly keep?: (fn: PciFunction) => boolean;
  /** Called after each function. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Reads every function of a host. One that cannot be read is in the result as such; only a host that fails as a
 * whole rejects.
 */
export async function scan(host: Host, options: ScanOptions = {}): Promise<Machine> {
  const slots = await host.slots();
  const functions: PciFunction[] = [];
  const facts = new Map<Slot, FunctionFacts>();
  const notes: string[] = [];
  const kin = { parents: new Map<Slot, Slot>(), physfns: new Map<Slot, Slot>() };
  for (const slot of slots) {
    const known = (await host.facts?.(slot)) ?? {};
    facts.set(slot, known);
    const read = await scanFunction(host, slot, known, options, notes);
    const fn = readsAsVirtual(read) ? { ...read, ...known.ids, classCode: read.classCode } : read;
    if (readsAsVirtual(read) && known.physfn) kin.physfns.set(slot, known.physfn);
    if (slotParts(slot).domain !== 0 && known.parent) kin.parents.set(slot, known.parent);
    functions.push(fn);
    if (!options.keep?.(fn)) host.release?.(slot);
    options.onProgress?.(functions.length, slots.length);
  }
  const machineFacts = (await host.machineFacts?.()) ?? {};
  return {
    host: host.name,
    topology: buildTopology(functions, kin),
    facts,
    machineFacts,
    notes: [...host.notes, ...notes],
  };
}

async function scanFunction(
  host: Host,
  slot: Slot,
  facts: FunctionFacts,
  options: ScanOptions,
  notes: string[],
): Promise<PciFunction> {
  // Reading a function without power would wake it or hang, and reading one that sleeps wakes it, too.
  const asleep = facts.powerState === 'D3cold' ? 'd3cold' : facts.asleep ? 'suspended' : undefined;
  if (asleep) return { ...absent(slot, new ConfigImage(64), asleep), ...facts.ids };
  let image = new ConfigImage(64);
  let read = 0;
  try {
    image = new ConfigImage(await host.visibleBytes(slot));
  } catch (error) {
    return unreadable(slot, image, error, notes);
  }
  const steps = decodeSteps(slot, image, options);
  for (;;) {
    const step = steps.next();
    if (step.done) {
      for (const note of step.value.notes) notes.push(`${slot}: ${note.text}`);
      return step.value;
    }
    const { offset, length } = step.value;
    if (offset + length > image.visible) continue;
    try {
      image.set(offset, await readRange(host, slot, offset, length));
      read++;
    } catch (error) {
      if (read === 0) return unreadable(slot, image, error, notes);
      notes.push(messageOf(error));
    }
  }
}

function unreadable(slot: Slot, image: ConfigImage, error: unknown, notes: string[]): PciFunction {
  notes.push(messageOf(error));
  return absent(slot, image, 'unreadable');
}

function messageOf(error: unknown): string {
  if (error instanceof ShootdownError) return error.message;
  throw error;
}
