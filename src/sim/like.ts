import type { Machine } from '../host/scan.js';
import { ShootdownError } from '../pci/error.js';
import { type PciFunction, seen } from '../pci/function.js';
import * as regs from '../pci/regs.js';
import { type Slot, slotParts } from '../pci/slot.js';
import type { TopologyNode } from '../pci/topology.js';
import { isVirtual } from '../quiesce/decide.js';
import type { FunctionDescription, MachineDescription, Workload } from './description.js';
import { PORT_DRIVER } from './description.js';
import type { PlatformName } from './platform.js';
import { FUNCTIONS_MAX } from './scenario/machine-schema.js';

export interface LikeOptions {
  /** Default `x86-server`. */
  readonly platform?: PlatformName;
  /** Drivers that the initramfs of the capture kernel carries. Default: those that storage controllers have. */
  readonly captureDrivers?: readonly string[];
}

export interface LikeMachine {
  readonly description: MachineDescription;
  /** What could not be taken over as it is, in one line each. */
  readonly notes: readonly string[];
}

const LINES = 8;
const FIRST_LINE = 16;

/** Classes for which Linux has one driver for all: what drives them where nobody says. */
const CLASS_DRIVERS: ReadonlyMap<number, string> = new Map([
  [0x010601, 'ahci'],
  [0x010802, 'nvme'],
]);

/**
 * A simulated machine with the functions of one that was scanned: those whose bus mastering is on are set to work as
 * their class suggests, the others do nothing. What registers cannot tell, how a driver behaves above all, is
 * assumed to be sound. Throws `bad-input` for a machine of which no function could be read, or with
 * more than 16,384.
 */
export function machineLike(machine: Machine, options: LikeOptions = {}): LikeMachine {
  const nodes = [...machine.topology.nodes.values()];
  if (!nodes.some((node) => node.function.presence === 'present')) {
    const message = `${machine.host}: none of its ${nodes.length} functions could be read, so there is nothing to play`;
    throw new ShootdownError('bad-input', message);
  }
  if (nodes.length > FUNCTIONS_MAX) {
    const message = `${machine.host}: ${nodes.length} functions are more than the ${FUNCTIONS_MAX} that can be played`;
    throw new ShootdownError('bad-input', message);
  }
  const notes: string[] = [];
  const functions: FunctionDescription[] = [];
  const leaders = busLeaders(machine);
  for (const node of nodes) functions.push(functionLike(node, machine, leaders, notes));
  notes.push(...standingNotes(nodes, machine));
  const storage = functions.filter(({ classCode }) => classCode >>> 16 === 0x01);
  const carried = storage.map(({ driver }) => driver?.name).filter((name) => name !== undefined);
  const captureDrivers = options.captureDrivers ?? [...new Set(carried)];
  const bound = new Set(functions.map(({ driver }) => driver?.name));
  for (const name of captureDrivers)
    if (!bound.has(name))
      notes.push(`${name}: drives no function here, and so does nothing in the capture kernel`);
  return {
    description: {
      name: machine.host,
      platform: options.platform ?? 'x86-server',
      captureDrivers,
      functions,
    },
    notes,
  };
}

/** What was assumed of several functions, in one line each. */
function standingNotes(nodes: readonly TopologyNode[], machine: Machine): string[] {
  const present = nodes.filter((node) => node.function.presence === 'present');
  const still = present.filter(({ function: fn }) => isMaster(fn) && standsStill(fn));
  const unknown = present.filter(({ function: fn }) => {
    const works = fn.bridge === null && isMaster(fn) && !isFixed(fn) && !standsStill(fn);
    return works && machine.facts.get(fn.slot)?.driver === undefined;
  });
  const some = (of: readonly TopologyNode[]) => {
    const [first] = of;
    return of.length === 1 ? `${first?.function.slot}` : `${first?.function.slot} and ${of.length - 1} more`;
  };
  const notes: string[] = [];
  if (still.length > 0)
    notes.push(
      `${some(still)}: BME is set, and nothing is done with it here: such chipset functions (interrupt and SMBus controllers, SPI, timers, telemetry) are not known to write to memory by themselves`,
    );
  if (unknown.length > 0)
    notes.push(
      `${some(unknown)}: which driver is bound is not known (audit --json and lspci -k tell): nvme and ahci are assumed where the class has it so, none elsewhere; --capture-drivers names those that the capture kernel carries`,
    );
  return notes;
}

function functionLike(
  node: TopologyNode,
  machine: Machine,
  leaders: ReadonlySet<Slot>,
  notes: string[],
): FunctionDescription {
  const fn = node.function;
  const { slot, vendor, device, classCode, revision } = fn;
  const base = { slot, vendor, device, classCode, revision, ...idsOf(node, machine), ...kindOf(fn) };
  const bridge = bridgeOf(node, leaders, notes);
  switch (fn.presence) {
    case 'd3cold':
      return { ...base, ...bridge, power: 'D3cold' };
    case 'all-ones':
      return { slot, vendor: 0xffff, device: 0xffff, classCode: 0, gone: true };
    case 'suspended':
    case 'unreadable':
      notes.push(`${slot}: ${fn.presence}, so it does nothing here`);
      return { ...base, ...bridge };
    case 'present':
  }
  const facts = machine.facts.get(slot) ?? {};
  const state = seen(fn.pm)?.state;
  const driver = facts.driver === undefined ? (CLASS_DRIVERS.get(fn.classCode) ?? null) : facts.driver;
  return {
    ...base,
    ...bridge,
    ...interruptsOf(fn),
    ...(!fn.bridge && resets(fn) ? { flr: true } : {}),
    ...(state === 'D3hot' ? { power: 'D3hot' as const } : {}),
    ...(facts.bootVga === undefined ? {} : { bootVga: facts.bootVga }),
    ...(facts.holds === undefined ? {} : { holds: facts.holds }),
    ...(fn.bridge ? bridgeWork(fn) : state === 'D3hot' ? { busMaster: isMaster(fn) } : workOf(node, driver)),
  };
}

/** A virtual function reads all ones there; it is here by its own right, at the slot that it has. */
function idsOf(node: TopologyNode, { topology }: Machine): Partial<FunctionDescription> {
  if (!isVirtual(node) || node.function.vendor !== 0xffff) return {};
  const physfn = node.physfn === null ? undefined : topology.nodes.get(node.physfn)?.function;
  return { vendor: physfn?.vendor ?? 0x8086, device: physfn?.device ?? 0x1515 };
}

const resets = (fn: PciFunction) => seen(fn.express)?.flr === true || seen(fn.af)?.flr === true;

function kindOf(fn: PciFunction): Pick<FunctionDescription, 'express'> {
  const type = seen(fn.express)?.type;
  return type === undefined || type === 'reserved' ? {} : { express: type };
}

function bridgeOf(
  { function: { slot, bridge } }: TopologyNode,
  leaders: ReadonlySet<Slot>,
  notes: string[],
): Pick<FunctionDescription, 'secondary'> {
  if (!bridge) return {};
  if (bridge.secondary > slotParts(slot).bus && leaders.has(slot)) return { secondary: bridge.secondary };
  notes.push(`${slot}: a bridge that leads to no bus of its own`);
  return {};
}

/** Of the bridges that say that they lead to a bus, the first one. */
function busLeaders({ topology }: Machine): ReadonlySet<Slot> {
  const leaders = new Map<string, Slot>();
  for (const {
    function: { slot, bridge },
  } of topology.nodes.values()) {
    if (!bridge) continue;
    const bus = `${slotParts(slot).domain}:${bridge.secondary}`;
    const first = leaders.get(bus);
    if (first === undefined || slot < first) leaders.set(bus, slot);
  }
  return new Set(leaders.values());
}

const isMaster = (fn: PciFunction): boolean => (fn.command & regs.PCI_COMMAND_MASTER) !== 0;

function bridgeWork(fn: PciFunction): Partial<FunctionDescription> {
  const master = isMaster(fn);
  // Linux has a driver for every Express port, and none for conventional bridges. Today's does not disable its port.
  if (master && seen(fn.express)) return { driver: { name: PORT_DRIVER, shutdown: true } };
  return { busMaster: master };
}

function interruptsOf(fn: PciFunction): Partial<FunctionDescription> {
  const messages = seen(fn.msix) ? ('msix' as const) : seen(fn.msi) ? ('msi' as const) : undefined;
  const { interruptPin: pin, interruptLine: line } = fn;
  const { device } = slotParts(fn.slot);
  return {
    ...(messages === undefined || fn.bridge ? {} : { messages }),
    // An audit does not have the line: spread as platforms do.
    ...(pin >= 1 && pin <= 4
      ? { pin, line: line > 0 && line < 255 ? line : FIRST_LINE + ((device + pin - 1) % LINES) }
      : {}),
  };
}

function workOf(node: TopologyNode, driver: string | null): Partial<FunctionDescription> {
  const fn = node.function;
  if (!isMaster(fn)) return driver === null ? {} : { driver: { name: driver, shutdown: true } };
  // A driver would have no use for it, and leave it clear.
  if (isFixed(fn) || standsStill(fn)) return { busMaster: true };
  const workload = workloadOf(node);
  if (driver !== null) return { workload, driver: { name: driver, shutdown: true } };
  return { workload, leftBy: isFirmwares(fn) ? 'firmware' : 'driver' };
}

/** Host, ISA and other bridges, memory controllers, IOMMUs: BME is set and means nothing. */
function isFixed({ classCode }: PciFunction): boolean {
  return classCode >>> 16 === 0x06 || classCode >>> 16 === 0x05 || classCode >>> 8 === 0x0806;
}

/**
 * Interrupt controllers, timers and the like (08, but SD hosts), SMBus (0c05), SPI (0c80), and signal processing
 * controllers, which are counters and thermal sensors (11).
 */
function standsStill({ classCode }: PciFunction): boolean {
  const [base, sub] = [classCode >>> 16, classCode >>> 8];
  return (base === 0x08 && sub !== 0x0805) || sub === 0x0c05 || sub === 0x0c80 || base === 0x11;
}

/** Displays and USB controllers without a driver are as firmware left them. */
function isFirmwares({ classCode }: PciFunction): boolean {
  return classCode >>> 16 === 0x03 || classCode >>> 8 === 0x0c03;
}

function workloadOf({ function: { classCode }, parent }: TopologyNode): Workload {
  const [base, sub] = [classCode >>> 16, classCode >>> 8];
  if (base === 0x02) return 'nic';
  if (sub === 0x0108) return 'nvme';
  if (sub === 0x0106) return 'ahci';
  if (sub === 0x0c03) return 'xhci';
  if (base === 0x03) return parent === null ? 'display' : 'gpu';
  if (base === 0x12) return 'gpu';
  return 'dma-engine';
}

/** Functions of a machine that are at work, for what is said about it. */
export function busySlots({ functions }: MachineDescription): readonly Slot[] {
  return functions.filter(({ workload }) => workload !== undefined).map(({ slot }) => slot as Slot);
}
