import { readPciIds } from '../host/pci-ids-file.js';
import type { PciFunction } from '../pci/function.js';
import { lookupNames, type PciNames } from '../pci/pci-ids.js';

/** Names from the system's pci.ids; hexadecimal where there are none. */
export async function namesFor(functions: readonly PciFunction[]): Promise<PciNames> {
  return lookupNames(await readPciIds(), functions);
}
