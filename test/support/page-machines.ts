import { type Machine, scan } from '../../src/host/scan.js';
import { audit } from '../../src/quiesce/audit.js';
import { defaultPolicy } from '../../src/quiesce/default-policy.js';
import { auditJson } from '../../src/report/audit-json.js';
import { createMachine } from '../../src/sim/index.js';
import { type MemoryFunction, memoryHost, slotOf } from './memory-host.js';

const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0');

/** A physical function with 24 virtual ones in groups of their own, a group that a bridge is in, a VMD domain. */
export function groupedMachine(): Promise<Machine> {
  const bridge = (secondary: number, group: number, command = 0x0407): MemoryFunction => ({
    command,
    bridge: { secondary },
    capabilities: [{ kind: 'express', type: 4 }],
    facts: { driver: 'pcieport', iommuGroup: group, iommuDomain: 'DMA' },
  });
  const endpoint = (group: number, more: Partial<MemoryFunction> = {}): MemoryFunction => ({
    vendor: 0x8086,
    device: 0x1572,
    command: 0x0406,
    interruptPin: 1,
    capabilities: [
      { kind: 'express', flr: true },
      { kind: 'msix', enable: true, tableSize: 64 },
    ],
    ...more,
    facts: { driver: 'i40e', iommuGroup: group, iommuDomain: 'DMA-FQ', ...more.facts },
  });
  const functions: Record<string, MemoryFunction> = {
    '0000:00:01.0': bridge(1, 1),
    '0000:00:02.0': bridge(2, 2),
    '0000:01:00.0': endpoint(10, {
      extended: [{ kind: 'sriov', vfEnable: true, totalVfs: 64, numVfs: 24, vfOffset: 16, vfStride: 1 }],
    }),
    '0000:02:00.0': endpoint(2, { facts: { driver: 'nvme', holds: ['root'] }, classCode: 0x010802 }),
    '0000:02:00.1': endpoint(2, { facts: { driver: null } }),
    '10000:00:00.0': endpoint(30, { facts: { driver: 'vfio-pci', iommuDomain: 'identity' } }),
  };
  for (let vf = 0; vf < 24; vf++) {
    const slot = `0000:01:${hex(2 + (vf >> 3), 2)}.${vf & 7}`;
    functions[slot] = endpoint(100 + vf, {
      ...{ vendor: 0xffff, device: 0xffff, command: vf < 20 ? 0 : 0x0404, interruptPin: 0 },
      facts: { driver: vf < 20 ? null : 'vfio-pci', physfn: slotOf('0000:01:00.0') },
    });
  }
  return scan(memoryHost(functions, { iommu: true, liveKernel: true, captureKernelLoaded: true }));
}

export const HOSTILE = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(2)>',
  "'onmouseover='alert(3)",
  '</style><style>*{display:none}</style>',
  ']]><svg onload=alert(4)>',
  '--><iframe src=javascript:alert(5)>',
  '&lt;b&gt;&#x3c;i>',
  '\u202egnp.exe\u2066\u0007\u001b[31m\u0000\ud800',
] as const;

/** What `audit --json` might print of a machine whose every name wants to be more than a name. */
export async function hostileAudit(): Promise<string> {
  const sound = auditJson(audit(await scan(createMachine('server').host), defaultPolicy(), 'crash'));
  const data = JSON.parse(JSON.stringify(sound)) as Mutable;
  const bad = (index: number) => HOSTILE[index % HOSTILE.length] ?? '';
  data.host = HOSTILE.join(' ');
  data.functions.forEach((fn, index) => {
    fn.driver = bad(index);
    fn.driverKnown = true;
    fn.iommuGroup = index % 3;
    fn.iommuDomain = bad(index + 1);
    fn.resetMethods = [bad(index + 2)];
    fn.policy = { ...fn.policy, rule: bad(index + 3), reason: bad(index + 4) };
  });
  data.findings.forEach((finding, index) => {
    finding.title = bad(index);
    finding.evidence = bad(index + 1);
    finding.advice = bad(index + 2);
    finding.hazards = [{ id: 'H01', title: bad(index), source: 'javascript:alert(6)' }];
  });
  data.notes = [...HOSTILE, 'x'.repeat(10_000)];
  return JSON.stringify(data);
}

/** What is changed of an audit. */
interface Mutable {
  host: string;
  functions: {
    driver: string;
    driverKnown: boolean;
    iommuGroup: number;
    iommuDomain: string;
    resetMethods: string[];
    policy: { action: string; rule: string; reason: string };
  }[];
  findings: { title: string; evidence: string; advice: string; hazards: object[] }[];
  notes: string[];
}

/** What `lspci -k -x` might print there. */
export function hostileDump(): string {
  const rows = (command: string) => `00: 86 80 d3 10 ${command} 10 00 00 00 00 02 00 00 00 00\n${ZEROS}`;
  return HOSTILE.map((text, index) => {
    const title = text.replace(/[\u0000-\u001f\ud800]/g, '');
    return `00:${hex(index, 2)}.0 Ethernet controller: ${title}\n\tKernel driver in use: ${title}\n${rows('06 04')}\n`;
  }).join('');
}

const ZEROS = ['10', '20', '30'].map((at) => `${at}:${' 00'.repeat(16)}\n`).join('');
