import type { JumpPolicy } from './policy.js';

/**
 * As proposed for Xen in 2011 (c24c3e21e3c9): every function in the order of its address, root ports before what is
 * below them. Xen's crash path stops the other processors first.
 */
export const xen2011: JumpPolicy = {
  name: 'xen-2011',
  title: 'clears BME of every function at a crash, in the order of their addresses and without exemptions',
  hooks: ({ path }) =>
    path === 'normal'
      ? {}
      : {
          lastAct: (machine, kernel) => {
            for (const fn of machine.functions.values()) kernel.registers.busMaster(fn, false);
          },
        },
};
