import { ShootdownError } from '../pci/error.js';
import { Cpu, type Cpuid, type PortRequest, RAX } from './x86-cpu.js';
import { Decoder } from './x86-decode.js';
import { deliver, VECTOR } from './x86-interrupt.js';
import { Memory, type Region } from './x86-memory.js';

/** How a run ended. */
export interface Exit {
  /**
   * `arrived` at the address that was waited for; `stopped` by an instruction or access that is not allowed; `reset`
   * by an exception that could not be delivered; or at the `limit` of instructions.
   */
  readonly kind: 'arrived' | 'stopped' | 'reset' | 'limit';
  /** Of a stop or a reset. */
  readonly why: string | null;
  /** Of the instruction that was not executed, or could not be. */
  readonly rip: number;
  readonly instructions: number;
}

/** An exception or an NMI that comes before the instruction with this index, counted from 0. */
export interface Injection {
  readonly before: number;
  readonly vector: number;
  readonly errorCode?: number;
}

export interface MachineSetup {
  readonly regions: readonly Region[];
  /** A run ends when it gets here. */
  readonly until: number;
  /** In ascending order. While an NMI is handled another one waits, as in a CPU, and a third is lost. */
  readonly injections?: readonly Injection[];
  /** The time stamp counter, below 2⁵³. By default an instruction takes 1 tick and an access to a port 1000. */
  readonly ticks?: (counts: Counts) => number;
  /** Default: zeros, as no CPU says them. */
  readonly cpuid?: Cpuid;
  /** Shared by the runs of one program, which are then faster. */
  readonly decoder?: Decoder;
}

export interface Counts {
  readonly instructions: number;
  readonly requests: number;
}

/** A decoded instruction in its place, with what came after it last time. */
interface Node {
  readonly address: number;
  readonly end: number;
  readonly run: (cpu: Cpu) => void;
  next: Node | undefined;
  taken: Node | undefined;
}

const TICKS_PER_REQUEST = 1000;

/**
 * Executes the stub, and only that: exactly the instructions that it uses, one CPU at privilege level 0 in 64-bit
 * mode, paging as if everything were mapped where it lies. Ports are asked for through the generator, so that what is
 * behind them may be synchronous or not.
 */
export class StubMachine implements Counts {
  readonly cpu: Cpu;
  readonly memory: Memory;
  instructions = 0;
  requests = 0;
  readonly #decoder: Decoder;
  readonly #until: number;
  readonly #nodes = new Map<number, Node>();
  readonly #injections: readonly Injection[];
  #injected = 0;
  #nmiWaits = false;
  /** No injection needs a look before this many instructions. */
  #quietUntil: number;
  /** Where the instruction stands that was begun last. */
  #begun = 0;

  constructor({ regions, until, injections = [], ticks = defaultTicks, decoder, cpuid }: MachineSetup) {
    this.memory = new Memory(regions);
    this.cpu = new Cpu(this.memory, () => ticks(this), cpuid);
    this.#decoder = decoder ?? new Decoder();
    this.#until = until;
    this.#injections = injections;
    this.#quietUntil = injections[0]?.before ?? Number.POSITIVE_INFINITY;
  }

  /** Runs up to `limit` instructions in all; yields each access to a port and takes what a read gives. */
  *run(limit: number): Generator<PortRequest, Exit, number> {
    for (;;) {
      const { cpu } = this;
      const exit = this.#advance(limit);
      const { request } = cpu;
      if (request === null) return exit ?? this.#exit('limit', null, cpu.rip);
      cpu.request = null;
      this.requests++;
      let value: number;
      try {
        value = yield request;
      } catch (error) {
        return this.#stopped(error);
      }
      if (!request.write) this.#take(request.width, value);
    }
  }

  /** Addresses of the instructions that were executed, in ascending order. */
  executed(): readonly number[] {
    return [...this.#nodes.keys()].sort((a, b) => a - b);
  }

  /** Up to the next access to a port (`null`) or the end. */
  #advance(limit: number): Exit | null {
    try {
      return this.#execute(limit);
    } catch (error) {
      return this.#stopped(error);
    }
  }

  #execute(limit: number): Exit | null {
    const { cpu } = this;
    let node: Node | undefined;
    while (cpu.request === null) {
      const { rip } = cpu;
      if (rip === this.#until) return this.#exit('arrived', null, rip);
      if (this.instructions >= limit) return this.#exit('limit', null, rip);
      if (this.instructions >= this.#quietUntil) {
        const why = this.#inject();
        if (why !== null) return this.#exit('reset', why, rip);
        if (cpu.rip !== rip) {
          node = undefined;
          continue;
        }
      }
      node = this.#follow(node, rip);
      this.#begun = rip;
      cpu.rip = node.end;
      node.run(cpu);
      this.instructions++;
    }
    return null;
  }

  #follow(node: Node | undefined, rip: number): Node {
    if (node === undefined) return this.#nodeAt(rip);
    if (rip === node.end) {
      node.next ??= this.#nodeAt(rip);
      return node.next;
    }
    if (node.taken?.address !== rip) node.taken = this.#nodeAt(rip);
    return node.taken;
  }

  #nodeAt(address: number): Node {
    const known = this.#nodes.get(address);
    if (known) return known;
    this.#begun = address;
    const { bytes, at } = this.memory.code(address);
    const decoded = this.#decoder.at(bytes, at);
    const { length } = decoded.bytes;
    this.memory.markCode(address, length);
    const node: Node = {
      address,
      end: address + length,
      run: decoded.run,
      next: undefined,
      taken: undefined,
    };
    this.#nodes.set(address, node);
    return node;
  }

  /** What is due now; why the machine resets, or `null`. */
  #inject(): string | null {
    const { cpu } = this;
    this.#begun = cpu.rip;
    let why: string | null = null;
    for (;;) {
      const due = this.#injections[this.#injected];
      if (due === undefined || due.before > this.instructions) break;
      this.#injected++;
      if (due.vector === VECTOR.nmi) this.#nmiWaits = true;
      else why ??= deliver(cpu, due.vector, due.errorCode);
    }
    if (this.#nmiWaits && !cpu.nmiBlocked) {
      this.#nmiWaits = false;
      cpu.nmiBlocked = true;
      why ??= deliver(cpu, VECTOR.nmi, undefined);
    }
    const next = this.#injections[this.#injected]?.before ?? Number.POSITIVE_INFINITY;
    this.#quietUntil = this.#nmiWaits ? this.instructions + 1 : next;
    return why;
  }

  /** Into AL, AX or EAX. */
  #take(width: 1 | 2 | 4, value: number): void {
    const { halves, words, bytes } = this.cpu;
    if (width === 1) bytes[RAX * 8] = value;
    else if (width === 2) words[RAX * 4] = value;
    else {
      halves[RAX * 2] = value;
      halves[RAX * 2 + 1] = 0;
    }
  }

  #exit(kind: Exit['kind'], why: string | null, rip: number): Exit {
    return { kind, why, rip, instructions: this.instructions };
  }

  /** Only what this machine does not allow ends a run; everything else is a mistake of ours, or the host's. */
  #stopped(error: unknown): Exit {
    if (!(error instanceof ShootdownError) || error.code !== 'unsupported') throw error;
    this.cpu.rip = this.#begun;
    return this.#exit('stopped', error.message, this.#begun);
  }
}

function defaultTicks({ instructions, requests }: Counts): number {
  return instructions + requests * TICKS_PER_REQUEST;
}
