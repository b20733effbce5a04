import { ConfigImage } from '../pci/config-image.js';
import { decodeFunction } from '../pci/decode.js';
import * as regs from '../pci/regs.js';
import { hex, type Slot } from '../pci/slot.js';
import { ancestors, buildTopology, type Topology } from '../pci/topology.js';
import type { SimEvent } from './events.js';
import type { JumpResult } from './jump-result.js';
import type { SimMachine } from './machine.js';

/**
 * Watches that nothing passes a function whose bus mastering, or that of a bridge above it, is off. It goes by the
 * bytes of configuration space and the product's own topology, not by what the machine believes.
 */
export class GateChecker {
  readonly violations: string[] = [];
  /** Memory writes and message interrupts that went through. */
  passed = 0;
  readonly stop: () => void;
  readonly #machine: SimMachine;
  readonly #topology: Topology;

  constructor(machine: SimMachine) {
    this.#machine = machine;
    const functions = [...machine.snapshot()].map(([slot, bytes]) =>
      decodeFunction(slot, ConfigImage.of(bytes)),
    );
    this.#topology = buildTopology(functions);
    this.stop = machine.observe((event) => this.#observe(event));
  }

  #observe(event: SimEvent): void {
    if ((event.kind !== 'dma' && event.kind !== 'message') || event.refusedBy !== null) return;
    this.passed++;
    const { slot, tick } = event;
    const ignores = this.#machine.functions.get(slot)?.faults.ignoreBme ?? false;
    if (!ignores && !this.#masters(slot))
      this.violations.push(`${tick}: ${slot} writes with its own BME clear`);
    for (const bridge of ancestors(this.#topology, slot)) {
      if (!this.#masters(bridge))
        this.violations.push(`${tick}: ${slot} writes past ${bridge}, whose BME is clear`);
    }
  }

  #masters(slot: Slot): boolean {
    const low = this.#machine.functions.get(slot)?.space.config[regs.PCI_COMMAND] ?? 0;
    return (low & regs.PCI_COMMAND_MASTER) !== 0;
  }
}

/** What about the result of a jump does not fit together: the machine's own fault, whatever the verdict. */
export function jumpProblems(result: JumpResult): string[] {
  const problems: string[] = [];
  if (result.stuckOn === null && result.reached !== 'running') {
    problems.push(`it ended at ${result.reached} and does not say why`);
  }
  for (const { address, region, writers } of [...result.corrupted, ...(result.dump?.torn ?? [])]) {
    if (writers.length === 0) problems.push(`${hex(address, 8)} (${region}) changed and nobody wrote it`);
  }
  const broken = result.writes.some(({ broke }) => broke !== null && broke !== 'dump');
  if (broken !== (result.verdict === 'corrupted')) {
    problems.push(`the verdict is ${result.verdict}, but the next kernel ${broken ? 'was' : 'was not'} hit`);
  }
  if (result.writes.some(({ tick }) => tick < result.jumpTick))
    problems.push('a stray write before the jump');
  return problems;
}
