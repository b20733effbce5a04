import { createDevice } from '../devices/create.js';
import { PAGE_BYTES } from '../memory/memory.js';
import { oldKernelPages, PENDING_TABLE_PAGES } from '../memory/memory-map.js';
import type { Problem } from './check.js';
import { functionOf } from './machine.js';
import type { FunctionData, ScenarioData } from './schema.js';

type MemoryData = NonNullable<ScenarioData['machine']['memory']>;

/** A stretch of memory in bytes, named by its place in the file. */
interface Stretch {
  readonly at: string;
  readonly from: number;
  readonly to: number;
}

const RAM_MAX = 2 ** 32;
/** A capture kernel's image and initramfs take as much as others do; besides it needs memory to work with. */
const WORK_MIN = 2 ** 20;

/** Stretches that overlap, lie where there is no RAM, or are not whole pages, and too little for a kernel at work. */
export function memoryProblems(memory: MemoryData, functions: readonly FunctionData[]): readonly Problem[] {
  const ram = memory.ram.map((range, i) => stretch(`machine.memory.ram.${i}`, range));
  const capture = stretch('machine.memory.capture', memory.capture);
  const image = stretch('machine.memory.image', memory.image);
  const initramfs = stretch('machine.memory.initramfs', memory.initramfs);
  const placed = [capture, image, initramfs];
  const total = ram.reduce((sum, one) => sum + sizeOf(one), 0);
  const problems = [...ram, ...placed].flatMap(pageProblems);
  if (total > RAM_MAX)
    problems.push({ at: 'machine.memory.ram', text: `${text(total)} bytes are more than 4 GiB` });
  for (const one of placed) {
    if (ram.some(({ from, to }) => one.from >= from && one.to <= to)) continue;
    problems.push({ at: one.at, text: `${range(one)} is not within one stretch of ram` });
  }
  const needed = sizeOf(image) + sizeOf(initramfs) + WORK_MIN;
  if (sizeOf(capture) < needed) {
    const short = `has ${text(sizeOf(capture))} bytes, and a capture kernel with image and initramfs needs ${text(needed)}`;
    problems.push({ at: capture.at, text: short });
  }
  problems.push(...overlaps(ram), ...overlaps(placed));
  if (problems.length > 0) return problems;
  const left = total - placed.reduce((sum, one) => sum + sizeOf(one), 0);
  // Any scenario may be played with --path normal.
  const used = oldKernelBytes(functions) + sizeOf(image) + sizeOf(initramfs);
  if (left >= used) return [];
  const short = `leaves ${text(left)} bytes beside capture, image and initramfs, and the old kernel, its devices and, on the normal path, a next kernel that waits to be copied need ${text(used)}`;
  return [{ at: 'machine.memory.ram', text: short }];
}

/** What a kernel that has run for a while uses, and what its devices write into. */
function oldKernelBytes(functions: readonly FunctionData[]): number {
  const count = functions.reduce((sum, { vfs = 0 }) => sum + 1 + vfs, 0);
  const buffers = functions.reduce((sum, of) => sum + (1 + (of.vfs ?? 0)) * bufferPages(of), 0);
  return (oldKernelPages(count) + PENDING_TABLE_PAGES + buffers) * PAGE_BYTES;
}

/** What its engine asks for when it is set to work. */
function bufferPages(of: FunctionData): number {
  let pages = 0;
  createDevice(functionOf(of))?.program((count) => {
    pages += count;
    return [];
  });
  return pages;
}

function pageProblems(one: Stretch): Problem[] {
  if (one.from % PAGE_BYTES !== 0 || one.to % PAGE_BYTES !== 0)
    return [{ at: one.at, text: `${range(one)} is not made of whole pages of 4 KiB` }];
  if (one.from === one.to) return [{ at: one.at, text: `${range(one)} is empty` }];
  return one.to > 2 ** 52 ? [{ at: one.at, text: `${range(one)} ends beyond 52 bits` }] : [];
}

function overlaps(stretches: readonly Stretch[]): Problem[] {
  return stretches.flatMap((one, i) =>
    stretches
      .slice(0, i)
      .filter((other) => one.from < other.to && other.from < one.to)
      .map((other) => ({ at: one.at, text: `${range(one)} overlaps ${other.at}, ${range(other)}` })),
  );
}

function stretch(at: string, { at: from, size }: MemoryData['capture']): Stretch {
  return { at, from: Number(from), to: Number(from) + Number(size) };
}

const sizeOf = ({ from, to }: Stretch) => to - from;
const text = (value: number) => `0x${value.toString(16)}`;
const range = ({ from, to }: Stretch) => `${text(from)} … ${text(to - 1)}`;
