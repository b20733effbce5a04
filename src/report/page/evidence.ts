import type { FunctionFacts } from '../../host/facts.js';
import { type Msi, type PciFunction, seen } from '../../pci/function.js';
import * as regs from '../../pci/regs.js';
import { hex } from '../../pci/slot.js';
import { busMaster, intxAsserted, intxDisabled, transactionsPending } from '../../quiesce/verdict.js';
import { shown } from './text.js';
import type { Fact } from './view.js';

/** Registers, capabilities, and what the system knows of a function, each as one line. Nothing in it names its slot. */
export function evidenceOf(fn: PciFunction, facts: FunctionFacts): readonly Fact[] {
  const lines: readonly (readonly [string, string])[] =
    fn.presence === 'present' ? registerLines(fn) : [['Registers', PRESENCE[fn.presence]]];
  return [...identityLines(fn), ...lines, ...systemLines(facts), ...noteLines(fn)]
    .filter(([, value]) => value !== '')
    .map(([term, value]) => ({ term, value: shown(value) }));
}

const PRESENCE: Readonly<Record<Exclude<PciFunction['presence'], 'present'>, string>> = {
  'all-ones': 'read all ones: gone, or the link to it is down',
  d3cold: 'not read: in D3cold, without power',
  suspended: 'not read: asleep, and reading would wake it',
  unreadable: 'could not be read',
};

type Lines = (readonly [term: string, value: string])[];

function identityLines(fn: PciFunction): Lines {
  const ids = `${hex(fn.vendor, 4)}:${hex(fn.device, 4)} rev ${hex(fn.revision, 2)}, class ${hex(fn.classCode, 6)}`;
  return [['Identity', `${ids}, header type ${fn.headerType}${fn.multiFunction ? ', multi-function' : ''}`]];
}

function registerLines(fn: PciFunction): Lines {
  const flag = (name: string, on: boolean) => `${name}${on ? '+' : '-'}`;
  const command = [
    flag('I/O', (fn.command & regs.PCI_COMMAND_IO) !== 0),
    flag('Mem', (fn.command & regs.PCI_COMMAND_MEMORY) !== 0),
    flag('BusMaster', busMaster(fn)),
    flag('DisINTx', intxDisabled(fn)),
  ];
  return [
    ['PCI_COMMAND', `${hex(fn.command, 4)}  ${command.join(' ')}`],
    ['PCI_STATUS', `${hex(fn.status, 4)}  ${flag('INTx', intxAsserted(fn))}`],
    ['Interrupts', interrupts(fn)],
    ['Pending', pending(fn)],
    ['Power', seen(fn.pm)?.state ?? (fn.pm === 'unknown' ? 'not visible' : '')],
    ['PCI Express', express(fn)],
    ['SR-IOV', sriov(fn)],
    ['AER', aer(fn)],
    ['Bridge', bridge(fn)],
    ['Capabilities', capabilities(fn)],
  ];
}

function interrupts(fn: PciFunction): string {
  const parts = [fn.interruptPin === 0 ? 'no pin' : `INT${'ABCD'[fn.interruptPin - 1] ?? '?'}`];
  const msi = seen(fn.msi);
  const msix = seen(fn.msix);
  if (fn.msi === 'unknown') parts.push('MSI not visible');
  if (msi) parts.push(`MSI ${msi.enable ? 'on' : 'off'}, ${vectors(msi)}`);
  if (msix) {
    const masked = msix.functionMask ? ', masked' : '';
    parts.push(`MSI-X ${msix.enable ? 'on' : 'off'}${masked}, ${msix.tableSize} entries`);
  }
  return parts.join('; ');
}

function vectors({ vectors: given, vectorsWanted }: Msi): string {
  if (vectorsWanted === 'unknown') return `${given} ${given === 1 ? 'vector' : 'vectors'}`;
  return `${given} of ${vectorsWanted} vectors`;
}

function pending(fn: PciFunction): string {
  const state = transactionsPending(fn);
  return state === null ? '' : state ? 'transactions pending' : 'none';
}

function express(fn: PciFunction): string {
  const capability = seen(fn.express);
  if (!capability) return '';
  const reset = capability.flr === true ? ', function-level reset' : '';
  return `${capability.type.replaceAll('-', ' ')}, version ${capability.version}${reset}`;
}

function sriov(fn: PciFunction): string {
  const capability = seen(fn.sriov);
  if (!capability) return '';
  return `${capability.vfEnable ? 'on' : 'off'}, ${capability.numVfs} of ${capability.totalVfs} virtual functions`;
}

function aer(fn: PciFunction): string {
  const errors = seen(fn.aer);
  if (!errors) return '';
  return `uncorrectable ${hex(errors.uncorrectableStatus, 8)}, correctable ${hex(errors.correctableStatus, 8)}`;
}

function bridge({ bridge: of }: PciFunction): string {
  if (!of) return '';
  const buses = `from bus ${hex(of.primary, 2)} to ${hex(of.secondary, 2)}, up to ${hex(of.subordinate, 2)}`;
  return of.control === 'unknown' ? buses : `${buses}; control ${hex(of.control, 4)}`;
}

const NAMES: Readonly<Record<number, string>> = {
  [regs.PCI_CAP_ID_PM]: 'PM',
  [regs.PCI_CAP_ID_MSI]: 'MSI',
  [regs.PCI_CAP_ID_PCIX]: 'PCI-X',
  [regs.PCI_CAP_ID_EXP]: 'Express',
  [regs.PCI_CAP_ID_MSIX]: 'MSI-X',
  [regs.PCI_CAP_ID_AF]: 'AF',
};
const EXTENDED_NAMES: Readonly<Record<number, string>> = {
  [regs.PCI_EXT_CAP_ID_ERR]: 'AER',
  [regs.PCI_EXT_CAP_ID_SRIOV]: 'SR-IOV',
};

/** As `PM@40`, with the number where it has no name here. */
function capabilities(fn: PciFunction): string {
  const list = fn.capabilities.map(({ id, offset, extended }) => {
    const name = extended ? EXTENDED_NAMES[id] : NAMES[id];
    return `${name ?? hex(id, extended ? 4 : 2)}@${hex(offset, extended ? 3 : 2)}`;
  });
  return [...list, `${fn.visibleBytes} bytes visible`].join(', ');
}

function systemLines(facts: FunctionFacts): Lines {
  const system = [
    ...(facts.powerState === undefined ? [] : [`power_state ${facts.powerState}`]),
    ...(facts.enabled === undefined ? [] : [`enabled ${facts.enabled}`]),
    ...(facts.numaNode === undefined || facts.numaNode < 0 ? [] : [`NUMA node ${facts.numaNode}`]),
    ...(facts.bootVga === true ? ['boot display'] : []),
    ...(facts.resetMethods?.length ? [`resets by ${facts.resetMethods.join(', ')}`] : []),
  ];
  return [
    ['Holds', facts.holds?.join(', ') ?? ''],
    ['System', system.join('; ')],
  ];
}

function noteLines(fn: PciFunction): Lines {
  return fn.notes.slice(0, 8).map(({ text }) => ['Note', text]);
}
