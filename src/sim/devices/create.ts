import type { FunctionDescription, Workload } from '../description.js';
import { Ahci } from './ahci.js';
import { BufferingNic } from './buffering-nic.js';
import type { Device } from './device.js';
import { Display } from './display.js';
import { DmaEngine } from './dma-engine.js';
import { Egpu } from './egpu.js';
import { Gpu } from './gpu.js';
import { HotplugPort } from './hotplug-port.js';
import { Nic } from './nic.js';
import { Nvme } from './nvme.js';
import { Repeating } from './repeating.js';
import { Xhci } from './xhci.js';

/** The engine of a function, fresh from power-on; `undefined` for one that has no work. */
export function createDevice(of: FunctionDescription): Device | undefined {
  if (of.workload === undefined) return undefined;
  const device = engine(of.workload, of);
  return of.repeatsMessages || of.workload === 'egpu' ? new Repeating(device) : device;
}

function engine(workload: Workload, of: FunctionDescription): Device {
  switch (workload) {
    case 'nic':
      return new Nic();
    case 'buffering-nic':
      return new BufferingNic();
    case 'nvme':
      return new Nvme();
    case 'ahci':
      return new Ahci(of.wedgesWhenCut ?? false);
    case 'xhci':
      return new Xhci(of.leftBy === 'firmware');
    case 'display':
      return new Display(of.leftBy === 'firmware');
    case 'gpu':
      return new Gpu();
    case 'egpu':
      return new Egpu();
    case 'hotplug-port':
      return new HotplugPort();
    case 'dma-engine':
      return new DmaEngine();
  }
}
