import type { Workload } from '../description.js';
import type { Device } from './device.js';
import { Display } from './display.js';
import { Gpu } from './gpu.js';
import { Nic } from './nic.js';
import { Nvme } from './nvme.js';
import { Xhci } from './xhci.js';

export function createDevice(workload: Workload): Device {
  switch (workload) {
    case 'nic':
      return new Nic();
    case 'nvme':
      return new Nvme();
    case 'xhci':
      return new Xhci();
    case 'display':
      return new Display();
    case 'gpu':
      return new Gpu();
  }
}
