import * as v from 'valibot';
import { EXPRESS_TYPES } from '../../pci/function.js';
import { parseSlot, type Slot } from '../../pci/slot.js';
import { ERAS, WORKLOADS } from '../description.js';
import { PLATFORMS, type PlatformName } from '../platform.js';

// The machine of a scenario file, and the forms that its other parts share with it.

/** Virtual ones among them. */
export const FUNCTIONS_MAX = 16_384;

export const text = (max: number) => v.pipe(v.string(), v.nonEmpty('must say something'), v.maxLength(max));
export const uint = (max: number) => v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(max));
const hexadecimal = (digits: number) =>
  v.pipe(
    v.string(),
    v.regex(
      new RegExp(`^[0-9a-f]{${digits}}$`),
      (issue) => `${JSON.stringify(issue.input)} must be ${digits} hexadecimal digits in lower case`,
    ),
  );
/** As it stands in the file: two texts may name one slot. */
export const slotText = v.pipe(
  v.string(),
  v.check(
    (value) => parseSlot(value) !== undefined,
    (issue) => `${JSON.stringify(issue.input)} is not a slot, as in 00:1f.2 or 0001:00:1f.2`,
  ),
);
export const slot = v.pipe(
  slotText,
  v.transform((value) => parseSlot(value) as Slot),
);
export const driverName = v.pipe(v.string(), v.regex(/^[\w-]{1,40}$/, 'must be the name of a driver'));
const address = v.pipe(
  v.string(),
  v.regex(
    /^0x[0-9a-f]{1,13}$/,
    (issue) => `${JSON.stringify(issue.input)} must be 0x and up to 13 hexadecimal digits`,
  ),
);

const driverSchema = v.strictObject({
  name: v.pipe(driverName, v.description('as Linux calls it')),
  shutdown: v.pipe(
    v.union([v.boolean(), v.literal('disables')], 'must be true, false or "disables"'),
    v.description(
      'its shutdown method: none, one that stops the device, or one that only disables the PCI function',
    ),
  ),
  needsIdle: v.optional(v.pipe(v.boolean(), v.description('its probe refuses a device that still works'))),
  shutdownNeedsDma: v.optional(
    v.pipe(v.boolean(), v.description('its shutdown method waits for an answer that comes by DMA')),
  ),
  resetAfterMs: v.optional(
    v.pipe(
      uint(10_000),
      v.description('its probe lets so long pass between pci_set_master and the reset of the device'),
    ),
  ),
});

export const faultsSchema = v.strictObject({
  ignoreBme: v.optional(
    v.pipe(v.boolean(), v.description('it goes on with its own BME clear; bridges still gate it')),
  ),
  ignoreWrites: v.optional(
    v.pipe(v.boolean(), v.description('writes to its configuration space have no effect')),
  ),
  busMasterReadOnly: v.optional(v.pipe(v.boolean(), v.description('BME stays what it was'))),
  allOnesAfterReads: v.optional(
    v.pipe(uint(1_000_000), v.description('it falls off the bus after so many reads')),
  ),
  vanishOnWrite: v.optional(v.pipe(v.boolean(), v.description('it falls off the bus at the first write'))),
  hangsAtJump: v.optional(v.pipe(v.boolean(), v.description('it hangs at the jump, with its link up'))),
  pendingForever: v.optional(v.pipe(v.boolean(), v.description('one of its requests is never answered'))),
  lateCompletionTicks: v.optional(
    v.pipe(
      uint(1_000_000),
      v.description('its requests are answered so much later, in tenths of a millisecond'),
    ),
  ),
});

export const functionSchema = v.strictObject({
  note: v.optional(v.pipe(text(300), v.description('for people'))),
  slot: v.pipe(slot, v.description('[dddd:]bb:dd.f, hexadecimal')),
  ids: v.pipe(
    v.string(),
    v.regex(
      /^[0-9a-f]{4}:[0-9a-f]{4}$/,
      (issue) => `${JSON.stringify(issue.input)} is not vendor:device, as in 8086:10d3`,
    ),
    v.description('vendor:device'),
  ),
  class: v.pipe(hexadecimal(6), v.description('class, subclass and programming interface')),
  revision: v.optional(v.pipe(hexadecimal(2), v.description('Revision ID'))),
  express: v.optional(
    v.pipe(
      v.picklist(EXPRESS_TYPES.filter((type) => type !== 'reserved')),
      v.description('left out for a conventional PCI function'),
    ),
  ),
  flr: v.optional(v.pipe(v.boolean(), v.description('it has a function-level reset'))),
  secondary: v.optional(v.pipe(hexadecimal(2), v.description('of a bridge: the bus below it'))),
  messages: v.optional(
    v.pipe(
      v.picklist(['msi', 'msix']),
      v.description('message interrupts that it offers; its driver uses them'),
    ),
  ),
  intx: v.optional(
    v.strictObject({
      pin: v.pipe(v.picklist(['A', 'B', 'C', 'D']), v.description('INTA … INTD')),
      line: v.pipe(uint(254), v.description('the interrupt line that the pin is wired to')),
    }),
  ),
  intxDisable: v.optional(v.pipe(v.boolean(), v.description('false for PCI 2.2, which has no such bit'))),
  is: v.optional(v.pipe(v.picklist(WORKLOADS), v.description('the engine behind it'))),
  repeatsMessages: v.optional(
    v.pipe(v.boolean(), v.description('it sends its message again and again until somebody serves it')),
  ),
  wedgesWhenCut: v.optional(
    v.pipe(
      v.boolean(),
      v.description('of a disk controller: no reset helps once its DMA was refused under commands in flight'),
    ),
  ),
  commandMs: v.optional(v.pipe(uint(600_000), v.description('of a hot-plug port: how long a command takes'))),
  errorReporting: v.optional(
    v.pipe(
      v.boolean(),
      v.description('it reports uncorrectable errors by message; true for Express where left out'),
    ),
  ),
  driver: v.optional(v.pipe(driverSchema, v.description('that the old kernel bound'))),
  leftBy: v.optional(
    v.pipe(
      v.picklist(['driver', 'firmware']),
      v.description('who set it going and went away; for one without a driver'),
    ),
  ),
  wanted: v.optional(v.pipe(v.boolean(), v.description('its DMA must go on across the jump'))),
  busMaster: v.optional(v.pipe(v.boolean(), v.description('BME at the start, if nobody set it going'))),
  busMasterReadOnly: v.optional(v.pipe(v.boolean(), v.description('BME is hardwired'))),
  power: v.optional(
    v.pipe(v.picklist(['D0', 'D3hot', 'D3cold']), v.description('its power state; D0 where left out')),
  ),
  gone: v.optional(v.pipe(v.boolean(), v.description('reads all ones'))),
  vfs: v.optional(v.pipe(uint(4096), v.description('virtual functions'))),
  vfDriver: v.optional(
    v.pipe(v.nullable(driverSchema), v.description('that its virtual functions have instead; null for none')),
  ),
  bootVga: v.optional(v.pipe(v.boolean(), v.description('the display that firmware lit'))),
  holds: v.optional(
    v.pipe(
      v.array(v.picklist(['root', 'swap', 'console'])),
      v.minLength(1),
      v.description('what the running system has on it'),
    ),
  ),
  faults: v.optional(
    v.pipe(faultsSchema, v.description('in which it differs from a sound one, from the start')),
  ),
});

const rulesSchema = v.strictObject({
  uncorrectableError: v.optional(
    v.pipe(
      v.picklist(['nothing', 'logged', 'nmi', 'hang']),
      v.description('what the platform makes of an error message'),
    ),
  ),
  rootPortGatesMmio: v.optional(
    v.pipe(
      v.boolean(),
      v.description('a root port with BME clear refuses what the processor asks of those below'),
    ),
  ),
  interruptController: v.optional(
    v.pipe(v.picklist(['io-apic', 'iosapic']), v.description('what the wires lead to')),
  ),
  bootInterruptLine: v.optional(
    v.pipe(
      v.nullable(uint(254)),
      v.description('where the chipset sends interrupts whose pin is masked; null for nowhere'),
    ),
  ),
  legacyInterruptsToBootCpuOnly: v.optional(
    v.pipe(v.boolean(), v.description('the timer reaches processor 0 only')),
  ),
  timerLine: v.optional(v.pipe(uint(254), v.description('the line of the timer'))),
  pendingTables: v.optional(
    v.pipe(v.boolean(), v.description('the interrupt controller keeps tables in memory, as GICv3 does')),
  ),
  vectorsPerCpu: v.optional(
    v.pipe(uint(256), v.minValue(1), v.description('interrupt vectors that a processor has for devices')),
  ),
  iommu: v.optional(
    v.nullable(
      v.strictObject({
        domains: v.pipe(v.picklist(['identity', 'translated']), v.description('of the groups')),
        nextKernel: v.pipe(
          v.picklist(['resets', 'copies', 'takes-over']),
          v.description('what it does with the tables that it finds'),
        ),
        aborts: v.picklist(['dropped', 'poisoned', 'completion-timeout']),
      }),
    ),
  ),
});

const rangeSchema = v.strictObject({
  at: v.pipe(address, v.description('physical address')),
  size: v.pipe(address, v.description('in bytes')),
});

const memorySchema = v.strictObject({
  ram: v.pipe(
    v.array(rangeSchema),
    v.minLength(1),
    v.maxLength(16),
    v.description('all memory that there is'),
  ),
  capture: v.pipe(rangeSchema, v.description('what is reserved for a capture kernel')),
  image: v.pipe(rangeSchema, v.description('where a next kernel runs on the normal path')),
  initramfs: v.pipe(rangeSchema, v.description('where its initramfs lies')),
});

export const machineSchema = v.strictObject({
  platform: v.optional(
    v.pipe(
      v.picklist(Object.keys(PLATFORMS) as PlatformName[]),
      v.description('what chipset and firmware are like'),
    ),
    'x86-server',
  ),
  rules: v.optional(v.pipe(rulesSchema, v.description('in which it differs from its platform'))),
  era: v.optional(v.pipe(v.picklist(ERAS), v.description('of both kernels')), 'today'),
  memory: v.optional(
    v.pipe(memorySchema, v.description('where it lies; left out for one that fits the number of functions')),
  ),
  captureDrivers: v.optional(
    v.pipe(v.array(driverName), v.description('that the initramfs of a capture kernel carries')),
    [],
  ),
  functions: v.pipe(
    v.array(functionSchema),
    v.minLength(1),
    v.maxLength(FUNCTIONS_MAX),
    v.description('in the order in which the kernel finds them'),
  ),
});
