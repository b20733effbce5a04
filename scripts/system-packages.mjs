// What tests need from the system: the command or file that shows that it is there, Debian's package, and who needs it.
export const SYSTEM_PACKAGES = [
  {
    command: 'dpkg-deb',
    package: 'dpkg',
    suites: 'the Debian package',
  },
  {
    command: 'lspci',
    package: 'pciutils',
    suites: 'comparison of dumps and of sysfs trees with lspci; benchmarks against lspci and setpci',
  },
  {
    command: 'busybox',
    package: 'busybox',
    suites: 'the hook and what runs after a crash, by the shell of an initramfs',
  },
  {
    command: 'strace',
    package: 'strace',
    suites: 'apply killed at every system call that writes; system calls counted by the benchmarks',
  },
  {
    command: 'qemu-system-x86_64',
    package: 'qemu-system-x86',
    suites: 'the qtest host on real device models; Linux guests',
  },
  {
    command: 'sbsign',
    package: 'sbsigntool',
    suites: 'wrapped kernels signed and verified',
  },
  {
    command: 'openssl',
    package: 'openssl',
    suites: 'the key that wrapped kernels are signed with',
  },
  {
    command: '/usr/share/OVMF/OVMF_CODE_4M.fd',
    package: 'ovmf',
    suites: 'wrapped kernels booted by UEFI firmware, and under Secure Boot',
  },
  {
    command: 'python3',
    package: 'python3',
    suites: 'the Ansible collection, as far as that needs no Ansible',
  },
  {
    command: 'chromium',
    package: 'chromium',
    suites: 'reports opened in a browser',
  },
];
