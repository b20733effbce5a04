import { afterEach, describe, expect, it } from 'vitest';
import { encodeFunction } from '../../test/support/encode.js';
import { buildFakeSysfs, type FakeFunction, type FakeMachine } from '../../test/support/fake-sysfs.js';
import type { Slot } from '../pci/slot.js';
import type { FunctionFacts } from './facts.js';
import type { Host } from './port.js';
import { openSysfs, type SysfsOptions } from './sysfs.js';
import { plainFacts } from './sysfs-facts.js';
import { nodeFiles, type SysfsFiles } from './sysfs-files.js';

const PORT = '0000:00:1c.0' as Slot;
const NIC = '0000:01:00.0' as Slot;
const DISK = '0000:02:00.0' as Slot;
const OTHER = '0000:03:00.0' as Slot;
const config = encodeFunction({ vendor: 0x8086, device: 0x10d3, classCode: 0x020000, command: 6 });
const bridge = encodeFunction({ command: 7, bridge: { secondary: 1 } });

const cleanUps: (() => unknown)[] = [];
afterEach(() => {
  for (const cleanUp of cleanUps.splice(0).reverse()) cleanUp();
});

function open(machine: FakeMachine, options: SysfsOptions = {}): Host {
  const fake = buildFakeSysfs(machine);
  const host = openSysfs({ root: fake.root, ...options });
  cleanUps.push(fake.remove, () => host.close());
  return host;
}

async function factsOf(
  f: Omit<FakeFunction, 'slot' | 'config'>,
  machine: Omit<FakeMachine, 'functions'> = {},
) {
  const host = open({ functions: [{ slot: NIC, config, ...f }], ...machine });
  return plainFacts((await host.facts?.(NIC)) ?? {});
}

/** What holds what, on a machine of a bridge and some endpoints. */
async function holds(
  machine: Omit<FakeMachine, 'functions'>,
  more: Partial<FakeFunction> = {},
): Promise<{ holds: Record<string, readonly string[]>; notes: readonly string[] }> {
  const functions = [
    { slot: PORT, config: bridge },
    { slot: NIC, config, parent: PORT },
    { slot: DISK, config },
    { slot: OTHER, config, ...more },
  ];
  const host = open({ functions, ...machine });
  const found: Record<string, readonly string[]> = {};
  for (const slot of await host.slots()) {
    const known = (await host.facts?.(slot))?.holds;
    if (known) found[slot] = known;
  }
  return { holds: found, notes: host.notes };
}

describe('facts of a function', () => {
  it('reads everything that the kernel says', async () => {
    const facts = await factsOf(
      {
        driver: 'e1000e',
        module: 'e1000e',
        enable: 2,
        numaNode: 1,
        iommuGroup: 7,
        resetMethods: ['flr', 'bus'],
        numVfs: 3,
        bootVga: false,
      },
      { iommuGroups: { 7: 'DMA-FQ' } },
    );
    expect(facts).toEqual({
      ids: { vendor: 0x8086, device: 0x10d3, classCode: 0x020000 },
      powerState: 'D0',
      runtimeStatus: 'active',
      driver: 'e1000e',
      driverShutdown: 'unknown',
      enabled: 2,
      numaNode: 1,
      numVfs: 3,
      iommuGroup: 7,
      iommuDomain: 'DMA-FQ',
      resetMethods: ['flr', 'bus'],
      physfn: null,
      bootVga: false,
    });
  });

  it('reads each fact when it is asked for, and once', async () => {
    const functions = [
      { slot: PORT, config: bridge },
      { slot: NIC, config, parent: PORT, driver: 'igb' },
      { slot: '0000:01:00.1', config, parent: PORT },
    ];
    const calls: string[] = [];
    const log = (path: string) => calls.push(path.replace(/^.*\/devices\//, ''));
    const files: SysfsFiles = {
      ...nodeFiles,
      open: (path, access) => {
        log(path);
        return nodeFiles.open(path, access);
      },
      readlink: (path) => {
        log(path);
        return nodeFiles.readlink(path);
      },
      readdir: (path) => {
        log(path);
        return nodeFiles.readdir(path);
      },
    };
    const host = open({ functions }, { files });
    await host.slots();
    const facts = await host.facts?.(NIC);
    const other = await host.facts?.('0000:01:00.1' as Slot);
    calls.length = 0;
    for (let i = 0; i < 2; i++) expect([facts?.powerState, facts?.asleep]).toEqual(['D0', undefined]);
    expect(calls).toEqual([`${NIC}/power_state`, NIC, `${PORT}/power/runtime_status`]);
    calls.length = 0;
    expect([other?.powerState, other?.asleep]).toEqual(['D0', undefined]);
    expect(calls).toEqual(['0000:01:00.1/power_state']);
    calls.length = 0;
    for (let i = 0; i < 2; i++) expect([facts?.driver, facts?.bootVga]).toEqual(['igb', undefined]);
    expect(calls).toEqual([NIC, `${NIC}/driver`]);
    expect(JSON.parse(JSON.stringify(facts))).toEqual(facts && plainFacts(facts));
  });

  it('knows that there is none of what is not there', async () => {
    const facts = await factsOf({});
    expect(facts).toMatchObject({
      driver: null,
      iommuGroup: null,
      physfn: null,
      resetMethods: [],
      enabled: 0,
    });
    expect(facts.numaNode).toBeUndefined();
    expect(facts.driverShutdown).toBeUndefined();
  });

  it('does not say how a kernel before 5.15 would reset', async () => {
    expect((await factsOf({ attributes: { reset: '' } })).resetMethods).toBeUndefined();
  });

  it('leaves out what makes no sense', async () => {
    const attributes = { enable: 'x', numa_node: '99999999999', power_state: 'error', boot_vga: null };
    const facts = await factsOf({ attributes });
    expect(facts.enabled).toBeUndefined();
    expect(facts.numaNode).toBeUndefined();
    expect(facts.powerState).toBeUndefined();
    expect(facts.bootVga).toBeUndefined();
  });

  it('passes no control characters on', async () => {
    const facts = await factsOf({ driver: 'e\u001b[31m', runtimeStatus: 'a\u009bb\u202e' });
    expect(facts.driver).toBe('e?[31m');
    expect(facts.runtimeStatus).toBe('a?b?');
  });

  it('names the PF of a VF', async () => {
    const host = open({
      functions: [
        { slot: NIC, config },
        { slot: '0000:01:10.0', config, physfn: NIC },
      ],
    });
    expect((await host.facts?.('0000:01:10.0' as Slot))?.physfn).toBe(NIC);
  });
});

describe('sleeping functions', () => {
  async function asleep(
    nic: Partial<FakeFunction>,
    port: Partial<FakeFunction> = {},
  ): Promise<FunctionFacts> {
    const functions = [
      { slot: PORT, config: bridge, ...port },
      { slot: NIC, config, parent: PORT, ...nic },
    ];
    return plainFacts((await open({ functions }).facts?.(NIC)) ?? {});
  }
  const ids = { vendor: 0x8086, device: 0x10d3, classCode: 0x020000 };

  it('can be read in D3hot below a bridge that is awake', async () => {
    const facts = await asleep({ powerState: 'D3hot', runtimeStatus: 'suspended' });
    expect(facts).toMatchObject({ powerState: 'D3hot', runtimeStatus: 'suspended', ids });
    expect(facts.asleep).toBeUndefined();
  });

  it('must not be read below a bridge that sleeps', async () => {
    const port = { powerState: 'D3hot', runtimeStatus: 'suspended' };
    expect(await asleep({ powerState: 'D3hot', runtimeStatus: 'suspended' }, port)).toMatchObject({
      asleep: true,
      ids,
    });
    expect(await asleep({ runtimeStatus: 'active' }, port)).toMatchObject({ asleep: true, ids });
    expect(await asleep({ runtimeStatus: 'suspended' }, port)).toMatchObject({ asleep: true, ids });
  });

  it('must not be read where the kernel does not tell D3hot from D3cold', async () => {
    const facts = await asleep({ runtimeStatus: 'suspended', attributes: { power_state: null } });
    expect(facts.asleep).toBe(true);
  });

  it('have ids in D3cold', async () => {
    expect(await asleep({ powerState: 'D3cold', runtimeStatus: 'suspended' })).toMatchObject({ ids });
  });

  it('are never touched when their facts are read', async () => {
    const fake = buildFakeSysfs({ functions: [{ slot: NIC, config, powerState: 'D3cold' }] });
    cleanUps.push(fake.remove);
    const files: SysfsFiles = {
      ...nodeFiles,
      open: (path, access) => {
        expect(path).not.toMatch(/config$/);
        return nodeFiles.open(path, access);
      },
    };
    const host = openSysfs({ root: fake.root, files });
    await host.slots();
    expect((await host.facts?.(NIC))?.ids).toEqual(ids);
  });
});

describe('shutdown methods', () => {
  const kallsyms = [
    '0000000000000000 T nvme_shutdown',
    '0000000000000000 t __pfx_igb_shutdown\t[igb]',
    '0000000000000000 t e1000_shutdown\t[e1000e]',
    '0000000000000000 d mlx_shutdown\t[mlx5_core]',
    '0000000000000000 T usb_hcd_pci_shutdown\t[usbcore]',
    '0000000000000000 t unrelated_shutdown',
    '0000000000000000 t ahci_shutdown_one\t[ahci]',
  ].join('\n');
  const cases: [string, string | undefined, 'likely' | 'unknown'][] = [
    ['e1000e', 'e1000e', 'likely'],
    ['igb', 'igb', 'unknown'],
    ['mlx5_core', 'mlx5_core', 'unknown'],
    ['nvme', undefined, 'likely'],
    ['e1000', undefined, 'unknown'],
    ['unrelated-pci', undefined, 'likely'],
    ['xhci_hcd', 'xhci_pci', 'likely'],
    ['ehci-pci', undefined, 'likely'],
    ['ahci', 'ahci', 'likely'],
  ];
  it.each(cases)('of %s (module %s) is %s', async (driver, module, expected) => {
    const facts = await factsOf({ driver, ...(module === undefined ? {} : { module }) }, { kallsyms });
    expect(facts.driverShutdown).toBe(expected);
  });

  it('looks through the symbols only if asked, and once', async () => {
    const fake = buildFakeSysfs({ functions: [{ slot: NIC, config, driver: 'nvme' }], kallsyms });
    cleanUps.push(fake.remove);
    let opened = 0;
    const files: SysfsFiles = {
      ...nodeFiles,
      open: (path, access) => {
        if (path.endsWith('kallsyms')) opened++;
        return nodeFiles.open(path, access);
      },
    };
    const host = openSysfs({ root: fake.root, files });
    const facts = await host.facts?.(NIC);
    expect(opened).toBe(0);
    expect([facts?.driverShutdown, facts?.driverShutdown, opened]).toEqual(['likely', 'likely', 1]);
  });

  it('finds a symbol wherever the pieces of the file end', async () => {
    const filler = '0000000000000000 t some_other_symbol_of_the_kernel\n'.repeat(20_560);
    for (const shift of [0, 7, 23, 40]) {
      const text = `${filler.slice(0, (1 << 20) - shift - 1)}\n0000000000000000 T nvme_shutdown\n${filler}`;
      expect((await factsOf({ driver: 'nvme' }, { kallsyms: text })).driverShutdown).toBe('likely');
    }
  });
});

describe('what holds the root file system, swap and console', () => {
  const sda = { name: 'sda', number: '8:0', on: DISK, partitions: ['sda1', 'sda2'] };
  const root = (number: string, type = 'ext4', source = '/dev/root', options = 'rw') =>
    `25 1 ${number} / / rw,relatime shared:1 - ${type} ${source} ${options}`;

  it('follows a partition to its controller, and swap likewise', async () => {
    const machine = { blockDevices: [sda], mountinfo: [root('8:1')], swaps: ['/dev/sda2'] };
    expect(await holds(machine)).toEqual({ holds: { [DISK]: ['root', 'swap'] }, notes: [] });
  });

  it('follows LVM on RAID to every disk, and the bridge above is not among them', async () => {
    const blockDevices = [
      sda,
      { name: 'sdb', number: '8:16', on: NIC },
      { name: 'md0', number: '9:0', partitions: ['md0p1'], slaves: ['sda1', 'sdb'] },
      { name: 'dm-0', number: '253:0', slaves: ['md0p1'] },
    ];
    const machine = {
      blockDevices,
      mountinfo: [root('253:0')],
      swaps: ['/dev/mapper/vg-swap'],
      devLinks: { 'mapper/vg-swap': 'dm-0' },
    };
    expect((await holds(machine)).holds).toEqual({ [NIC]: ['root', 'swap'], [DISK]: ['root', 'swap'] });
  });

  it('follows btrfs by its source, /usr, a swap file and a loop device', async () => {
    const blockDevices = [
      sda,
      { name: 'sdb', number: '8:16', on: NIC },
      { name: 'loop0', number: '7:0', files: { 'loop/backing_file': '/data/image.ext4' } },
    ];
    const mountinfo = [
      root('0:33', 'btrfs', '/dev/sda1'),
      '26 25 7:0 / /usr rw - ext4 /dev/loop0 rw',
      '27 25 8:16 / /data rw - ext4 /dev/sdb rw',
    ];
    const found = await holds({ blockDevices, mountinfo, swaps: ['/data/swap\\040file'] });
    expect(found).toEqual({ holds: { [NIC]: ['root', 'swap'], [DISK]: ['root'] }, notes: [] });
  });

  it('follows NVMe multipath to its controllers', async () => {
    const subsystem = 'virtual/nvme-subsystem/nvme-subsys0';
    const host = await holds({
      blockDevices: [{ name: 'nvme0n1', number: '259:0', on: subsystem }],
      mountinfo: [root('259:0')],
    });
    expect(host.notes).toEqual([expect.stringMatching(/root file system is on nvme0n1/)]);
    const fake = buildFakeSysfs({
      functions: [{ slot: DISK, config }],
      blockDevices: [{ name: 'nvme0n1', number: '259:0', on: subsystem }],
      classes: { 'nvme/nvme0': DISK },
      mountinfo: [root('259:0')],
    });
    cleanUps.push(fake.remove);
    fake.link(`devices/${subsystem}/nvme0`, 'class/nvme/nvme0');
    expect((await openSysfs({ root: fake.root }).facts?.(DISK))?.holds).toEqual(['root']);
  });

  it('says where it cannot tell', async () => {
    const nfs = await holds({ mountinfo: [root('0:33', 'nfs4', 'server:/export')] });
    expect(nfs).toEqual({
      holds: {},
      notes: [expect.stringMatching(/on nfs4 server:\/export: which function/)],
    });
    const iscsi = { name: 'sdc', number: '8:32', on: 'platform/host2/session1/block' };
    expect((await holds({ blockDevices: [iscsi], mountinfo: [root('8:32')] })).notes).toHaveLength(1);
    expect((await holds({ mountinfo: [root('8:99')] })).notes).toHaveLength(1);
    const memory = { mountinfo: [root('0:2', 'rootfs', 'rootfs')], swaps: ['/dev/zram0'] };
    const zram = { name: 'zram0', number: '252:0' };
    expect(await holds({ ...memory, blockDevices: [zram] })).toEqual({ holds: {}, notes: [] });
  });

  it('says so by the end of a scan that asks for no holds', async () => {
    const host = open({
      functions: [{ slot: NIC, config }],
      mountinfo: [root('0:33', 'nfs4', 'server:/export')],
    });
    await host.slots();
    await host.machineFacts?.();
    expect(host.notes).toHaveLength(1);
  });

  it('comes to an end where devices lie on themselves', async () => {
    const blockDevices = [{ name: 'loop0', number: '7:0', files: { 'loop/backing_file': '/image' } }];
    expect((await holds({ blockDevices, mountinfo: [root('7:0')] })).holds).toEqual({});
  });

  it('follows the layers of an overlay', async () => {
    const mountinfo = [
      root('0:40', 'overlay', 'overlay', 'rw,lowerdir=/live/a:/live/b,upperdir=/mem/u'),
      '26 25 8:1 / /live ro - squashfs /dev/sda1 ro',
      '27 25 0:41 / /mem rw - tmpfs tmpfs rw',
    ];
    expect(await holds({ blockDevices: [sda], mountinfo })).toEqual({
      holds: { [DISK]: ['root'] },
      notes: [],
    });
  });

  it('finds serial consoles, framebuffers and the boot VGA', async () => {
    const serial = await holds({ consoles: ['ttyS4 -W- (EC p a) 4:68'], classes: { 'tty/ttyS4': OTHER } });
    expect(serial.holds).toEqual({ [OTHER]: ['console'] });
    const legacy = { 'tty/ttyS0': 'pnp0/00:01' };
    expect(await holds({ consoles: ['ttyS0 -W- (EC) 4:64'], classes: legacy })).toEqual({
      holds: {},
      notes: [],
    });
    const screen = ['tty0 -WU (EC p ) 4:1'];
    expect((await holds({ consoles: screen, classes: { 'graphics/fb0': NIC } })).holds).toEqual({
      [NIC]: ['console'],
    });
    expect((await holds({ consoles: screen }, { bootVga: true })).holds).toEqual({ [OTHER]: ['console'] });
    expect((await holds({ consoles: [] }, { bootVga: true })).holds).toEqual({});
    expect((await holds({ consoles: ['netcon0 -W- (EC)'] })).notes).toHaveLength(1);
  });
});

describe('facts of the machine', () => {
  const functions = [
    { slot: NIC, config, iommuGroup: 0 },
    { slot: DISK, config, iommuGroup: 1 },
  ];

  it('knows lockdown, kexec and IOMMU', async () => {
    const machine = { functions, lockdown: 'integrity', kexecLoaded: false, kexecCrashLoaded: true } as const;
    expect(await open({ ...machine, iommuGroups: { 0: 'identity', 1: 'DMA' } }).machineFacts?.()).toEqual({
      liveKernel: false,
      lockdown: 'integrity',
      iommu: true,
      captureKernelLoaded: true,
      kexecKernelLoaded: false,
    });
  });

  it('knows the names of the machine and of its kernel, where the tree has a /proc of its own', async () => {
    const named = open({ functions, hostname: 'web01.example', kernel: '6.1.0-18-amd64' });
    expect(await named.machineFacts?.()).toMatchObject({
      hostname: 'web01.example',
      kernel: '6.1.0-18-amd64',
    });
    const nameless = await open({ functions, hostname: '(none)' }).machineFacts?.();
    expect([nameless?.hostname, nameless?.kernel]).toEqual([undefined, undefined]);
  });

  it('tells passthrough from translation', async () => {
    const passthrough = open({ functions, iommuGroups: { 0: 'identity', 1: 'identity' } });
    expect(await passthrough.machineFacts?.()).toEqual({ liveKernel: false, iommu: false });
    expect(await open({ functions: [{ slot: NIC, config }] }).machineFacts?.()).toMatchObject({
      iommu: false,
    });
  });
});
