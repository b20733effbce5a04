import type { JumpPolicy } from './policy.js';

/** As efi=disable_early_pci_dma does before ExitBootServices, here as the old kernel's last act. */
export const efiBridges: JumpPolicy = {
  name: 'efi-bridges',
  title: 'clears BME of every PCI-to-PCI bridge and of nothing else, as Linux can do before it leaves EFI',
  hooks: () => ({
    lastAct: (machine, kernel) => {
      for (const fn of machine.functions.values()) if (fn.isBridge) kernel.registers.busMaster(fn, false);
    },
  }),
};
