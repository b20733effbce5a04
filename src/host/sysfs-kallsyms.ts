import { attempt, readPieces, type SysfsFiles } from './sysfs-files.js';

/**
 * Drivers whose shutdown method has a name of its own, or stands in another place: `usb_hcd_pci_shutdown`
 * (drivers/usb/core/hcd-pci.c) serves all USB host controllers, `virtio_dev_shutdown` (drivers/virtio/virtio.c, Linux
 * 6.15 on) all devices behind virtio-pci.
 */
const KNOWN: Readonly<Record<string, string>> = {
  xhci_hcd: 'usb_hcd_pci_shutdown',
  xhci_pci: 'usb_hcd_pci_shutdown',
  ehci_pci: 'usb_hcd_pci_shutdown',
  ehci_hcd: 'usb_hcd_pci_shutdown',
  ohci_pci: 'usb_hcd_pci_shutdown',
  ohci_hcd: 'usb_hcd_pci_shutdown',
  uhci_hcd: 'usb_hcd_pci_shutdown',
  pcieport: 'pcie_portdrv_shutdown',
  ahci: 'ahci_shutdown_one',
  virtio_pci: 'virtio_dev_shutdown',
};

/** Functions of the kernel that look like shutdown methods, by the module they are in; '' for the kernel itself. */
export type ShutdownSymbols = ReadonlyMap<string, ReadonlySet<string>>;

// `__pfx_…` marks the padding before a function.
const LINE = /^[0-9a-f]+ [tTwW] (?!__pfx_)((?:\S+_)?shutdown(?:_one)?)(?:\s+\[([^\]]+)\])?$/;

/** One pass over /proc/kallsyms, some 10 MB; names are there without privileges, addresses are not needed. */
export function readShutdownSymbols(files: SysfsFiles, path: string): ShutdownSymbols {
  const symbols = new Map<string, Set<string>>();
  let rest = '';
  attempt(() => {
    for (const piece of readPieces(files, path, 1 << 20)) {
      const text = rest + piece.toString('latin1');
      const end = text.lastIndexOf('\n');
      collect(text.slice(0, end + 1), symbols);
      // No symbol is longer than 512 bytes: a longer line is not one.
      rest = text.slice(end + 1).slice(0, 4096);
    }
    collect(`${rest}\n`, symbols);
  });
  return symbols;
}

function collect(text: string, symbols: Map<string, Set<string>>): void {
  let at = 0;
  for (;;) {
    const hit = text.indexOf('shutdown', at);
    if (hit < 0) return;
    at = text.indexOf('\n', hit);
    if (at < 0) return;
    const match = LINE.exec(text.slice(text.lastIndexOf('\n', hit) + 1, at).trimEnd());
    if (!match?.[1]) continue;
    const module = match[2] ?? '';
    const names = symbols.get(module);
    if (names) names.add(match[1]);
    else symbols.set(module, new Set([match[1]]));
  }
}

/**
 * Whether a driver quiesces its device at shutdown is not in sysfs. A function named `…_shutdown` in its module
 * makes it likely; a driver that is built in must have one named after itself, since the kernel has hundreds of
 * others. So `false` means that nothing is known.
 */
export function hasShutdown(symbols: ShutdownSymbols, driver: string, module: string | undefined): boolean {
  const name = driver.replaceAll(/[-.]/g, '_');
  const known = KNOWN[name];
  if (known !== undefined) return [...symbols.values()].some((names) => names.has(known));
  if (module !== undefined) return (symbols.get(module.replaceAll('-', '_'))?.size ?? 0) > 0;
  const base = name.replace(/_pci$|^pci_/, '');
  const candidates = [`${name}_shutdown`, `${name}_pci_shutdown`, `${base}_shutdown`, `${base}_pci_shutdown`];
  const builtIn = symbols.get('');
  return candidates.some((candidate) => builtIn?.has(candidate) === true);
}
