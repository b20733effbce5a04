import { scan } from '../../src/host/scan.js';
import { audit } from '../../src/quiesce/audit.js';
import type { AuditData } from '../../src/quiesce/audit-data.js';
import { defaultPolicy } from '../../src/quiesce/default-policy.js';
import { auditJson } from '../../src/report/audit-json.js';
import { createMachine, randomMachine } from '../../src/sim/index.js';

type Writable<T> = T extends string | number | boolean | null | undefined
  ? T
  : { -readonly [K in keyof T]: Writable<T[K]> };
/** An audit that can be changed. */
export type LooseAudit = Writable<AuditData>;

/** The audit of a simulated machine, by profile or drawn. */
export async function auditOf(
  machine: string | { readonly seed: number; readonly functions: number },
): Promise<LooseAudit> {
  const description =
    typeof machine === 'string'
      ? machine
      : randomMachine(machine.seed, { functions: machine.functions, domains: 1 }).description;
  const scanned = await scan(createMachine(description).host);
  return structuredClone(auditJson(audit(scanned, defaultPolicy(), 'crash'))) as LooseAudit;
}

/** Numbers from a seed: the 32-bit xorshift of Marsaglia. */
export function numbers(seed: number): (below: number) => number {
  let state = (seed * 2654435761 + 1) >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % below;
  };
}

export interface FleetOptions {
  readonly machines: number;
  /** Functions of each. */
  readonly functions: number;
  readonly topologies: number;
  readonly seed: number;
  /** One machine in so many is not like the others. */
  readonly deviatingOneIn?: number;
  /** One audit in so many is no good, though all of them are JSON. */
  readonly brokenOneIn?: number;
}

const KERNELS = ['6.1.0-18-amd64', '6.1.0-21-amd64', '6.12.6-amd64'];
const HOSTNAME = '@hostname@';
const KERNEL = '@kernel@';

/** Audits of a synthetic fleet, one a line without the newline: the same for the same options. */
export async function* fleetLines(options: FleetOptions): AsyncGenerator<string, void, void> {
  const { machines, functions, topologies, seed, deviatingOneIn = 40, brokenOneIn = 500 } = options;
  const draw = numbers(seed);
  const texts: string[] = [];
  for (let i = 0; i < topologies; i++) {
    const one = await auditOf({ seed: seed * 1000 + i, functions });
    one.machine = { hostname: HOSTNAME, kernel: KERNEL, ...one.machine };
    texts.push(JSON.stringify(one));
  }
  for (let i = 0; i < machines; i++) {
    // Few topologies are frequent and most are rare, as in a fleet that was bought over years.
    const template = texts[Math.min(draw(topologies), draw(topologies))] as string;
    const name = `node${String(i).padStart(6, '0')}.example`;
    // As a template, not by a pattern: the audit of a machine is long.
    const text = template
      .replace(HOSTNAME, name)
      .replace(KERNEL, KERNELS[draw(20) === 0 ? 2 : draw(8) === 0 ? 1 : 0] as string);
    if (draw(brokenOneIn) === 0) yield broken(text, draw);
    else if (draw(deviatingOneIn) === 0) yield deviating(text, draw);
    else yield text;
  }
}

function broken(text: string, draw: (below: number) => number): string {
  const one = JSON.parse(text) as LooseAudit;
  const [fn] = one.functions.filter(({ verdict }) => verdict === 'live');
  switch (draw(4)) {
    case 0:
      return JSON.stringify({ ...one, schema: 'shootdown.plan/1' });
    case 1:
      one.functions.push(structuredClone(one.functions[0] as LooseAudit['functions'][number]));
      break;
    case 2:
      if (fn) fn.verdict = 'quiet';
      break;
    default:
      one.machine.hostname = 'node000000.example';
  }
  return JSON.stringify(one);
}

function deviating(text: string, draw: (below: number) => number): string {
  const one = JSON.parse(text) as LooseAudit;
  const leaves = one.functions.filter(({ bridge, presence }) => bridge === null && presence === 'present');
  const fn = leaves[draw(leaves.length)];
  switch (draw(4)) {
    case 0:
      if (fn) fn.driver = 'vfio-pci';
      break;
    case 1:
      one.machine.lockdown = 'integrity';
      break;
    case 2:
      one.machine.captureKernelLoaded = false;
      one.findings = one.findings.filter(({ id }) => id !== 'SD104');
      break;
    default:
      if (fn) without(one, fn.slot);
  }
  return JSON.stringify(one);
}

/** Takes a function out of an audit, and what is said of it. */
export function without(one: LooseAudit, slot: string): void {
  one.functions = one.functions.filter((fn) => fn.slot !== slot);
  one.findings = one.findings.filter((finding) => finding.slot !== slot);
  for (const fn of one.functions) if (fn.physfn === slot) fn.physfn = null;
}
