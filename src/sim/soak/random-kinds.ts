import type { ExpressType } from '../../pci/function.js';
import type { Faults, FunctionDescription, Workload } from '../description.js';
import type { Random } from '../random.js';

// What random machines are made of: kinds of functions, the state that each is in, and how it can be faulty.

/** How a machine is drawn: with all that there can be, and with trouble in it. */
export interface Mixture {
  readonly mixed: boolean;
  readonly troubled: boolean;
  /** Some of its functions are to live on across the jump. */
  readonly preserves: boolean;
  /** Its port driver is one of 2018 to 2023, which disabled its ports at shutdown. */
  readonly portsDisable: boolean;
  /** Much of what is below its ports works on without a driver, where a port that loses BME refuses it. */
  readonly orphans: boolean;
}

export interface Kind {
  readonly ids: Pick<FunctionDescription, 'vendor' | 'device' | 'classCode'>;
  readonly workload: Workload;
  readonly driver: string;
  /** Left alone it comes to an end, so that nobody leaves it at work. */
  readonly drains?: boolean;
}

function kind(vendor: number, device: number, classCode: number, workload: Workload, driver: string): Kind {
  return { ids: { vendor, device, classCode }, workload, driver };
}

const SOUND: readonly Kind[] = [
  kind(0x8086, 0x10d3, 0x020000, 'nic', 'e1000e'),
  kind(0x15b3, 0x1017, 0x020000, 'nic', 'mlx5_core'),
  kind(0x144d, 0xa80a, 0x010802, 'nvme', 'nvme'),
  kind(0x1912, 0x0014, 0x0c0330, 'xhci', 'xhci_hcd'),
  kind(0x10de, 0x20b0, 0x030200, 'gpu', 'nvidia'),
  kind(0x8086, 0x2021, 0x088000, 'dma-engine', 'ioatdma'),
  { ...kind(0x8086, 0x2922, 0x010601, 'ahci', 'ahci'), drains: true },
];
const MIXED: readonly Kind[] = [...SOUND, kind(0x1002, 0x744c, 0x038000, 'egpu', 'amdgpu')];
/** With what no register write stops for good. */
const TROUBLED: readonly Kind[] = [...MIXED, kind(0x1d0f, 0xec20, 0x020000, 'buffering-nic', 'ena')];

const VIRTUAL: readonly Workload[] = ['nic', 'buffering-nic', 'nvme', 'gpu'];
const SOUND_VIRTUAL = SOUND.filter(({ workload }) => VIRTUAL.includes(workload));
const TROUBLED_VIRTUAL = TROUBLED.filter(({ workload }) => VIRTUAL.includes(workload));

/** Drivers that the initramfs of a capture kernel may carry. */
export const CAPTURE_CANDIDATES: readonly string[] = TROUBLED.map(({ driver }) => driver);
export const kindsOf = ({ mixed, troubled }: Mixture): readonly Kind[] =>
  troubled ? TROUBLED : mixed ? MIXED : SOUND;
/** Kinds that come with virtual functions. */
export const virtualKinds = ({ troubled }: Mixture): readonly Kind[] =>
  troubled ? TROUBLED_VIRTUAL : SOUND_VIRTUAL;
export const isDisplay = ({ ids }: Kind) => ids.classCode >>> 16 === 3;
const isUsb = ({ ids }: Kind) => ids.classCode >>> 8 === 0x0c03;

export type Condition = 'driven' | 'left' | 'idle' | 'asleep' | 'cold' | 'gone' | 'wanted';

const CONDITIONS: readonly Condition[] = [
  ...(['driven', 'driven', 'driven'] as const),
  ...(['left', 'left'] as const),
  ...(['idle', 'asleep', 'cold', 'gone'] as const),
];
const WANTED_PERCENT = 25;
/** Of functions below ports. */
const ORPHANS_PERCENT = 40;
const SLOW_PROBES_PERCENT = 5;
const PROBE_MS: readonly number[] = [1, 10, 40];
/** They work on though nobody serves them, as a guest that waits for the next kernel does not. */
const ENDLESS: readonly Workload[] = ['gpu', 'dma-engine'];

/** Without `express`, a conventional function: its requests cannot be told from those of others below its bridge. */
export function drawCondition(
  random: Random,
  kind: Kind,
  { mixed, preserves, orphans }: Mixture,
  express: ExpressType | undefined,
): Condition {
  const { drains } = kind;
  if (preserves && express !== undefined && ENDLESS.includes(kind.workload) && random.chance(WANTED_PERCENT))
    return 'wanted';
  const orphan = orphans && express === 'endpoint' && random.chance(ORPHANS_PERCENT);
  const condition = orphan ? 'left' : random.pick(CONDITIONS);
  // What firmware still owns lies in the chipset, not on a card.
  const onCard = mixed && isUsb(kind) && express !== 'rc-endpoint';
  return condition === 'left' && (drains || onCard) ? 'driven' : condition;
}

/** What a condition means to a function of a kind. */
export function inCondition(
  random: Random,
  of: Kind,
  condition: Condition,
  mixture: Mixture,
): Partial<FunctionDescription> {
  switch (condition) {
    case 'driven':
      return { driver: drawDriver(random, of, mixture) };
    case 'left':
      // Without a driver it is firmware that a USB controller works for, as far as anybody can tell.
      return { leftBy: mixture.mixed && isUsb(of) ? 'firmware' : 'driver' };
    case 'wanted':
      return { leftBy: 'driver', wanted: true };
    case 'idle':
      return { busMaster: random.chance(30) };
    case 'asleep':
      return { power: 'D3hot' };
    case 'cold':
      return { power: 'D3cold' };
    case 'gone':
      return { gone: true };
  }
}

export function drawDriver(
  random: Random,
  { driver: name }: Kind,
  { mixed, troubled }: Mixture,
): NonNullable<FunctionDescription['driver']> {
  const draw = random.below(10);
  const disables = mixed && draw === 0;
  return {
    name,
    shutdown: draw > (mixed && !troubled ? 2 : 3) ? true : disables ? 'disables' : false,
    ...(troubled && random.chance(5) ? { needsIdle: true } : {}),
    ...(troubled && random.chance(3) ? { shutdownNeedsDma: true } : {}),
    ...(troubled && random.chance(SLOW_PROBES_PERCENT) ? { resetAfterMs: random.pick(PROBE_MS) } : {}),
  };
}

/** One way to be faulty. */
export function drawFaults(random: Random): Faults {
  const ways: readonly (() => Faults)[] = [
    () => ({ ignoreBme: true }),
    () => ({ pendingForever: true }),
    () => ({ lateCompletionTicks: random.between(10, 2000) }),
    () => ({ busMasterReadOnly: true }),
    () => ({ ignoreWrites: true }),
    () => ({ vanishOnWrite: true }),
    () => ({ allOnesAfterReads: random.between(1, 60) }),
  ];
  return random.pick(ways)();
}
