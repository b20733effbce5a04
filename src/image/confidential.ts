/**
 * Says in which kind of guest a port access traps to firmware of the guest that is gone by then: SEV-ES, SEV-SNP and
 * TDX. `cpuinfo` is the text of /proc/cpuinfo, whose flags Linux sets. `undefined` for all other machines; hosts have
 * the SEV flags too, without `hypervisor`.
 */
export function confidentialGuest(cpuinfo: string): 'SEV-ES' | 'SEV-SNP' | 'TDX' | undefined {
  const line = /^flags\s*:(.*)$/m.exec(cpuinfo)?.[1] ?? '';
  const flags = new Set(line.trim().split(/\s+/));
  if (!flags.has('hypervisor')) return undefined;
  if (flags.has('tdx_guest')) return 'TDX';
  if (flags.has('sev_snp')) return 'SEV-SNP';
  return flags.has('sev_es') ? 'SEV-ES' : undefined;
}
