import { createHash } from 'node:crypto';
import { type PciFunction, seen } from '../pci/function.js';
import type { Topology } from '../pci/topology.js';

/**
 * A digest of what a plan relies on: which functions there are, what they are, how they hang together and where
 * the registers lie that a plan may write. Register values that change in normal work are not part of it.
 */
export function fingerprint(topology: Topology): string {
  const hash = createHash('sha256');
  for (const [slot, { function: fn }] of topology.nodes) hash.update(`${slot} ${describe(fn)}\n`);
  return `sha256:${hash.digest('hex').slice(0, 32)}`;
}

function describe(fn: PciFunction): string {
  if (fn.presence !== 'present') return fn.presence;
  const buses = fn.bridge ? `${fn.bridge.primary},${fn.bridge.secondary},${fn.bridge.subordinate}` : '-';
  const at = [fn.pm, fn.msi, fn.msix, fn.express, fn.af].map((capability) => seen(capability)?.offset ?? '-');
  return `${fn.vendor} ${fn.device} ${fn.classCode} ${fn.headerType} ${buses} ${at.join(',')}`;
}
