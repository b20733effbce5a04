import type { Era } from '../description.js';

/** What a kernel of some time does, and others do not. */
export interface Habits {
  /** It masks and ends every IO-APIC pin on its way out and in; without, pins are masked only, and Remote IRR stays. */
  readonly endsPins: boolean;
  /** pci_device_shutdown turns MSI and MSI-X off, and INTx on. */
  readonly messagesOffAtShutdown: boolean;
  /** Enumeration turns MSI and MSI-X off; INTx-disable stays as the old kernel's driver had set it. */
  readonly messagesOffAtEnumeration: boolean;
  /**
   * pci_enable_device clears INTx-disable, before the driver lets the function master the bus; without, it is the
   * driver that does, once it asks for the pin's interrupt. Drivers that never did are not modelled.
   */
  readonly enableFreesIntx: boolean;
  /** pci_device_shutdown wakes the device, and the bridges above it, first. */
  readonly resumesBeforeShutdown: boolean;
  /** The panicking kernel waits for its other processors by the tick of the timer; not on ia64, which waits for none. */
  readonly panicWaitsByTick: boolean;
}

const HABITS: Readonly<Record<Era, Habits>> = {
  /**
   * Before Linux 2.6.19. None of the later cures. The wait by tick is supposed: x86 of that time waited by a delay loop
   * of at most a second.
   */
  '2006': {
    endsPins: false,
    messagesOffAtShutdown: false,
    messagesOffAtEnumeration: false,
    enableFreesIntx: false,
    resumesBeforeShutdown: false,
    panicWaitsByTick: true,
  },
  /** 2014. */
  '3.13': {
    // "x86, kdump, ioapic: Reset remote-IRR in clear_IO_APIC", 2011.
    endsPins: true,
    // d52877c7b1af, 2008; taken out by fda78d7a0ead, 2017.
    messagesOffAtShutdown: true,
    // d5dea7d95c48, a776c491ca5e, 2011.
    messagesOffAtEnumeration: true,
    // do_pci_enable_device of 3.10 leaves it as it is.
    enableFreesIntx: false,
    // 3ff2de9ba1a2, 2012.
    resumesBeforeShutdown: true,
    panicWaitsByTick: false,
  },
  /** As 6.1 and 6.12 were measured. */
  today: {
    endsPins: true,
    messagesOffAtShutdown: false,
    messagesOffAtEnumeration: true,
    // do_pci_enable_device: the pin may be what is left, as long as no message interrupt was asked for.
    enableFreesIntx: true,
    resumesBeforeShutdown: true,
    panicWaitsByTick: false,
  },
};

export function habitsOf(era: Era): Habits {
  return HABITS[era];
}
