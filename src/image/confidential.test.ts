import { describe, expect, it } from 'vitest';
import { confidentialGuest } from './confidential.js';

function cpuinfo(flags: string): string {
  return `processor\t: 0\nmodel name\t: a tdx_guest by name\nflags\t\t: fpu vme ${flags} sse\nbugs\t\t: none\n`;
}

describe('confidentialGuest', () => {
  it.each([
    ['hypervisor sev sev_es', 'SEV-ES'],
    ['hypervisor sev sev_es sev_snp', 'SEV-SNP'],
    ['hypervisor tdx_guest', 'TDX'],
    // A host that can run such guests, a plain guest, SEV without encrypted registers.
    ['sev sev_es sev_snp', undefined],
    ['hypervisor', undefined],
    ['hypervisor sev', undefined],
  ])('%s', (flags, expected) => {
    expect(confidentialGuest(cpuinfo(flags))).toBe(expected);
  });

  it('is content with no flags at all', () => {
    expect(confidentialGuest('')).toBeUndefined();
  });
});
