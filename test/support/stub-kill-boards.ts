import { defaultPolicy } from '../../src/quiesce/default-policy.js';
import type { Policy } from '../../src/quiesce/policy.js';
import { slotOf } from './memory-host.js';
import type { BoardFunction } from './stub-board.js';
import * as cap from './stub-kill-capabilities.js';

export type Functions = Readonly<Record<string, BoardFunction>>;

export const HOST_BRIDGE: BoardFunction = { device: 0x29c0, classCode: 0x060000, command: 0x0006 };
/** A bus master with nothing special about it. */
export const NIC: BoardFunction = { device: 0x10d3, command: 0x0006, interruptPin: 1 };
const PIN = { interruptPin: 1 } as const;
const INTERRUPTING = 0x08;

export const rootPort = (secondary: number, subordinate = secondary): BoardFunction => ({
  ...{ device: 0x3420, command: 0x0007, bridge: { secondary, subordinate } },
  capabilities: [{ kind: 'pm' }, { kind: 'express', type: 4 }],
});
const switchPort = (type: 5 | 6, secondary: number, subordinate = secondary): BoardFunction => ({
  ...{ device: 0x8232, command: 0x0007, bridge: { secondary, subordinate } },
  capabilities: [{ kind: 'express', type }, { kind: 'pm' }],
});
export const oldBridge = (secondary: number, subordinate = secondary, control = 0): BoardFunction => ({
  ...{ device: 0x244e, command: 0x0007, bridge: { secondary, subordinate, control } },
});
export const virtual = (physfn: string): BoardFunction => ({
  ...{ vendor: 0xffff, device: 0xffff, command: 0x0004 },
  facts: { physfn: slotOf(physfn), ids: { vendor: 0x8086, device: 0x10ed, classCode: 0x020000 } },
  capabilities: [{ kind: 'msix', enable: true, tableSize: 3 }, { kind: 'express' }],
});

/** Bridges are gated like anything else. */
export const BRIDGES_TOO: Policy = {
  ...defaultPolicy(),
  rules: defaultPolicy().rules.filter(({ match }) => match.headerType === undefined),
};

/** One bus master beside a host bridge. */
export const SMALL: Functions = {
  '00:00.0': HOST_BRIDGE,
  '00:03.0': { ...NIC, capabilities: [cap.MSI, cap.EXPRESS] },
};

/** Functions that fail in their own ways, each alone in its slot on bus 0. */
export const FAILING: Functions = {
  '00:00.0': HOST_BRIDGE,
  '00:03.0': { ...NIC, noIntxDisable: true, capabilities: [{ kind: 'msi', enable: true }] },
  '00:04.0': { ...NIC, noIntxDisable: true, interruptPin: 0, capabilities: [{ kind: 'msi', enable: true }] },
  '00:05.0': { ...NIC, noIntxDisable: true, status: INTERRUPTING },
  '00:06.0': { ...NIC, command: 0x0000, status: INTERRUPTING },
  '00:07.0': { ...NIC, command: 0x0400, status: INTERRUPTING },
  '00:08.0': { ...NIC, stuck: true, capabilities: [{ kind: 'msix', enable: true }, { kind: 'express' }] },
  '00:09.0': {
    ...NIC,
    vanishes: 'command',
    capabilities: [{ kind: 'msi', enable: true }, { kind: 'express' }],
  },
  '00:0a.0': { ...NIC, vanishes: 'messages', capabilities: [{ kind: 'msi', enable: true }] },
  '00:0b.0': { ...NIC, vanishes: 'messages', capabilities: [{ kind: 'msix', enable: true }] },
  '00:0c.0': { ...NIC, stuckMessages: true, capabilities: [{ kind: 'msi', enable: true }] },
  '00:0d.0': { ...NIC, stuckMessages: true, capabilities: [{ kind: 'msix', enable: true }] },
  '00:0e.0': { ...NIC, polls: 2, capabilities: [{ kind: 'express', transactionsPending: true }] },
  '00:0f.0': {
    ...NIC,
    polls: 4,
    capabilities: [{ kind: 'pm' }, { kind: 'af', hasPending: true, transactionsPending: true }],
  },
  '00:10.0': { ...NIC, vanishesAtPoll: true, polls: 1, capabilities: [{ kind: 'express' }] },
  '00:11.0': { ...NIC, vanishesAtPoll: true, polls: 1, capabilities: [{ kind: 'af', hasPending: true }] },
  '00:12.0': { ...NIC, capabilities: [{ kind: 'express', transactionsPending: true }] },
  '00:13.0': { ...NIC, capabilities: [{ kind: 'af', hasPending: true, transactionsPending: true }] },
  '00:14.0': {
    ...NIC,
    capabilities: [
      { kind: 'pm', state: 3 },
      { kind: 'msi', enable: true },
    ],
  },
  '00:15.0': { ...NIC, capabilities: [{ kind: 'pm', state: 1 }] },
  '00:16.0': { ...NIC, capabilities: [{ kind: 'pm', state: 2 }] },
  '00:17.0': { ...NIC, command: 0x0547, capabilities: [{ kind: 'msi' }, { kind: 'msix' }] },
  '00:18.0': {
    ...NIC,
    capabilities: [
      { kind: 'msi', enable: true, is64bit: true, vectorsLog2: 3, vectorsWantedLog2: 4 },
      { kind: 'msix', enable: true, functionMask: true, tableSize: 2047 },
      { kind: 'af', hasPending: true },
      { kind: 'express' },
      { kind: 'pm' },
    ],
  },
};

/** Bridges above each other, virtual functions, displays, and what sleeps. */
export const TREE: Functions = {
  '00:00.0': HOST_BRIDGE,
  '00:01.0': { ...rootPort(1, 2), multiFunction: true },
  '00:01.1': rootPort(3, 6),
  '00:01.2': { ...oldBridge(7, 9), capabilities: [{ kind: 'pm', state: 3 }] },
  '00:01.3': { ...oldBridge(10, 11, 8), command: 0x0003 },
  '00:01.5': oldBridge(0),
  '00:02.0': { ...NIC, classCode: 0x030000, command: 0x0003 },
  '00:03.0': { ...NIC, classCode: 0x0c0330, facts: { driver: 'xhci_hcd' } },
  '00:1d.0': { ...NIC, multiFunction: true, command: 0 },
  '00:1d.7': { ...NIC, classCode: 0x0c0320 },
  '00:1e.0': {
    ...{ device: 0x0476, classCode: 0x060700, headerType: 2, command: 0x0007, ...PIN },
    bridge: { secondary: 12, subordinate: 12 },
    capabilities: [{ kind: 'pm' }, { kind: 'msi', enable: true }],
  },
  '00:1f.0': { ...NIC, classCode: 0x060100, multiFunction: true },
  '01:00.0': {
    ...NIC,
    capabilities: [
      { kind: 'pm' },
      { kind: 'msix', enable: true, tableSize: 5 },
      { kind: 'express', flr: true },
    ],
    extended: [{ kind: 'sriov', vfEnable: true, totalVfs: 4, numVfs: 2, vfOffset: 0x80, vfStride: 0x81 }],
  },
  '01:10.0': virtual('01:00.0'),
  '02:00.1': virtual('01:00.0'),
  '03:00.0': switchPort(5, 4, 6),
  '04:00.0': switchPort(6, 5),
  '04:01.0': { ...switchPort(6, 6), capabilities: [{ kind: 'express', type: 6 }] },
  '05:00.0': {
    ...NIC,
    classCode: 0x010802,
    capabilities: [{ kind: 'msix', enable: true }, { kind: 'express' }],
  },
  '05:00.1': NIC,
  '06:00.0': { ...NIC, stuck: true },
  '07:00.0': NIC,
  '08:00.0': NIC,
  '0a:00.0': { ...NIC, classCode: 0x030000, command: 0x0007, facts: { bootVga: true } },
  '0a:01.0': { ...oldBridge(11, 11), command: 0x0006 },
  '0b:04.0': { ...NIC, classCode: 0x030000, command: 0x0007 },
  '0b:05.0': { ...NIC, classCode: 0x030000, command: 0x0006 },
  '0b:06.0': { ...NIC, classCode: 0x038000, command: 0x0007 },
  '0c:00.0': { ...NIC, capabilities: [{ kind: 'pm' }, { kind: 'msi', enable: true }] },
};

/** Without what costs most to look for: each routing ID of two buses. */
export const SMALL_TREE: Functions = Object.fromEntries(
  Object.entries(TREE).flatMap(([slot, fn]) =>
    fn.vendor === 0xffff ? [] : [[slot, slot === '01:00.0' ? { ...fn, extended: [] } : fn]],
  ),
);

/** Virtual functions below a bridge, and little else. */
export const VIRTUAL: Functions = Object.fromEntries(
  Object.entries(TREE).filter(([slot]) => ['00:01.0', '01:00.0', '01:10.0', '02:00.1'].includes(slot)),
);
