import { describe, expect, it } from 'vitest';
import { type MemoryFunction, memoryHost } from '../../test/support/memory-host.js';
import type { MachineFacts } from '../host/facts.js';
import { scan } from '../host/scan.js';
import { audit } from '../quiesce/audit.js';
import type { AuditData } from '../quiesce/audit-data.js';
import { defaultPolicy } from '../quiesce/default-policy.js';
import { createMachine } from '../sim/index.js';
import { auditData } from './audit-json.js';
import { type Checks, FUNCTIONS_MAX, prometheusText } from './prometheus.js';

const NIC: MemoryFunction = { vendor: 0x8086, device: 0x10d3, classCode: 0x020000, command: 6 };
const bound = (driver: string): MemoryFunction => ({ ...NIC, facts: { driver } });
const audited = async (functions: Record<string, MemoryFunction>, facts: MachineFacts = {}) =>
  auditData(audit(await scan(memoryHost(functions, facts)), defaultPolicy(), 'crash'));
const text = (of: AuditData, checks: Checks | null = null, unattended = 0) =>
  prometheusText({ audit: of, unattended, version: '0.1.0', nowMs: 1_700_000_000_500, checks });

/** What a reader of the format makes of it: names, labels with their escapes undone, values. */
function samples(of: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const line of of.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    const label = '[a-z_]+="(?:[^"\\\\\\n]|\\\\[\\\\n"])*"';
    expect(line).toMatch(new RegExp(`^[a-z_]+(\\{${label}(,${label})*\\})? [0-9.]+$`));
    const end = line.lastIndexOf(' ');
    expect(found.has(line.slice(0, end)), line).toBe(false);
    found.set(line.slice(0, end), Number(line.slice(end + 1)));
  }
  return found;
}

describe('the metrics', () => {
  it('count what the audit has', async () => {
    const machine = await scan(createMachine('server').host);
    const data = auditData(audit(machine, defaultPolicy(), 'crash'));
    const found = samples(await text(data, null, 3));
    expect(found.get('shootdown_functions_unattended')).toBe(3);
    const live = data.functions.filter(({ verdict }) => verdict === 'live');
    expect(found.get('shootdown_functions{verdict="live",kind="endpoint"}')).toBe(live.length);
    const sum = [...found].filter(([name]) => name.startsWith('shootdown_functions{'));
    expect(sum.reduce((all, [, count]) => all + count, 0)).toBe(data.functions.length);
    expect([...found.keys()].filter((name) => name.startsWith('shootdown_function_live{'))).toHaveLength(
      live.length,
    );
    const findings = [...found].filter(([name]) => name.startsWith('shootdown_findings{'));
    expect(findings.reduce((all, [, count]) => all + count, 0)).toBe(data.findings.length);
    expect(found.get('shootdown_report_timestamp_seconds')).toBe(1_700_000_000.5);
    expect(found.get('shootdown_info{version="0.1.0"}')).toBe(1);
    expect(found.get('shootdown_audit_info{for="crash",policy="default",source="sim:server"}')).toBe(1);
  });

  it('are the same text for the same source', async () => {
    const data = await audited({ '00:02.0': NIC, '00:03.0': bound('e1000e') }, { lockdown: 'integrity' });
    expect(await text(data)).toBe(await text(data));
  });

  it('leave out what is not known, and what there is none of', async () => {
    const found = [...samples(await text(await audited({}))).keys()].join('\n');
    expect(found).not.toMatch(/lockdown|iommu|kernel_loaded|protected|doctor|function_live\b|findings\{/);
    expect(found).toContain('shootdown_functions{verdict="live",kind="endpoint"}');
    const known = samples(
      await text(await audited({}, { captureKernelLoaded: true, iommu: false, lockdown: 'integrity' })),
    );
    expect(known.get('shootdown_capture_kernel_loaded')).toBe(1);
    expect(known.get('shootdown_iommu_translating')).toBe(0);
    expect(known.get('shootdown_lockdown{mode="integrity"}')).toBe(1);
    expect(known.get('shootdown_lockdown{mode="none"}')).toBe(0);
  });

  it('let no name end a label, a line or the text', async () => {
    const evil = 'a"b\\c\nshootdown_evil 1\u001b]0;x\u0007\u202e\u0000\u2028,{}';
    const data = await audited({ '00:02.0': bound(evil) });
    const written = await text({ ...data, policy: evil, host: evil });
    expect([...samples(written).keys()].some((name) => name.startsWith('shootdown_evil'))).toBe(false);
    expect(written).toContain('driver="a\\"b\\\\c?shootdown_evil 1?]0;x????,{}"');
    expect(written).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f\u202e\u2028]/);
  });

  it('have so many functions and no more', async () => {
    const slots = Array.from({ length: FUNCTIONS_MAX + 40 }, (_, n) => {
      const device = (n >> 3) & 31;
      return `${(n >> 8).toString(16).padStart(2, '0')}:${device.toString(16).padStart(2, '0')}.${n & 7}`;
    });
    const data = await audited(Object.fromEntries(slots.map((slot) => [slot, { ...NIC, size: 64 }])));
    const found = samples(await text(data));
    const live = [...found.keys()].filter((name) => name.startsWith('shootdown_function_live{'));
    expect(live).toHaveLength(FUNCTIONS_MAX);
    expect(found.get('shootdown_function_live_omitted')).toBe(40);
  });

  it('have what doctor says, a series for each check and state', async () => {
    const results = [
      { id: 'kdump.loaded', state: 'problem' },
      { id: 'kernel.wrapped', state: 'ok' },
      { id: 'kernel.wrapped', state: 'ok' },
      { id: 'kernel.wrapped', state: 'warning' },
    ];
    const counts = { problem: 1, warning: 1, unknown: 0, note: 0, ok: 2 };
    const found = samples(await text(await audited({}), { results, counts }));
    expect(found.get('shootdown_doctor_check{check="kdump.loaded",state="problem"}')).toBe(1);
    expect(found.get('shootdown_doctor_check{check="kernel.wrapped",state="ok"}')).toBe(2);
    expect(found.get('shootdown_doctor_results{state="ok"}')).toBe(2);
    expect(found.get('shootdown_doctor_results{state="unknown"}')).toBe(0);
  });
});
