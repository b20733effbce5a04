import { hex } from '../pci/slot.js';
import { type ConfigAccess, ConfigPorts } from './config-ports.js';
import { type Exit, type MachineSetup, StubMachine } from './interpreter.js';
import { BOOT_PARAMS, ENTRY_64, ENTRY_BYTES, SETUP } from './layout.js';
import { ARITHMETIC, FLAG, RSI, RSP } from './x86-cpu.js';
import type { Change } from './x86-memory.js';

/** A kernel image as a kexec loader hands the machine to it. */
export interface ImageEntry extends Pick<MachineSetup, 'injections' | 'ticks' | 'decoder' | 'cpuid'> {
  /** The protected-mode code. */
  readonly code: Uint8Array;
  /** The page of boot_params with the image's setup header; the loader's fields are filled in. */
  readonly bootParams: Uint8Array;
  /** A multiple of 4096. Default 16 MiB. */
  readonly loadAddress?: number;
  /** Text, or bytes as they are. Default: no command line at all. */
  readonly commandLine?: string | Uint8Array;
  /** Default 0xd0, kexec. */
  readonly loaderType?: number;
  readonly bootParamsAddress?: number;
  readonly commandLineAddress?: number;
  /** May lie within the image, which is how the kernel's own 32-bit entry comes here. */
  readonly gdtAddress?: number;
  /** Default: none, as Linux's kexec leaves it. */
  readonly idtr?: { readonly base: number; readonly limit: number };
  /** Code and stack selector. Defaults 0x10 and 0x18. */
  readonly cs?: number;
  readonly ss?: number;
  /** Default: an address that is not mapped, since nobody promises a stack. */
  readonly rsp?: number;
  /** Default: interrupts off, ID set. */
  readonly rflags?: number;
  /** What port 0xCF8 holds. */
  readonly cf8?: number;
  /** Whether ports 0xCF8 and 0xCFC lead anywhere. Default yes. */
  readonly portsThere?: boolean;
}

const GDT_BYTES = 0x100;
/** 64-bit code and data, both marked accessed. */
const CODE_DESCRIPTOR = 0x00af_9b00_0000_ffffn;
const DATA_DESCRIPTOR = 0x00cf_9300_0000_ffffn;
const INSTRUCTIONS_MAX = 50_000_000;

/** Memory that a program was allowed to change. */
export interface Room {
  readonly address: number;
  readonly length: number;
}

/** One run of an image from its 64-bit entry to the place where the kernel itself goes on. */
export class ImageRun {
  readonly machine: StubMachine;
  readonly ports: ConfigPorts;
  readonly loadAddress: number;
  readonly bootParamsAddress: number;
  readonly #registers: Int32Array;
  readonly #expected: ReadonlyMap<string, number>;

  constructor(entry: ImageEntry) {
    const at = addressesOf(entry);
    const bootParams = new Uint8Array(BOOT_PARAMS.size);
    bootParams.set(entry.bootParams.subarray(0, BOOT_PARAMS.size));
    const params = new DataView(bootParams.buffer);
    const image = new Uint8Array(Math.max(params.getUint32(SETUP.initSize, true), entry.code.length));
    image.set(entry.code);
    const line = commandLineOf(entry.commandLine);
    params.setUint8(SETUP.typeOfLoader, entry.loaderType ?? 0xd0);
    params.setUint32(SETUP.cmdLinePtr, line === null ? 0 : at.commandLine % 2 ** 32, true);
    params.setUint32(
      BOOT_PARAMS.extCmdLinePtr,
      line === null ? 0 : Math.floor(at.commandLine / 2 ** 32),
      true,
    );
    const { cs = 0x10, ss = 0x18 } = entry;
    const gdt = gdtOf(cs, ss);
    const inImage = at.gdt >= at.load && at.gdt + GDT_BYTES <= at.load + image.length;
    if (inImage) image.set(gdt, at.gdt - at.load);
    this.loadAddress = at.load;
    this.bootParamsAddress = at.bootParams;
    this.ports = new ConfigPorts({ cf8: entry.cf8 ?? 0, there: entry.portsThere ?? true });
    this.machine = new StubMachine({
      regions: [
        { name: 'image', base: at.load, bytes: image },
        { name: 'boot_params', base: at.bootParams, bytes: bootParams },
        ...(line === null ? [] : [{ name: 'command line', base: at.commandLine, bytes: line }]),
        ...(inImage ? [] : [{ name: 'GDT', base: at.gdt, bytes: gdt }]),
      ],
      until: at.load + ENTRY_64 + ENTRY_BYTES.length,
      ...(entry.injections ? { injections: entry.injections } : {}),
      ...(entry.ticks ? { ticks: entry.ticks } : {}),
      ...(entry.cpuid ? { cpuid: entry.cpuid } : {}),
      ...(entry.decoder ? { decoder: entry.decoder } : {}),
    });
    const { cpu } = this.machine;
    // Values that are no addresses, and different in every byte.
    for (const i of cpu.bytes.keys()) cpu.bytes[i] = (i * 37 + 0x83) & 0xff;
    cpu.setAddress(RSI, at.bootParams);
    cpu.setAddress(RSP, entry.rsp ?? 0x5_5555_5558);
    cpu.rip = at.load + ENTRY_64;
    cpu.rflags = entry.rflags ?? FLAG.fixed | FLAG.ID | FLAG.PF;
    cpu.gdtr = { base: at.gdt, limit: GDT_BYTES - 1 };
    if (entry.idtr) cpu.idtr = entry.idtr;
    cpu.cs = cs;
    cpu.ss = ss;
    this.#registers = cpu.halves.slice();
    this.#expected = this.#rest();
  }

  /** Yields each access to configuration space: for `runOnBus` and `runOnHost`. */
  run(limit: number = INSTRUCTIONS_MAX): Generator<ConfigAccess, Exit, number> {
    return this.ports.serve(this.machine.run(limit));
  }

  /**
   * What the kernel would find different from what the loader left, a line each: registers, flags but the arithmetic
   * ones, descriptor tables, port 0xCF8.
   */
  disturbed(): readonly string[] {
    const { halves } = this.machine.cpu;
    const registers = Array.from({ length: 16 }, (_, i) => i).filter(
      (i) => halves[i * 2] !== this.#registers[i * 2] || halves[i * 2 + 1] !== this.#registers[i * 2 + 1],
    );
    const now = this.#rest();
    const rest = [...this.#expected].filter(([name, value]) => now.get(name) !== value);
    return [
      ...registers.map((i) => `register ${i}`),
      ...rest.map(([name, value]) => `${name}: ${hex(now.get(name) ?? 0, 1)} for ${hex(value, 1)}`),
    ];
  }

  /** Bytes that are not as they were and lie in none of these rooms. */
  stray(rooms: readonly Room[]): readonly Change[] {
    return this.machine.memory.changes().flatMap((change) => outside(change, rooms));
  }

  #rest(): ReadonlyMap<string, number> {
    const { rflags, gdtr, idtr, cs, ss } = this.machine.cpu;
    return new Map([
      // The kernel's first two instructions, CLD and CLI, are performed on its behalf.
      ['flags', rflags & ~(ARITHMETIC | FLAG.DF | FLAG.IF)],
      ['GDT base', gdtr.base],
      ['GDT limit', gdtr.limit],
      ['IDT base', idtr.base],
      ['IDT limit', idtr.limit],
      ['CS', cs],
      ['SS', ss],
      ['port cf8', this.ports.cf8],
    ]);
  }
}

function addressesOf(entry: ImageEntry) {
  return {
    load: entry.loadAddress ?? 0x100_0000,
    bootParams: entry.bootParamsAddress ?? 0x9_0000,
    commandLine: entry.commandLineAddress ?? 0x9_1000,
    gdt: entry.gdtAddress ?? 0x8_0040,
  };
}

function commandLineOf(line: string | Uint8Array | undefined): Uint8Array | null {
  if (line === undefined) return null;
  return typeof line === 'string' ? new TextEncoder().encode(`${line}\0`) : line.slice();
}

function gdtOf(cs: number, ss: number): Uint8Array {
  const gdt = new Uint8Array(GDT_BYTES);
  const view = new DataView(gdt.buffer);
  if (ss > 7 && ss + 8 <= GDT_BYTES) view.setBigUint64(ss & ~7, DATA_DESCRIPTOR, true);
  if (cs > 7 && cs + 8 <= GDT_BYTES) view.setBigUint64(cs & ~7, CODE_DESCRIPTOR, true);
  return gdt;
}

/** The parts of a change that no room covers. */
function outside(change: Change, rooms: readonly Room[]): readonly Change[] {
  let parts: readonly Change[] = [change];
  for (const room of rooms) {
    parts = parts.flatMap((part) => {
      const end = part.address + part.length;
      const roomEnd = room.address + room.length;
      const pieces = [
        { ...part, length: Math.min(end, room.address) - part.address },
        { ...part, address: Math.max(part.address, roomEnd), length: end - Math.max(part.address, roomEnd) },
      ];
      return pieces.filter((piece) => piece.length > 0);
    });
  }
  return parts;
}
