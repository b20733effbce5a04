import * as regs from '../../pci/regs.js';
import type { FunctionDescription } from '../description.js';
import type { Layout } from './config-build.js';
import type { ConfigSpace } from './config-space.js';

/** What stands in a function's registers, by what it means. */
export class RegisterView {
  readonly description: FunctionDescription;
  readonly space: ConfigSpace;
  readonly layout: Layout;

  constructor(description: FunctionDescription, space: ConfigSpace, layout: Layout) {
    this.description = description;
    this.space = space;
    this.layout = layout;
  }

  get command(): number {
    return this.space.read(regs.PCI_COMMAND, 2);
  }

  get busMaster(): boolean {
    return ((this.space.config[regs.PCI_COMMAND] ?? 0) & regs.PCI_COMMAND_MASTER) !== 0;
  }

  get isBridge(): boolean {
    return this.description.secondary !== undefined;
  }

  /** A bridge whose other side is a conventional bus, where requests carry no ID. */
  get toConventional(): boolean {
    const { express } = this.description;
    return this.isBridge && (express === undefined || express === 'pcie-to-pci-bridge');
  }

  get inD0(): boolean {
    const { pm } = this.layout;
    return (
      pm === undefined ||
      ((this.space.config[pm + regs.PCI_PM_CTRL] ?? 0) & regs.PCI_PM_CTRL_STATE_MASK) === 0
    );
  }

  get virtualFunctionsOn(): boolean {
    const { sriov } = this.layout;
    return sriov !== undefined && this.bit(sriov + regs.PCI_SRIOV_CTRL, regs.PCI_SRIOV_CTRL_VFE);
  }

  /** The message interrupt that is enabled, whether or not it is masked. */
  get messages(): 'msi' | 'msix' | null {
    const { msi, msix } = this.layout;
    if (msix !== undefined && this.bit(msix + regs.PCI_MSIX_FLAGS, regs.PCI_MSIX_FLAGS_ENABLE)) return 'msix';
    return msi !== undefined && this.bit(msi + regs.PCI_MSI_FLAGS, regs.PCI_MSI_FLAGS_ENABLE) ? 'msi' : null;
  }

  get messagesMasked(): boolean {
    const { msix } = this.layout;
    return msix !== undefined && this.bit(msix + regs.PCI_MSIX_FLAGS, regs.PCI_MSIX_FLAGS_MASKALL);
  }

  protected bit(offset: number, bit: number): boolean {
    return (this.space.read(offset, 2) & bit) !== 0;
  }
}
