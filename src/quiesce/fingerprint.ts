import { createHash } from 'node:crypto';
import type { PciFunction } from '../pci/function.js';
import type { Topology } from '../pci/topology.js';

/**
 * A digest of what a plan relies on: which functions there are, what they are and how they hang together. Values
 * that change in normal work are not part of it; where a step's register lies is checked when it is performed.
 */
export function fingerprint(topology: Topology): string {
  const hash = createHash('sha256');
  for (const [slot, { function: fn }] of topology.nodes) hash.update(`${slot} ${describe(fn)}\n`);
  return `sha256:${hash.digest('hex').slice(0, 32)}`;
}

function describe(fn: PciFunction): string {
  const buses = fn.bridge ? `${fn.bridge.primary},${fn.bridge.secondary},${fn.bridge.subordinate}` : '-';
  const { vendor, device, classCode } = fn;
  return fn.presence === 'present'
    ? `${vendor} ${device} ${classCode} ${fn.headerType} ${buses}`
    : `${vendor} ${device}`;
}
