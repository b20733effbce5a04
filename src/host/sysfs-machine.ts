import type { MachineFacts } from './facts.js';
import { attempt, readAttribute, type SysfsFiles } from './sysfs-files.js';
import type { SysfsTree } from './sysfs-tree.js';

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** What sysfs says of the machine and of the kernel that runs on it. */
export function readMachineFacts(files: SysfsFiles, tree: SysfsTree): MachineFacts {
  const facts: Mutable<MachineFacts> = { liveKernel: tree.real };
  const bootId = attempt(() => readAttribute(files, `${tree.procRoot}/sys/kernel/random/boot_id`));
  if (bootId) facts.bootId = bootId;
  const hostname = readKernelName(files, tree, 'hostname');
  if (hostname) facts.hostname = hostname;
  const kernel = readKernelName(files, tree, 'osrelease');
  if (kernel) facts.kernel = kernel;
  const lockdown = readLockdown(files, tree.root);
  if (lockdown) facts.lockdown = lockdown;
  const iommu = readIommu(files, tree);
  if (iommu !== undefined) facts.iommu = iommu;
  const capture = readFlag(files, tree, 'kexec_crash_loaded');
  if (capture !== undefined) facts.captureKernelLoaded = capture;
  const next = readFlag(files, tree, 'kexec_loaded');
  if (next !== undefined) facts.kexecKernelLoaded = next;
  return facts;
}

/** `undefined` where the tree has no /proc of its own beside it: this machine's says nothing of a copy. */
function readKernelName(
  files: SysfsFiles,
  { procRoot }: SysfsTree,
  name: 'hostname' | 'osrelease',
): string | undefined {
  if (procRoot === undefined) return undefined;
  const text = attempt(() => readAttribute(files, `${procRoot}/sys/kernel/${name}`));
  // What the kernel says when nobody has given the machine a name.
  return text === '(none)' ? undefined : text;
}

/** `none [integrity] confidentiality`: the one in brackets holds. */
export function readLockdown(files: SysfsFiles, root: string): MachineFacts['lockdown'] {
  const text = attempt(() => readAttribute(files, `${root}/kernel/security/lockdown`));
  const word = /\[(none|integrity|confidentiality)\]/.exec(text ?? '')?.[1];
  return word as MachineFacts['lockdown'];
}

/** A kernel that cannot kexec has no such file, and nothing loaded. */
function readFlag(files: SysfsFiles, tree: SysfsTree, name: string): boolean | undefined {
  const text = attempt(() => readAttribute(files, `${tree.root}/kernel/${name}`));
  if (text === undefined) return tree.real ? false : undefined;
  return text === '1';
}

/** Whether any group's requests are translated: only `DMA` and `DMA-FQ` say that they are. */
function readIommu(files: SysfsFiles, tree: SysfsTree): boolean | undefined {
  const { root } = tree;
  const units = attempt(() => files.readdir(`${root}/class/iommu`));
  const groups = attempt(() => files.readdir(`${root}/kernel/iommu_groups`));
  if (!units && !groups) return tree.real ? false : undefined;
  let unsaid = false;
  for (const group of groups ?? []) {
    const type = attempt(() => readAttribute(files, `${root}/kernel/iommu_groups/${group}/type`));
    if (type === undefined) unsaid = true;
    else if (type.startsWith('DMA')) return true;
  }
  return unsaid ? undefined : false;
}
