import type { JumpPolicy } from './policy.js';

export const clearmsi: JumpPolicy = {
  name: 'clearmsi',
  title: 'the next kernel turns MSI and MSI-X off everywhere before it enables interrupts (pci=clearmsi)',
  hooks: () => ({
    early: (machine, kernel) => {
      for (const fn of machine.functions.values()) kernel.registers.messages(fn, false);
    },
  }),
};
