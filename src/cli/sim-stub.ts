import { findBlock } from '../image/block.js';
import { parseBzImage } from '../image/bzimage.js';
import { runOnHost } from '../image/config-ports.js';
import { ImageRun } from '../image/enter-image.js';
import { type FlightRecord, parseFlight } from '../image/flight.js';
import { flightResults } from '../image/flight-results.js';
import { BOOT_PARAMS, ENTRY, ENTRY_64, ENTRY_BYTES, RECORD, SETUP, XLF_KERNEL_64 } from '../image/layout.js';
import { STUB } from '../image/stub.generated.js';
import type { StubProgram } from '../image/stub.js';
import { compileTable } from '../image/table.js';
import { wrapImage } from '../image/wrap.js';
import { Decoder } from '../image/x86-decode.js';
import type { StubRunner, StubSurroundings } from '../sim/policies/policy.js';
import { VERSION } from '../version.js';

const TSC_KHZ = 3_000_000;
const TICKS_PER_INSTRUCTION = 16;
const SECTOR = 512;
const CODE_BYTES = 0x400;
const INIT_BYTES_MIN = 0x10_0000;
const PAGE = 4096;
const RECORD_BYTES_MIN = 16 * 1024;
/** Of a capture kernel, on both paths: only there the record tells of every function. */
const COMMAND_LINE = 'root=/dev/ram0 elfcorehdr=0x1000';

/**
 * Runs the stub's own bytes between two simulated kernels: an image is wrapped for the machine, entered as kexec
 * enters it, and executed by the interpreter; the claims are those of the flight record that it leaves.
 */
export function interpretedStub(stub: StubProgram = STUB): StubRunner {
  const decoder = new Decoder();
  return async (surroundings) => {
    const { record } = await runStub(surroundings, stub, decoder);
    const functions = flightResults(record, surroundings.policy);
    return { place: 'between', end: record.end, functions };
  };
}

async function runStub(
  { host, clock, policy, known }: StubSurroundings,
  stub: StubProgram,
  decoder: Decoder,
): Promise<{ readonly record: FlightRecord }> {
  const functions = known?.topology.nodes.size ?? 0;
  const room = functions * ENTRY.bytes;
  const { bytes: table } = compileTable(policy, {
    tool: VERSION,
    tscKhz: TSC_KHZ,
    ...(known === null ? { scanAll: true } : { machine: { ...known, machineFacts: {} } }),
  });
  const tailBytes = alignUp(RECORD_BYTES_MIN + 2 * room);
  const wrapped = wrapImage(emptyKernel(alignUp(INIT_BYTES_MIN + 2 * room)), { stub, table, tailBytes });
  const image = parseBzImage(wrapped);
  if (!findBlock(image)) throw new Error('not wrapped');
  let executed = 0;
  const run = new ImageRun({
    code: wrapped.subarray(image.codeAt),
    bootParams: wrapped.slice(0, BOOT_PARAMS.size),
    commandLine: COMMAND_LINE,
    decoder,
    // The counter goes with the machine's time; between two accesses an instruction takes some of it, as PAUSE does.
    ticks: ({ instructions }) => {
      executed = instructions;
      return Math.round(clock.now() * TSC_KHZ) + instructions * TICKS_PER_INSTRUCTION;
    },
  });
  const exit = await runOnHost(run.run(), host);
  // What these instructions took, the machine has still to live through.
  await clock.sleep((executed * TICKS_PER_INSTRUCTION) / TSC_KHZ);
  const disturbed = run.disturbed();
  if (exit.kind !== 'arrived' || disturbed.length > 0) {
    const why =
      exit.kind === 'arrived' ? `the kernel finds ${disturbed.join(', ')}` : `${exit.kind} ${exit.why}`;
    throw new Error(`the stub did not come to the kernel as it should: ${why}`);
  }
  const record = recordOf(run);
  if (!record) throw new Error('the stub left no flight record');
  return { record };
}

function recordOf({ machine: { memory }, bootParamsAddress }: ImageRun): FlightRecord | null {
  const u32 = (at: number) => memory.read32(at) >>> 0;
  const at = bootParamsAddress + SETUP.setupData;
  const node = u32(at) + u32(at + 4) * 2 ** 32;
  if (node === 0 || u32(node + 8) !== RECORD.setupDataType) return null;
  return parseFlight(Uint8Array.from({ length: u32(node + 12) }, (_, i) => memory.read8(node + 16 + i)));
}

const alignUp = (bytes: number) => Math.ceil(bytes / PAGE) * PAGE;

/** As much of a bzImage as is wrapped and entered: what comes after the stub is never executed here. */
function emptyKernel(initSize: number): Uint8Array {
  const codeAt = 2 * SECTOR;
  const bytes = new Uint8Array(codeAt + CODE_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint8(SETUP.setupSects, 1);
  view.setUint32(SETUP.syssize, CODE_BYTES / 16, true);
  view.setUint16(SETUP.bootFlag, 0xaa55, true);
  bytes.set(new TextEncoder().encode('HdrS'), SETUP.header);
  view.setUint16(SETUP.version, 0x20f, true);
  view.setUint8(SETUP.loadflags, 1);
  view.setUint32(SETUP.kernelAlignment, 0x20_0000, true);
  view.setUint8(SETUP.relocatableKernel, 1);
  view.setUint16(SETUP.xloadflags, XLF_KERNEL_64, true);
  view.setUint32(SETUP.payloadOffset, CODE_BYTES - 16, true);
  view.setUint32(SETUP.payloadLength, 16, true);
  view.setUint32(SETUP.initSize, initSize, true);
  bytes.set(ENTRY_BYTES, codeAt + ENTRY_64);
  return bytes;
}
