import * as regs from '../../pci/regs.js';
import type { SimFunction } from '../functions/function.js';
import type { SimMachine } from '../machine.js';
import { oldKernelPages, PENDING_TABLE_PAGES } from '../memory/memory-map.js';
import { PageAllocator } from '../memory/page-allocator.js';
import { Kernel } from './kernel.js';

const CPUS = 1024;

/** The kernel of a machine that has been up for a long time, and what others have left running meanwhile. */
export function bootOldKernel(machine: SimMachine): Kernel {
  const { memory, interrupts } = machine;
  const allocator = new PageAllocator(memory, machine.bootRandom.fork('old-kernel'), memory.banks);
  const own = allocator.takeMany(oldKernelPages(machine.functions.size), 'old-kernel');
  for (const page of own) memory.fill(page, page);
  if (machine.rules.pendingTables) {
    interrupts.pendingTable = allocator.takeMany(PENDING_TABLE_PAGES, 'old-kernel');
    for (const page of interrupts.pendingTable) memory.fill(page, 0);
  }
  // Processors enough for the vectors of any machine: this kernel did boot.
  const parts = { machine, allocator, era: machine.era, cpus: CPUS } as const;
  const kernel = new Kernel({ ...parts, buffers: 'dma-buffer', by: 'old-kernel' });
  machine.kernel = kernel;
  kernel.irqs.openTimer();
  interrupts.attach(kernel);
  for (const fn of machine.functions.values()) {
    const { driver, busMaster } = fn.description;
    if (driver) kernel.bind(fn);
    else if (fn.description.leftBy || fn.description.wanted) leaveRunning(machine, allocator, fn);
    else if (busMaster) fn.space.setBits(regs.PCI_COMMAND, 2, regs.PCI_COMMAND_MASTER, true);
  }
  return kernel;
}

/** Somebody set the function going, and went away or lives elsewhere: it keeps its rings, and interrupts nobody. */
function leaveRunning(machine: SimMachine, allocator: PageAllocator, fn: SimFunction): void {
  const { memory, iommu } = machine;
  const { wanted, leftBy } = fn.description;
  for (let at: SimFunction | undefined = fn; at; at = at.parent) {
    if (at === fn || wanted) at.space.setBits(regs.PCI_COMMAND, 2, regs.PCI_COMMAND_MASTER, true);
  }
  fn.firmwareOwned = leftBy === 'firmware';
  const owner = wanted ? 'preserved' : leftBy === 'firmware' ? 'firmware' : 'dma-buffer';
  // What the memory map keeps from kernels does not lie where one is loaded.
  const avoid = owner === 'dma-buffer' ? [] : [machine.map.image, machine.map.initramfs];
  if (owner === 'dma-buffer') iommu?.attach(fn);
  fn.program((count) => {
    const taken = allocator.takeMany(count, owner, avoid);
    for (const page of taken) memory.fill(page, 0);
    if (owner === 'dma-buffer') iommu?.map(fn, taken);
    else iommu?.preserve(fn, taken);
    return taken;
  });
}
