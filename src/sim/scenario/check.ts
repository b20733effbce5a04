import { parseSlot, type Slot, slotKey, slotOfKey, slotParts } from '../../pci/slot.js';
import { defaultPolicy } from '../../quiesce/default-policy.js';
import { FUNCTIONS_MAX } from './machine-schema.js';
import { memoryProblems } from './memory.js';
import type { FunctionData, ScenarioData } from './schema.js';
import { topologyProblems } from './topology.js';

/** What is the matter, and where in the file: a key path. */
export interface Problem {
  readonly at: string;
  readonly text: string;
}

/** Why a crash cannot take a next kernel that is copied to its place. */
export const LOADED_IN_PLACE = 'on the crash path a capture kernel is loaded where it runs, in-place';

/** What a scenario says that cannot be, beyond the form of its parts. */
export function scenarioProblems(data: ScenarioData): readonly Problem[] {
  const { functions, memory } = data.machine;
  const count = functions.reduce((sum, { vfs = 0 }) => sum + 1 + vfs, 0);
  if (count > FUNCTIONS_MAX) {
    const text = `makes ${count} functions with virtual ones, and at most ${FUNCTIONS_MAX} may be`;
    return [{ at: 'machine.functions', text }];
  }
  const slots = new Map<Slot, string>();
  return [
    ...functions.flatMap((of, i) => occupied(of, `machine.functions.${i}`, slots)),
    ...topologyProblems(functions),
    ...functions.flatMap((of, i) => functionProblems(of, `machine.functions.${i}`)),
    ...(memory ? memoryProblems(memory, functions) : []),
    ...driverProblems(data),
    ...referenceProblems(data, slots),
    ...claimProblems(data),
  ];
}

/** Gives a function and its virtual ones their slots; `taken` says by whom. */
function occupied(of: FunctionData, at: string, taken: Map<Slot, string>): Problem[] {
  const problems: Problem[] = [];
  const { domain, ...rest } = slotParts(of.slot);
  const first = slotKey({ domain: 0, ...rest });
  for (let i = 0; i <= (of.vfs ?? 0); i++) {
    if (first + i > 0xffff) return [...problems, { at: `${at}.vfs`, text: `${of.vfs} lead beyond bus ff` }];
    const slot = i === 0 ? of.slot : slotOfKey(domain * 0x1_0000 + first + i);
    const other = taken.get(slot);
    if (other === undefined) taken.set(slot, at);
    else {
      const what = i === 0 ? 'slot' : 'vfs';
      problems.push({ at: `${at}.${what}`, text: `${slot} is taken already by ${other}` });
      break;
    }
  }
  return problems;
}

function functionProblems(of: FunctionData, at: string): Problem[] {
  const problems: Problem[] = [];
  const wrong = (when: boolean, key: keyof FunctionData, text: string) => {
    if (when) problems.push({ at: `${at}.${key}`, text });
  };
  const bridge = of.secondary !== undefined;
  wrong(bridge !== /^06(04|09)/.test(of.class), 'class', bridgeText(of.class, bridge));
  wrong(of.vfs !== undefined && of.express === undefined, 'vfs', 'are for a PCI Express function');
  wrong(bridge && Boolean(of.vfs), 'vfs', 'are for an endpoint, and this is a bridge');
  wrong(of.vfDriver !== undefined && !of.vfs, 'vfDriver', 'is for a function with vfs');
  wrong(
    of.commandMs !== undefined && of.is !== 'hotplug-port',
    'commandMs',
    'is for one that is hotplug-port',
  );
  wrong(of.wedgesWhenCut !== undefined && of.is !== 'ahci', 'wedgesWhenCut', 'is for one that is ahci');
  wrong(of.is === 'hotplug-port' && !bridge, 'is', 'hotplug-port needs a secondary bus');
  wrong(
    of.leftBy !== undefined && of.driver !== undefined,
    'leftBy',
    `${of.leftBy}: it still has a driver, ${of.driver?.name}`,
  );
  wrong(
    of.wanted === true && of.driver !== undefined,
    'wanted',
    `true: the old kernel drives it with ${of.driver?.name}`,
  );
  wrong(
    of.busMaster !== undefined && (of.driver !== undefined || of.leftBy !== undefined),
    'busMaster',
    'is decided by its driver or by who left it',
  );
  wrong(of.leftBy !== undefined && of.is === undefined, 'leftBy', 'nothing was left running: say what it is');
  wrong(of.repeatsMessages === true && !of.messages, 'repeatsMessages', 'true: it has no messages');
  return problems;
}

function bridgeText(code: string, bridge: boolean): string {
  return bridge
    ? `${code} has a secondary bus, and is not that of a bridge, 0604 or 0609`
    : `${code} is that of a bridge without a secondary bus`;
}

function driverProblems({ machine, jump, path }: ScenarioData): Problem[] {
  const known = new Set(machine.functions.flatMap(({ driver, vfDriver }) => [driver?.name, vfDriver?.name]));
  const unknown = (names: readonly string[], at: string) =>
    names.flatMap((name, i) =>
      known.has(name) ? [] : [{ at: `${at}.${i}`, text: `${name} drives no function of this machine` }],
    );
  const problems = [
    ...unknown(machine.captureDrivers, 'machine.captureDrivers'),
    ...unknown(jump.drivers ?? [], 'jump.drivers'),
  ];
  if (path === 'crash') {
    const text = `relocated: ${LOADED_IN_PLACE}`;
    return jump.load === 'relocated' ? [...problems, { at: 'jump.load', text }] : problems;
  }
  for (const key of ['crashCpu', 'reboot'] as const) {
    if (jump[key] !== undefined) problems.push({ at: `jump.${key}`, text: 'is for the crash path' });
  }
  return problems;
}

function referenceProblems(
  { jump, expect, policy }: ScenarioData,
  slots: ReadonlyMap<Slot, string>,
): Problem[] {
  const problems: Problem[] = [];
  const faulty = new Map<Slot, string>();
  for (const key of Object.keys(jump.faults ?? {})) {
    const slot = parseSlot(key);
    const other = slot && faulty.get(slot);
    if (!slot || !slots.has(slot))
      problems.push({ at: `jump.faults.${key}`, text: 'there is no such function' });
    else if (other !== undefined)
      problems.push({
        at: `jump.faults.${key}`,
        text: `is the function of jump.faults.${other}: say both in one`,
      });
    else faulty.set(slot, key);
  }
  for (const [name, expectation] of Object.entries(expect)) {
    for (const [i, slot] of (expectation?.slots ?? []).entries()) {
      if (slots.has(slot)) continue;
      problems.push({ at: `expect.${name}.slots.${i}`, text: `${slot}: there is no such function` });
    }
  }
  const ids = new Set(defaultPolicy().rules.map(({ id }) => id));
  for (const [i, { id }] of policy.entries()) {
    if (ids.has(id)) problems.push({ at: `policy.${i}.id`, text: `${id} is the id of another rule` });
    ids.add(id);
  }
  return problems;
}

function claimProblems({ expect, fact, confidence, inference }: ScenarioData): Problem[] {
  const problems: Problem[] = [];
  if (confidence !== undefined && confidence !== 'established' && inference === undefined)
    problems.push({
      at: 'inference',
      text: `is missing: confidence is ${confidence}, so say what is not known`,
    });
  const { ours } = expect;
  if (ours.verdict !== 'clean' && ours.why === undefined)
    problems.push({ at: 'expect.ours.why', text: `is missing: say why ${ours.verdict} is not prevented` });
  if (fact === undefined) return problems;
  const symptom = expect[fact.under];
  if (symptom === undefined || (symptom.verdict === 'clean' && symptom.atLeastMs === undefined))
    problems.push({ at: `expect.${fact.under}`, text: 'has no symptom that could vanish with the fact' });
  else if (symptom.verdict === fact.leaves && symptom.verdict !== 'clean')
    problems.push({ at: 'fact.leaves', text: `${fact.leaves} is the symptom itself` });
  return problems;
}
