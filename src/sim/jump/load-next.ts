import { ShootdownError } from '../../pci/error.js';
import type { Kernel } from '../kernel/kernel.js';
import type { SimMachine } from '../machine.js';
import { PageAllocator } from '../memory/page-allocator.js';
import type { Random } from '../random.js';
import { NextImage } from './next-image.js';
import type { JumpOptions } from './options.js';

/** Loads a capture kernel, into the memory that is reserved for it. */
export function loadReserved(
  machine: SimMachine,
  random: Random,
  { load }: Pick<JumpOptions, 'load'>,
): NextImage {
  if (load === 'relocated') {
    const message = 'a capture kernel is loaded where it runs: load must be in-place';
    throw new ShootdownError('bad-input', message);
  }
  return NextImage.reserved(machine.memory, random, machine.map);
}

/** Loads a next kernel from the one that runs. */
export function loadNext(
  { memory, map }: SimMachine,
  old: Kernel,
  random: Random,
  load: JumpOptions['load'],
): NextImage {
  const allocator = new PageAllocator(memory, random, memory.banks);
  if (load !== 'in-place') return NextImage.staged(memory, random, allocator, map);
  // A driver that is gone has given its buffers back, whatever its device thinks, and what was freed last is handed out
  // first.
  const abandoned = memory.pages(['dma-buffer']).filter((page) => old.holder(page) === null);
  return NextImage.scattered(memory, random, allocator, map, abandoned);
}
