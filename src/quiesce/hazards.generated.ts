// Generated from hazards/*.json by scripts/generate.mjs: do not edit.
export type HazardId =
  | 'H01'
  | 'H02'
  | 'H03'
  | 'H04'
  | 'H05'
  | 'H06'
  | 'H07'
  | 'H08'
  | 'H09'
  | 'H10'
  | 'H11'
  | 'H12'
  | 'H13'
  | 'H14'
  | 'H15'
  | 'H16'
  | 'H17'
  | 'H18'
  | 'H19'
  | 'H20'
  | 'H21'
  | 'H22'
  | 'H23'
  | 'H24'
  | 'H25'
  | 'H26'
  | 'H27'
  | 'H28'
  | 'H29'
  | 'H30'
  | 'H31'
  | 'H32';

/** Known ways in which a jump goes wrong, each with its first source; the whole entries are in hazards/. */
export const HAZARDS: Readonly<Record<HazardId, { title: string; source: string }>> = {
  H01: { title: 'DMA rings still live after the jump', source: 'https://git.kernel.org/linus/c1020d3cf475' },
  H02: {
    title: 'Buffered DMA replayed when BME returns',
    source: 'https://lore.kernel.org/r/20200320125534.28966-1-gpiccoli@canonical.com',
  },
  H03: {
    title: 'Bridge gated above a live child',
    source: 'https://lore.kernel.org/r/20191225192118.283637-1-kasong@redhat.com',
  },
  H04: { title: 'Root port whose BME also gates MMIO', source: 'https://git.kernel.org/linus/62b6dee1b44a' },
  H05: { title: 'INTx asserted once MSI is off', source: 'https://git.kernel.org/linus/fda78d7a0ead' },
  H06: {
    title: 'Interrupt storm on a shared line goes on in the crash kernel',
    source: 'https://lore.kernel.org/r/CAKAwkKvOmBFJwE7pQTAZd8b582sOdcnthe=FOEufxYhzQ00jWQ@mail.gmail.com',
  },
  H07: {
    title: 'MSI storm before any driver runs',
    source: 'https://lore.kernel.org/r/20181018183721.27467-1-gpiccoli@canonical.com',
  },
  H08: {
    title: 'IO-APIC pin stuck with Remote IRR set',
    source: 'http://lists.infradead.org/pipermail/kexec/2007-August/000446.html',
  },
  H09: {
    title: 'Function asleep or behind a sleeping bridge',
    source: 'https://git.kernel.org/linus/6e0eda3c3898',
  },
  H10: {
    title: 'USB controller gated before firmware handed it over',
    source: 'https://github.com/genodelabs/genode/issues/2835',
  },
  H11: {
    title: 'xHCI controller left running or halted twice',
    source: 'https://github.com/open-power/op-build/issues/307',
  },
  H12: {
    title: 'Old DMA meets new IOMMU tables',
    source: 'http://mail.spinics.net/lists/kexec/msg07016.html',
  },
  H13: {
    title: 'Completion timeouts after the SMMU aborts',
    source: 'https://lore.kernel.org/r/20200326171937.44dba105@why',
  },
  H14: {
    title: 'Poisoned TLPs while the SMMU is reset',
    source: 'https://github.com/NVIDIA/NV-Kernels/pull/462',
  },
  H15: {
    title: 'VGA text write while the card is in graphics mode',
    source: 'https://lkml.iu.edu/hypermail/linux/kernel/1906.3/03355.html',
  },
  H16: {
    title: 'GPU driver fails in the next kernel',
    source: 'https://github.com/onedr0p/home-ops/issues/8568',
  },
  H17: {
    title: 'Integrated graphics hang without BME',
    source: 'https://github.com/managarm/managarm/issues/1633',
  },
  H18: {
    title: 'BME cut under a busy disk controller',
    source: 'https://lore.kernel.org/r/1579776109-31578-1-git-send-email-pkushwaha@marvell.com',
  },
  H19: { title: 'NVMe shutdown not awaited', source: 'https://github.com/Mellanox/hw-mgmt/issues/2613' },
  H20: {
    title: 'Adapter firmware commands fail at shutdown',
    source: 'https://github.com/open-power/op-build/issues/538',
  },
  H21: {
    title: 'A second lost to each hotplug command',
    source: 'http://lists.infradead.org/pipermail/kexec/2018-May/020601.html',
  },
  H22: {
    title: 'virtio device used after it was reset',
    source: 'https://git.kernel.org/linus/8bd2fa086a04',
  },
  H23: {
    title: 'Driver whose shutdown hook was taken out',
    source: 'http://lists.infradead.org/pipermail/kexec/2009-December/003686.html',
  },
  H24: {
    title: 'Interrupt controller writes to memory of the old kernel',
    source: 'https://lkml.iu.edu/hypermail/linux/kernel/1805.0/00414.html',
  },
  H25: {
    title: 'No interrupt vectors left on one CPU',
    source: 'https://github.com/rhkdump/kdump-utils/issues/9',
  },
  H26: {
    title: 'Interrupt controller and bus left in the middle of work',
    source: 'https://github.com/sonic-net/sonic-linux-kernel/issues/501',
  },
  H27: {
    title: 'Camera controller left running',
    source: 'https://github.com/linux-surface/linux-surface/issues/769',
  },
  H28: {
    title: 'Interrupt flood after a GPU was let go',
    source: 'https://github.com/tinygrad/tinygrad/issues/16536',
  },
  H29: {
    title: 'IOMMU faults from a leftover bus master',
    source: 'https://github.com/enjoy-digital/litex_m2sdr/issues/145',
  },
  H30: {
    title: 'Timer interrupt sent to the boot CPU only',
    source: 'https://git.kernel.org/linus/66db60eaf158',
  },
  H31: {
    title: 'SEV-SNP state not torn down on the crash path',
    source: 'https://github.com/AMDESE/linux/issues/5',
  },
  H32: {
    title: 'Masked IO-APIC pin turns up on another line',
    source: 'https://docs.kernel.org/PCI/boot-interrupts.html',
  },
};
