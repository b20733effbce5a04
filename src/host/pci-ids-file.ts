import { readFileSync, statSync } from 'node:fs';
import { lookupNames, type NamedIds, type PciNames } from '../pci/pci-ids.js';

/** Where distributions keep it: Debian and others, Fedora and SUSE, pciutils' own. */
const PLACES = ['/usr/share/misc/pci.ids', '/usr/share/hwdata/pci.ids', '/usr/share/pci.ids'] as const;
/** Ten times what it has grown to in 25 years. */
const SIZE_MAX = 16 * 1024 * 1024;

/** Names from the system's `pci.ids`; hexadecimal where there is none, since names are a convenience. */
export function namesFor(wanted: Iterable<NamedIds>, places: readonly string[] = PLACES): PciNames {
  return lookupNames(readPciIds(places), wanted);
}

/** The bytes of the first `pci.ids` that can be read; none at all if there is none. */
function readPciIds(places: readonly string[]): Uint8Array {
  for (const path of places) {
    try {
      const stat = statSync(path);
      if (stat.isFile() && stat.size <= SIZE_MAX) return readFileSync(path);
    } catch {
      // The next one may do.
    }
  }
  return new Uint8Array(0);
}
