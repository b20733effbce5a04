import { ShootdownError } from '../../pci/error.js';
import { printable } from '../../pci/printable.js';
import { type JumpPath, SEVERITIES, type Severity } from '../../quiesce/findings.js';
import { arrange } from './arrange.js';
import { contradiction } from './contradictions.js';
import { deviations } from './deviations.js';
import { Fixes } from './fixes.js';
import type { FleetData } from './fleet-data.js';
import { hashText, mix, wide, wideTextHash } from './hash.js';
import { LISTED_MAX, NAMES_MAX, PLACES_MAX } from './limits.js';
import { shortName } from './names.js';
import { nearlyAlike } from './nearly.js';
import { assess, type Outcome } from './outcome.js';
import { OutcomeLists } from './outcome-lists.js';
import { type FleetAudit, readAudit } from './read-audit.js';
import { Topologies } from './topologies.js';
import { topologyList } from './topology-list.js';

export interface FleetOptions {
  /** The jump that is meant: audits for the other kind are counted and left out. */
  readonly path: JumpPath;
  /** From which severity on a machine is not clean. */
  readonly failOn: Severity | 'never';
}

/** One machine in one line, as CSV has it. */
export interface MachineRow {
  readonly machine: string;
  readonly place: string;
  readonly outcome: Outcome | 'broken';
  readonly functions: number | null;
  readonly live: number | null;
  readonly exposed: number | null;
  readonly curable: number | null;
  readonly errors: number | null;
  readonly warnings: number | null;
  readonly infos: number | null;
  readonly findings: string;
  readonly topology: string;
  /** The same for machines of one topology in the same state. */
  readonly state: string;
  readonly kernel: string;
  readonly lockdown: string;
  readonly iommu: string;
  readonly captureKernel: string;
  readonly policy: string;
  readonly problem: string;
  readonly unread: number | null;
}

/**
 * A fleet, read one audit after another. What it keeps does not grow with the number of machines beyond the bounds in
 * limits.ts; what it says does not depend on the order in which they come, as long as none of these is reached.
 */
export class Fleet {
  readonly #options: FleetOptions;
  readonly #topologies = new Topologies();
  readonly #fixes = new Fixes();
  readonly #outcomes = new OutcomeLists();
  /** Machines by the hash of their name; `null` for those beyond `PLACES_MAX`. */
  readonly #names = new Map<number, FirstAudit | null>();
  readonly #broken: { readonly place: string; readonly problem: string }[] = [];
  #brokenCount = 0;
  #machines = 0;
  #clean = 0;
  #functions = 0;
  #otherPath = 0;

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  get machines(): number {
    return this.#machines;
  }

  get broken(): number {
    return this.#brokenCount;
  }

  /** Machines with a finding at or above `failOn`. */
  get failing(): number {
    return this.#machines - this.#clean;
  }

  get otherPath(): number {
    return this.#otherPath;
  }

  /**
   * Takes in one audit; `name` is the machine's unless the audit has one. What is wrong with it is kept as such. The
   * row is `null` for an audit that is for the other kind of jump.
   */
  add(text: string, place: string, name: string): MachineRow | null {
    let machine = '';
    try {
      const audit = readAudit(text, place);
      if (audit.path !== this.#options.path) {
        this.#otherPath++;
        return null;
      }
      machine = shortName(audit.hostname?.trim() || name);
      return this.#take(audit, shortName(place), machine);
    } catch (error) {
      if (!(error instanceof ShootdownError)) throw error;
      const { message } = error;
      const problem = message.startsWith(`${place}: `) ? message.slice(place.length + 2) : message;
      // The place says which line it is.
      const said = text.includes('\n') ? problem : problem.replace(ONLY_LINE, 'not JSON: column');
      return this.reject(
        place,
        NOT_INDENTED.test(text) ? `${said} (its lines are not indented: ${ONE_LINE})` : said,
        machine,
      );
    }
  }

  /** Keeps something that is no audit as such; `machine` is empty where nobody knows whose it is. */
  reject(place: string, problem: string, machine = ''): MachineRow {
    this.#brokenCount++;
    const short = shortProblem(problem);
    const listed = { place: shortName(place), problem: short };
    if (this.#broken.length < LISTED_MAX) this.#broken.push(listed);
    return brokenRow(machine, listed);
  }

  #take(audit: FleetAudit, place: string, machine: string): MachineRow {
    const fail = (problem: string): never => {
      throw new ShootdownError('bad-input', `${machine}: ${problem}`);
    };
    const { functions } = audit;
    const byKey = new Map<number, number>();
    for (let i = 0; i < functions.length; i++) byKey.set(functions[i]?.key ?? -1, i);
    const wrong = contradiction(audit, byKey);
    if (wrong !== null) return fail(`contradicts itself: ${wrong}`);
    const states = Int32Array.from(functions, (fn) => this.#topologies.stateOf(fn));
    const hashes = states.map((state) => this.#topologies.stateHash(state));
    const arrangement = arrange(functions, byKey, hashes);
    if (!arrangement) return fail('contradicts itself: functions are above each other in a ring');
    const second = this.#secondOf(machine, { place, topology: arrangement.signature });
    if (second !== null) return fail(second);

    const traits = this.#topologies.traitsOf(audit);
    const stateSignature = stateSignatureOf(arrangement.order, hashes, traits.hash);
    const assessment = assess(audit, byKey);
    const { outcome } = assessment;
    this.#machines++;
    this.#functions += functions.length;
    const counts = countFindings(audit);
    const { failOn } = this.#options;
    const failing = failOn !== 'never' && SEVERITIES.slice(0, SEVERITIES.indexOf(failOn) + 1);
    if (!failing || failing.every((severity) => counts[severity] === 0)) this.#clean++;
    this.#topologies.add({
      name: machine,
      audit,
      outcome,
      arrangement,
      states,
      traits: traits.id,
      stateSignature,
    });
    this.#fixes.add(audit, byKey, machine);
    this.#outcomes.add({ machine, place, audit, assessment });
    const {
      kernel,
      lockdown,
      iommu,
      'capture kernel': captureKernel,
      policy,
    } = this.#topologies.traits(traits.id);
    return {
      machine,
      place,
      outcome,
      functions: functions.length,
      live: assessment.live,
      exposed: assessment.exposed.length,
      curable: assessment.curable.length,
      errors: counts.error,
      warnings: counts.warning,
      infos: counts.info,
      findings: [...new Set(audit.findings.map(({ id }) => id))].sort().join(' '),
      topology: hashText(arrangement.signature),
      state: hashText(stateSignature),
      kernel: kernel ?? '',
      lockdown,
      iommu,
      captureKernel,
      policy,
      problem: '',
      unread: assessment.unread.length,
    };
  }

  /** What is known of all that was read. */
  result(): FleetData {
    const leftOut: string[] = [];
    const list = this.#topologies.list();
    const { path, failOn } = this.#options;
    const result: FleetData = {
      schema: 'shootdown.fleet/1',
      for: path,
      failOn,
      machines: {
        read: this.#machines,
        clean: this.#clean,
        broken: this.#brokenCount,
        otherPath: this.#otherPath,
      },
      functions: this.#functions,
      outcomes: this.#outcomes.result(),
      ...this.#fixes.result(leftOut),
      topologies: topologyList(this.#topologies, list, leftOut),
      deviations: deviations(this.#topologies, list, leftOut),
      nearly: nearlyAlike(list, leftOut),
      broken: this.#broken,
      leftOut,
    };
    leftOut.push(...this.#topologies.leftOut());
    if (this.#brokenCount > this.#broken.length) {
      leftOut.push(`not read: ${this.#brokenCount - this.#broken.length} more`);
    }
    if (this.#names.size >= NAMES_MAX) {
      leftOut.push(`second audits of one machine: not looked for beyond ${NAMES_MAX} machines`);
    }
    return result;
  }

  /** Where another audit of this name was before, in words; `null` if there was none. */
  #secondOf(name: string, audit: FirstAudit): string | null {
    const hash = wideTextHash(name);
    const first = this.#names.get(hash);
    if (first === undefined) {
      const { size } = this.#names;
      if (size < NAMES_MAX) this.#names.set(hash, size < PLACES_MAX ? audit : null);
      return null;
    }
    if (first === null) return 'a second audit of this machine: the first one counts';
    if (first.topology === audit.topology) {
      return `a second audit of this machine: the first one, ${first.place}, counts`;
    }
    return `a second audit by this name, and other functions than in the first one, ${first.place}, which counts: another machine of this name?`;
  }
}

interface FirstAudit {
  readonly place: string;
  /** Its signature. */
  readonly topology: number;
}

function stateSignatureOf(order: readonly number[], hashes: Int32Array, traits: number): number {
  let high = traits;
  let low = ~traits;
  for (const i of order) {
    high = mix(high, hashes[i] as number);
    low = mix(low, hashes[i] as number);
  }
  return wide(high, low);
}

function countFindings({ findings }: FleetAudit): Record<Severity, number> {
  const counts = { error: 0, warning: 0, info: 0 };
  for (const { severity } of findings) counts[severity]++;
  return counts;
}

const PROBLEM_MAX = 300;
/** How an audit begins whose inner lines the splitter takes for others. */
const NOT_INDENTED = /^\{\s*\n"/;
const ONE_LINE = 'jq -c . makes one line of an audit';
const ONLY_LINE = /^not JSON: line 1, column/;

function shortProblem(problem: string): string {
  const text = printable(problem);
  return text.length > PROBLEM_MAX ? `${text.slice(0, PROBLEM_MAX - 1)}…` : text;
}

function brokenRow(
  machine: string,
  { place, problem }: { readonly place: string; readonly problem: string },
): MachineRow {
  return {
    machine,
    place,
    outcome: 'broken',
    functions: null,
    live: null,
    exposed: null,
    curable: null,
    errors: null,
    warnings: null,
    infos: null,
    findings: '',
    topology: '',
    state: '',
    kernel: '',
    lockdown: '',
    iommu: '',
    captureKernel: '',
    policy: '',
    problem,
    unread: null,
  };
}
