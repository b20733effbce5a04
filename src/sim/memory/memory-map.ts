import { type PageRange, pageOf } from './memory.js';

/** Where things lie in memory, in pages of 4 KiB. */
export interface MemoryMap {
  readonly ram: readonly PageRange[];
  /** What crashkernel= sets aside. */
  readonly capture: PageRange;
  /** Where a relocated next kernel runs: its image, and its initramfs. A capture kernel has as much of both. */
  readonly image: PageRange;
  readonly initramfs: PageRange;
}

const LOW: PageRange = { first: 1, count: 0x9f };
const MAIN_FIRST = pageOf(0x10_0000);
/** 16 MiB, where x86 kernels prefer to run. */
const IMAGE_FIRST = pageOf(0x100_0000);
/** Below it there is no room for the windows of PCI functions. */
const MAIN_END = pageOf(0xb000_0000);
const HIGH_FIRST = pageOf(0x1_0000_0000);

/**
 * A map for so many functions. All of it grows with them, so that a large machine is as crowded as a small one and
 * costs as much for each function. For `n` functions, in pages: image 32 + 10 n, initramfs 64 + 20 n, capture region
 * 128 + 130 n, and 4608 + 450 n in all, of which the old kernel takes `oldKernelPages`, and its devices what their
 * rings need.
 */
export function memoryMap(functions: number): MemoryMap {
  const image = { first: IMAGE_FIRST, count: 32 + 10 * functions };
  const initramfsPages = 64 + 20 * functions;
  const capturePages = 128 + 130 * functions;
  const pages = 4608 + 450 * functions;
  const main = { first: MAIN_FIRST, count: Math.min(pages, MAIN_END - MAIN_FIRST) };
  // Loaders put an initramfs high.
  const initramfs = { first: main.first + main.count - initramfsPages - 64, count: initramfsPages };
  const imageEnd = image.first + image.count;
  const between = initramfs.first - imageEnd;
  const fits = between >= capturePages;
  // As crashkernel=,high does where there is no room below 4 GiB.
  const first = fits ? imageEnd + Math.floor((between - capturePages) / 2) : HIGH_FIRST;
  const high = { first: HIGH_FIRST, count: 256 + pages - main.count };
  return { ram: [LOW, main, high], capture: { first, count: capturePages }, image, initramfs };
}

/** Pages that a kernel that has run for a while uses for itself. */
export function oldKernelPages(functions: number): number {
  return 100 + 60 * functions;
}

/** GICv3: 64 KiB for each processor that has a redistributor, of which there are some. */
export const PENDING_TABLE_PAGES = 64;
