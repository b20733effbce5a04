import type { FunctionFacts, MachineFacts } from '../host/facts.js';
import { checkAccess, type Host, type HostActions, unknownSlot, type Width } from '../host/port.js';
import type { VisibleBytes } from '../pci/config-image.js';
import { ShootdownError } from '../pci/error.js';
import { type Slot, slotKey } from '../pci/slot.js';
import { groupOf } from './bus/iommu.js';
import type { SimFunction } from './functions/function.js';
import type { SimMachine } from './machine.js';

const RESET_MS = 100;
const STUB_BYTES = 256;

/**
 * The machine as seen from a kernel's userspace, or from a stub between two kernels, which has ports CF8 and CFC
 * and nobody to ask: segment 0, 256 bytes, no facts, no actions.
 */
export function simHost(machine: SimMachine, place: 'kernel' | 'stub'): Host {
  const name = `sim:${machine.description.name}`;
  const need = (slot: Slot): SimFunction => {
    const fn = machine.functions.get(slot);
    if (!fn || (place === 'stub' && fn.address.domain !== 0)) throw unknownSlot(name, slot);
    return fn;
  };
  const visibleOf = (fn: SimFunction): VisibleBytes =>
    fn.layout.express === undefined || place === 'stub' ? STUB_BYTES : 4096;
  const read = (slot: Slot, offset: number, width: Width): number => {
    const fn = need(slot);
    checkAccess(slot, offset, width, visibleOf(fn));
    if (fn.faults.readError) throw failure(fn, 'read', fn.faults.readError, offset);
    machine.accessed();
    return machine.configRead(fn, offset, width);
  };
  const write = (slot: Slot, offset: number, width: Width, value: number): void => {
    const fn = need(slot);
    checkAccess(slot, offset, width, visibleOf(fn));
    if (fn.faults.writeError) throw failure(fn, 'written', fn.faults.writeError, offset);
    machine.accessed();
    machine.configWrite(fn, offset, width, value, place === 'stub' ? 'stub' : 'host');
  };
  const common: Host = {
    name,
    writable: true,
    notes: [],
    slots: async () =>
      [...machine.functions.keys()].filter((slot) => place === 'kernel' || inSegmentZero(slot)),
    visibleBytes: async (slot) => visibleOf(need(slot)),
    read: async (slot, offset, width) => {
      if (machine.overdue) await machine.turn();
      return read(slot, offset, width);
    },
    write: async (slot, offset, width, value) => {
      if (machine.overdue) await machine.turn();
      write(slot, offset, width, value);
    },
    close: async () => {},
  };
  if (place === 'stub') return common;
  return {
    ...common,
    facts: async (slot) => factsOf(machine, need(slot)),
    machineFacts: async () => machineFacts(machine),
    actions: actionsOf(machine, need),
  };
}

function inSegmentZero(slot: Slot): boolean {
  return slot.startsWith('0000:');
}

function failure(
  fn: SimFunction,
  what: string,
  code: ShootdownError['code'],
  offset: number,
): ShootdownError {
  const register = offset.toString(16);
  return new ShootdownError(code, `${fn.slot}: register ${register} cannot be ${what}`, {
    slot: fn.slot,
    register,
  });
}

function factsOf(machine: SimMachine, fn: SimFunction): FunctionFacts {
  const { description } = fn;
  const driver = machine.kernel?.driverOf(fn) ?? null;
  const { vendor, device, classCode } = description;
  return {
    ids: { vendor, device, classCode },
    driver,
    ...(driver === null
      ? {}
      : { driverShutdown: description.driver?.shutdown ? ('likely' as const) : ('unknown' as const) }),
    enabled: driver === null ? 0 : 1,
    powerState: powerStateOf(fn, driver),
    runtimeStatus: fn.inD0 && description.power !== 'D3cold' ? 'active' : 'suspended',
    ...iommuFacts(machine, fn),
    resetMethods: description.flr ? ['flr', 'bus'] : fn.isBridge ? [] : ['bus'],
    physfn: fn.physfn?.slot ?? null,
    ...(description.vfs ? { numVfs: fn.virtualFunctionsOn ? description.vfs : 0 } : {}),
    ...(description.classCode >>> 8 === 0x0300 ? { bootVga: description.bootVga ?? false } : {}),
    ...(description.holds ? { holds: description.holds } : {}),
  };
}

function iommuFacts(machine: SimMachine, fn: SimFunction): Pick<FunctionFacts, 'iommuGroup' | 'iommuDomain'> {
  if (!machine.iommu) return { iommuGroup: null };
  const domain = machine.iommu.domainOf(fn);
  const iommuGroup = slotKey(groupOf(fn).address);
  return domain === null ? { iommuGroup } : { iommuGroup, iommuDomain: domain };
}

/** Linux does not know the power state of a function that no driver has enabled. */
function powerStateOf(fn: SimFunction, driver: string | null): 'D0' | 'D3hot' | 'D3cold' | 'unknown' {
  if (fn.description.power === 'D3cold') return 'D3cold';
  if (!fn.inD0) return 'D3hot';
  return driver === null ? 'unknown' : 'D0';
}

function machineFacts(machine: SimMachine): MachineFacts {
  return {
    liveKernel: machine.kernel !== null,
    lockdown: 'none',
    iommu: machine.iommu !== null,
    captureKernelLoaded: true,
    kexecKernelLoaded: true,
    captureKernelProtected: false,
  };
}

function actionsOf(machine: SimMachine, need: (slot: Slot) => SimFunction): HostActions {
  const kernelFor = (slot: Slot) => {
    if (!machine.kernel) throw new ShootdownError('unsupported', `${slot}: no kernel is running`, { slot });
    return machine.kernel;
  };
  return {
    unbind: async (slot, driver) => {
      const fn = need(slot);
      const kernel = kernelFor(slot);
      const bound = kernel.driverOf(fn);
      if (bound !== driver) {
        throw refused(slot, `it is bound to ${bound ?? 'no driver'}, not to ${driver}`);
      }
      machine.accessed();
      kernel.unbind(fn);
    },
    bind: async (slot, driver) => {
      const fn = need(slot);
      const kernel = kernelFor(slot);
      if (fn.description.driver?.name !== driver) throw refused(slot, `${driver} does not drive it`);
      if (kernel.driverOf(fn) !== null) throw refused(slot, `it is bound to ${driver} already`);
      machine.accessed();
      kernel.bind(fn);
    },
    reset: async (slot) => {
      const fn = need(slot);
      const kernel = kernelFor(slot);
      if (!fn.description.flr) throw refused(slot, 'it has no function-level reset');
      kernel.reset(fn);
      await machine.clock.sleep(RESET_MS);
    },
  };
}

function refused(slot: Slot, why: string): ShootdownError {
  return new ShootdownError('refused', `${slot}: ${why}`, { slot });
}
