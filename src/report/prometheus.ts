import Gauge from 'prom-client/lib/gauge.js';
import Registry from 'prom-client/lib/registry.js';
import { printable } from '../pci/printable.js';
import { type AuditData, type AuditedFunctionData, isBridgeData } from '../quiesce/audit-data.js';
import { SEVERITIES } from '../quiesce/findings.js';

/** What the metrics are made of. */
export interface PrometheusSource {
  readonly audit: AuditData;
  /** Functions that could keep writing to memory: the number that the audit's first sentence has. */
  readonly unattended: number;
  /** The version that made them. */
  readonly version: string;
  /** Of the report, in milliseconds since 1970. */
  readonly nowMs: number;
  /** What `doctor` says of the machine that this runs on; `null` for any other. */
  readonly checks: Checks | null;
}

/** Results of the checks of `doctor`. */
export interface Checks {
  readonly results: readonly { readonly id: string; readonly state: string }[];
  /** How many there are of each state, in the order of the metrics; of some there are none. */
  readonly counts: Readonly<Record<string, number>>;
}

/** Functions that get a series of their own; what is beyond is counted. */
export const FUNCTIONS_MAX = 256;

const VERDICTS = ['live', 'open', 'quiet', 'unknown'] as const;
const LOCKDOWN = ['none', 'integrity', 'confidentiality'] as const;

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [labels: Labels, value: number];

/** The metrics in Prometheus' text format, for node_exporter's textfile collector. The same source gives the same text. */
export async function prometheusText(source: PrometheusSource): Promise<string> {
  const registry = new Registry();
  const gauge = (name: string, help: string, samples: readonly Sample[]) => {
    const [first] = samples;
    // One without labels would begin at 0.
    if (!first) return;
    const labelNames = Object.keys(first[0]);
    const metric = new Gauge({ name: `shootdown_${name}`, help, labelNames, registers: [registry] });
    for (const [labels, value] of samples) metric.set(safe(labels), value);
  };
  const { audit, unattended, version, nowMs, checks } = source;
  gauge('info', 'The version of shootdown that wrote this report.', [[{ version }, 1]]);
  gauge('report_timestamp_seconds', 'When this report was written, in seconds since 1970.', [
    [{}, nowMs / 1000],
  ]);
  gauge('audit_info', 'What the audit is about: the jump that is meant, the policy, where it was read.', [
    [{ for: audit.for, policy: audit.policy, source: audit.host }, 1],
  ]);
  functionMetrics(audit, gauge);
  gauge(
    'functions_unattended',
    'Functions that could keep writing to memory after the jump, as the first sentence of shootdown audit counts them: without bridges, what sleeps, and chipset functions that the policy exempts.',
    [[{}, unattended]],
  );
  findingMetrics(audit, gauge);
  machineMetrics(audit, gauge);
  if (checks) checkMetrics(checks, gauge);
  return registry.metrics();
}

type AddGauge = (name: string, help: string, samples: readonly Sample[]) => void;

/** Names come from outside; the registry escapes what would end a label, and this what would act on a terminal. */
function safe(labels: Labels): Record<string, string> {
  return Object.fromEntries(Object.entries(labels).map(([name, value]) => [name, printable(value)]));
}

function functionMetrics({ functions }: AuditData, gauge: AddGauge): void {
  const count = (verdict: string, bridges: boolean) =>
    functions.filter((fn) => fn.verdict === verdict && isBridgeData(fn) === bridges).length;
  gauge(
    'functions',
    'PCI functions by what their registers say they could do at the jump, and whether they are bridges.',
    VERDICTS.flatMap((verdict): Sample[] => [
      [{ verdict, kind: 'endpoint' }, count(verdict, false)],
      [{ verdict, kind: 'bridge' }, count(verdict, true)],
    ]),
  );
  const live = functions.filter((fn) => fn.verdict === 'live' && !isBridgeData(fn));
  gauge(
    'function_live',
    `A function that could write to memory or interrupt in the next kernel, bridges left aside; the first ${FUNCTIONS_MAX}.`,
    live.slice(0, FUNCTIONS_MAX).map((fn): Sample => [labelsOf(fn), 1]),
  );
  gauge('function_live_omitted', 'Live functions beyond those that have a series of their own.', [
    [{}, Math.max(0, live.length - FUNCTIONS_MAX)],
  ]);
}

function labelsOf(fn: AuditedFunctionData): Labels {
  const { slot, vendor, device, class: code, driver, driverKnown, policy } = fn;
  return {
    slot,
    id: `${vendor}:${device}`,
    class: code,
    driver: driverKnown ? (driver ?? '') : '?',
    action: policy.action,
    rule: policy.rule,
  };
}

function findingMetrics({ findings, notes }: AuditData, gauge: AddGauge): void {
  gauge(
    'findings_by_severity',
    'Findings of the audit by severity; shootdown_findings has them by id.',
    SEVERITIES.map(
      (severity): Sample => [{ severity }, findings.filter((one) => one.severity === severity).length],
    ),
  );
  gauge(
    'findings',
    'Findings of the audit by id; those that were not made have no series. docs/findings.md explains the ids.',
    countBy(findings.map(({ id, severity }) => ({ id, severity }))),
  );
  gauge('audit_notes', 'What could not be read or was not sound.', [[{}, notes.length]]);
}

/** A fact that is not known has no series. */
function machineMetrics({ machine }: AuditData, gauge: AddGauge): void {
  const fact = (name: string, help: string, value: boolean | null) => {
    if (value !== null) gauge(name, help, [[{}, Number(value)]]);
  };
  fact('capture_kernel_loaded', 'A kernel waits for a crash (kdump is armed).', machine.captureKernelLoaded);
  fact(
    'capture_kernel_protected',
    'That kernel stops bus masters: it is wrapped, or its initramfs has the hook.',
    machine.captureKernelProtected,
  );
  fact('kexec_kernel_loaded', 'A kernel waits for a kexec on purpose.', machine.kexecKernelLoaded);
  fact('iommu_translating', 'An IOMMU translates for at least one group of functions.', machine.iommu);
  const { lockdown } = machine;
  if (lockdown !== null)
    gauge(
      'lockdown',
      'How far the kernel is locked down: 1 for the one that holds.',
      LOCKDOWN.map((mode): Sample => [{ mode }, Number(mode === lockdown)]),
    );
}

function checkMetrics({ results, counts }: Checks, gauge: AddGauge): void {
  gauge(
    'doctor_results',
    'Results of shootdown doctor by state; shootdown_doctor_check has them by check.',
    Object.entries(counts).map(([state, count]): Sample => [{ state }, count]),
  );
  gauge(
    'doctor_check',
    'Results of one check of shootdown doctor in this state; jump.flight is the last crash, jump.now the jump to this kernel.',
    countBy(results.map(({ id, state }) => ({ check: id, state }))),
  );
}

/** A sample for each set of labels, with how often it is there; sorted by the labels. */
function countBy(all: readonly Labels[]): Sample[] {
  const counts = new Map<string, { readonly labels: Labels; count: number }>();
  for (const labels of all) {
    const key = Object.values(labels).join(' ');
    const known = counts.get(key) ?? { labels, count: 0 };
    known.count++;
    counts.set(key, known);
  }
  const sorted = [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
  return sorted.map(([, { labels, count }]): Sample => [labels, count]);
}
