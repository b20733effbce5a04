// What the hardware side needs beyond src/pci/regs.ts; names and sections as there.

export const PCI_COMMAND_PARITY = 0x0040;
export const PCI_COMMAND_SERR = 0x0100;
export const PCI_STATUS_ERRORS = 0xf900; // write 1 to clear, PCI 6.2.3
export const PCI_CACHE_LINE_SIZE = 0x0c;
export const PCI_BASE_ADDRESS_0 = 0x10; // PCI 6.2.5
export const PCI_SEC_LATENCY_TIMER = 0x1b;
export const PCI_MEMORY_BASE = 0x20; // P2P 3.2.5.8
export const PCI_SUBSYSTEM_VENDOR_ID = 0x2c;
export const PCI_BRIDGE_CTL_BUS_RESET = 0x40; // P2P 3.2.5.18

export const PCI_PM_PMC = 2;
export const PCI_PM_CTRL_NO_SOFT_RESET = 0x0008;
export const PCI_PM_CTRL_PME_STATUS = 0x8000;

export const PCI_MSI_ADDRESS_LO = 4;
export const PCI_MSI_DATA_64 = 12;
export const PCI_MSIX_TABLE = 4;
export const PCI_MSIX_PBA = 8;

export const PCI_EXP_LNKCAP = 12; // PCIe 7.5.3.6
export const PCI_EXP_LNKSTA = 18;
export const PCI_EXP_DEVCTL_BCR_FLR = 0x8000; // PCIe 7.5.3.4
export const PCI_EXP_DEVSTA_ERRORS = 0x000f;

export const PCI_SRIOV_INITIAL_VF = 0x0c;

export const PCI_EXP_DEVCTL_CERE = 0x0001; // PCIe 7.5.3.4
export const PCI_EXP_DEVCTL_NFERE = 0x0002;
export const PCI_EXP_DEVCTL_FERE = 0x0004;
export const PCI_EXP_DEVCTL_URRE = 0x0008;
export const PCI_EXP_DEVSTA_NFED = 0x0002; // PCIe 7.5.3.5
export const PCI_EXP_DEVSTA_URD = 0x0008;

export const PCI_ERR_UNC_POISON_TLP = 0x1000; // PCIe 7.8.4.2
export const PCI_ERR_UNC_COMP_TIME = 0x4000;
export const PCI_ERR_UNC_UNX_COMP = 0x1_0000;
export const PCI_ERR_UNC_UNSUP = 0x10_0000;
