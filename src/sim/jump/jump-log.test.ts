import { expect, it } from 'vitest';
import * as regs from '../../pci/regs.js';
import type { Slot } from '../../pci/slot.js';
import type { Writer } from '../events.js';
import { JumpLog } from './jump-log.js';

const CARD = '0000:01:00.0' as Slot;
const GATED = regs.PCI_COMMAND_INTX_DISABLE | regs.PCI_COMMAND_MEMORY;
const MASTER = GATED | regs.PCI_COMMAND_MASTER;
const FREE = regs.PCI_COMMAND_MEMORY;

it.each<[string, number, Writer, number, number, number | null]>([
  ['BME', 150, 'next-kernel', GATED, MASTER, 150],
  ['INTx', 150, 'next-kernel', GATED, FREE, 150],
  ['BME at the tick itself', 100, 'next-kernel', GATED, MASTER, 100],
  ['BME before', 99, 'next-kernel', GATED, MASTER, null],
  ['BME by a shootdown', 150, 'stub', GATED, MASTER, null],
  ['INTx by a shootdown', 150, 'host', GATED, FREE, null],
  ['only memory decoding', 150, 'next-kernel', regs.PCI_COMMAND_INTX_DISABLE, GATED, null],
])(
  'a function is given back after a shootdown by whoever else gives it %s',
  (_, tick, by, before, after, given) => {
    const log = new JumpLog();
    log.observer({
      kind: 'config-write',
      slot: CARD,
      tick,
      by,
      offset: regs.PCI_COMMAND,
      width: 2,
      before,
      after,
    });
    expect(log.releasedAfter(CARD, 100)).toBe(given);
  },
);
