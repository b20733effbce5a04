import { hex } from '../../pci/slot.js';
import type { PolicyRule } from '../../quiesce/policy.js';
import type { FunctionDescription } from '../description.js';
import type { JumpVerdict } from '../jump/result.js';
import { PINS } from '../scenario/machine.js';
import type { SoakCase, SoakJump } from './case.js';

export interface CaseStory {
  /** Lower-case letters, digits and dashes. */
  readonly name: string;
  readonly title: string;
  /** The command that found it. */
  readonly found: string;
  /** What it shows. */
  readonly story: string;
  /** What is seen if nothing is done, and under the policy of the case. */
  readonly none: JumpVerdict;
  readonly seen: JumpVerdict;
}

/** Of a scenario file: the longest that its texts may be. */
const TITLE_MAX = 120;
const STORY_MAX = 1500;
const WHY_MAX = 600;

/**
 * A case of one jump as a scenario file, which `sim run` plays; or why a scenario cannot say it: it takes several
 * jumps, waits longer or shorter than the default policy, or shows nothing but what ours says of itself.
 */
export function caseScenario(of: SoakCase, told: CaseStory, pendingTimeoutMs: number): object | string {
  const [jump, ...others] = of.jumps;
  if (!jump || others.length > 0) return `it takes ${of.jumps.length} jumps, and a scenario has one`;
  if (jump.pendingTimeoutMs !== pendingTimeoutMs)
    return `its policy waits ${jump.pendingTimeoutMs} ms for what is pending, which a scenario cannot say`;
  if (told.none === 'clean' && told.seen === 'clean')
    return 'the jump itself is clean, and a scenario says what is seen';
  const { platform, rules, era, captureDrivers, functions } = of.machine;
  const { path, load, crashCpu, ticks } = jump;
  const faults = Object.keys(of.faults).length > 0 ? { faults: of.faults } : {};
  return {
    schema: 'shootdown.scenario/1',
    name: told.name,
    title: told.title.slice(0, TITLE_MAX),
    mechanism: `found by ${told.found}`.slice(0, 160),
    story: told.story.slice(0, STORY_MAX),
    path,
    machine: {
      ...(platform ? { platform } : {}),
      ...(rules && Object.keys(rules).length > 0 ? { rules } : {}),
      ...(era ? { era } : {}),
      captureDrivers: captureDrivers.filter((name) => functions.some((fn) => drives(fn, name))),
      functions: functions.map(functionText),
    },
    jump: { ...(load ? { load } : {}), ...(crashCpu === undefined ? {} : { crashCpu }), ticks, ...faults },
    policy: rulesOf(jump),
    expect: {
      none: { verdict: told.none },
      ours: { verdict: 'clean' },
      ...(jump.policy === 'none' ? {} : { [jump.policy]: seenOf(told) }),
    },
  };
}

/** A scenario of what ours does not prevent has to say why: it is what was found. */
function seenOf({ seen, story }: CaseStory): object {
  return seen === 'clean' ? { verdict: seen } : { verdict: seen, why: story.slice(0, WHY_MAX) };
}

/** Over the default policy's own. */
function rulesOf({ rules, bridges }: SoakJump): PolicyRule[] {
  const gateBridges: PolicyRule[] = (['bridge', 'cardbus'] as const).map((headerType) => ({
    id: `soak-${headerType}`,
    match: { headerType },
    action: 'gate',
    reason: 'drawn: bridges are gated, too',
  }));
  return bridges ? [...rules, ...gateBridges] : [...rules];
}

const drives = ({ driver, vfDriver }: FunctionDescription, name: string) =>
  driver?.name === name || vfDriver?.name === name;

/** As `machineOf` reads it. */
function functionText(fn: FunctionDescription): object {
  const { slot, vendor, device, classCode, revision, secondary, pin, line, workload, ...same } = fn;
  return {
    slot,
    ids: `${hex(vendor, 4)}:${hex(device, 4)}`,
    class: hex(classCode, 6),
    ...(revision === undefined ? {} : { revision: hex(revision, 2) }),
    ...(secondary === undefined ? {} : { secondary: hex(secondary, 2) }),
    ...(pin && line !== undefined ? { intx: { pin: PINS[pin - 1], line } } : {}),
    ...(workload === undefined ? {} : { is: workload }),
    ...same,
  };
}
