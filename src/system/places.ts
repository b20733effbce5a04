/** Where things are on a system. All absolute, in the system itself. */
export const PLACES_OF = {
  /** What was asked of `install`. */
  install: '/etc/shootdown/install.json',
  state: '/var/lib/shootdown',
  kernels: '/var/lib/shootdown/kernels',
  /** The last gate table that could be compiled. */
  hookTable: '/var/lib/shootdown/hook.table',
  changes: '/var/lib/shootdown/changes.json',
  backup: '/var/lib/shootdown/backup',
  boot: '/boot',
  units: '/etc/systemd/system',
  kdumpDefaults: '/etc/default/kdump-tools',
  kdumpHook: '/etc/kernel/postinst.d/kdump-tools',
  kdumpState: '/var/lib/kdump',
  crashLoaded: '/sys/kernel/kexec_crash_loaded',
  crashSize: '/sys/kernel/kexec_crash_size',
  lockdown: '/sys/kernel/security/lockdown',
  secureBoot: '/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c',
  cmdline: '/proc/cmdline',
  cpuinfo: '/proc/cpuinfo',
  release: '/proc/sys/kernel/osrelease',
} as const;
