import type { JumpPolicy } from './policy.js';

/** Since 3.13, commit 4fc9bbf98fd6: and only during kexec on the normal path. */
export const linux: JumpPolicy = {
  name: 'linux',
  title:
    'pci_device_shutdown clears BME after each driver on the normal path and skips what never had one; nothing at a crash',
  hooks: () => ({ clearsBusMasters: true }),
};
