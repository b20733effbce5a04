/** What a man page says beyond the command line's own table. */
export interface Notes {
  readonly description?: readonly string[];
  /** A command, and what it is for. */
  readonly examples?: readonly (readonly [command: string, what: string])[];
  /** A path, and what is there. */
  readonly files?: readonly (readonly [path: string, what: string])[];
}

/** By the words of a command. */
export const NOTES: Readonly<Record<string, Notes>> = {
  shootdown: {
    description: [
      'When Linux jumps into its next kernel (kexec for a fast reboot, kdump after a panic), PCI devices that the old kernel started go on writing to memory and raising interrupts. shootdown tells which functions could still hit the next kernel, stops them leaf first, with every wait bounded, and verifies that they stopped.',
      'Each command has a page of its own.',
    ],
    files: [
      ['/var/lib/shootdown', 'journals of what was written, and what shootdown made for this system'],
      ['/etc/shootdown', 'what shootdown was asked to keep up on this system'],
      ['/usr/share/shootdown/policies/default.json', 'the policy that ships, in the Debian package'],
    ],
  },
  'shootdown audit': {
    description: ['It only reads. As root it sees all registers; without root, the first 64 bytes.'],
    examples: [
      ['shootdown audit', 'what a panic now would leave running'],
      ['shootdown audit --for normal', 'what a kexec on purpose would leave running'],
      ['lspci -k -xxxx > machine.txt; shootdown audit -F machine.txt', 'the same from a dump'],
    ],
  },
  'shootdown plan': {
    examples: [['shootdown plan', 'what would be written, in which order; what is left alone, and why']],
  },
  'shootdown apply': {
    description: [
      'Before the first write everything has parsed and the old values are on disk. Each register is read again before it is written and read back after. A kill at any point leaves a journal that shootdown-restore(8) takes back.',
    ],
    examples: [
      ['shootdown apply --dry-run', "what would be written, in setpci's notation"],
      ['shootdown apply --write-real-pci-devices', 'stop what could hit the next kernel, then jump'],
    ],
    files: [['/var/lib/shootdown', 'the journals']],
  },
  'shootdown restore': {
    examples: [['shootdown restore --write-real-pci-devices', 'take back what the last apply wrote']],
  },
  'shootdown flight': {
    examples: [['shootdown flight', 'in the next kernel: what was stopped, and what not']],
  },
  'shootdown wrap': {
    description: [
      'The words that the wrapped kernel takes on its command line: shootdown=observe looks, decides and records, and writes nothing; shootdown=off leaves at once. The last of several counts.',
    ],
    examples: [
      [
        'shootdown wrap /boot/vmlinuz-$(uname -r) -o /boot/vmlinuz.quiet --for this',
        'for this machine, with the policy that ships',
      ],
    ],
  },
  'shootdown unwrap': {
    examples: [['shootdown unwrap /boot/vmlinuz.quiet -o vmlinuz', 'the kernel as it was, byte for byte']],
  },
  'shootdown inspect': {
    examples: [['shootdown inspect --listing /boot/vmlinuz.quiet', 'every instruction of the stub']],
  },
  'shootdown install': {
    description: [
      'Everything that is changed is listed first with --dry-run, written down in /var/lib/shootdown/changes.json before it is changed, and taken back by shootdown-uninstall(8). Doing it again changes nothing.',
    ],
    examples: [
      ['shootdown install kdump --dry-run', 'what would be changed'],
      ['shootdown install kdump', 'have kdump-tools load a wrapped kernel from now on'],
    ],
    files: [
      ['/etc/shootdown/install.json', 'what was asked for'],
      ['/var/lib/shootdown/kernels', 'the wrapped kernels'],
      ['/var/lib/shootdown/backup', 'changed files as they were'],
    ],
  },
  'shootdown uninstall': {
    examples: [['shootdown uninstall all', 'every file as it was before']],
  },
  'shootdown refresh': {
    description: [
      'With --reload what waits for a crash is let go only when the next kernel and its initramfs are there; where the wrapped kernel is refused, the plain one is loaded.',
      'With --parts units, hooks and lines of an earlier version become those of this one. The Debian package runs it when it is upgraded; after an upgrade by npm it is to be run by hand. What was there before the first install stays what shootdown-uninstall(8) goes back to.',
    ],
    examples: [
      ['shootdown refresh --reload', 'have all up to date, and loaded'],
      ['shootdown refresh --parts --reload', 'after an upgrade of shootdown by npm'],
    ],
    files: [
      ['/var/lib/shootdown/kernels', 'the wrapped kernels'],
      ['/var/lib/shootdown/changes.json', 'what install put in place'],
    ],
  },
  'shootdown hook-table': {
    description: [
      'What the hook in an initramfs does with each function that has no driver, as text that a shell can follow. The hooks of initramfs-tools and dracut run it whenever an initramfs is made; by hand it shows what the hook would go by.',
    ],
    examples: [
      ['shootdown hook-table', 'the table for this machine'],
      [
        'shootdown hook-table --for any --policy mine.json -o table',
        'one for machines that are not known yet',
      ],
    ],
    files: [['/var/lib/shootdown/hook.table', 'the last that could be made']],
  },
  'shootdown doctor': {
    description: [
      'Looks at how kdump, kexec and shootdown are set up on this system, at the machine, and at what the last jump left to read, and says for each thing that is not well what to do. It changes nothing.',
      'A problem: what was installed does not work, or no dump would be saved. A warning: it works in part, or will not for long. Unknown: it could not be told, often for want of root. A note is not counted as wrong. The names of checks stay the same from version to version.',
    ],
    examples: [
      ['shootdown doctor', 'everything, what is wrong first'],
      ['shootdown doctor --json --fail-on problem', 'for monitoring: by exit status, and by name'],
      ['shootdown doctor --root /mnt', 'the files of a system that does not run'],
    ],
    files: [
      ['/var/crash', 'dumps, with the flight records beside them'],
      ['/etc/shootdown/install.json', 'what was installed'],
    ],
  },
  'shootdown sim': {
    examples: [
      ['shootdown sim run bridge-before-child --policy none', 'the dump is saved, the reboot hangs'],
      ['shootdown sim run --like machine.txt', 'a crash of the machine in that dump, with and without'],
      ['shootdown sim soak --jumps 1000', 'random machines, faults and policies'],
    ],
  },
  'shootdown lab': {
    examples: [
      [
        'shootdown lab run crash-e1000e --policy ours',
        'a real crash of a guest under traffic, judged from outside',
      ],
    ],
    files: [['~/.cache/shootdown/lab', 'packages, kernels and runs; XDG_CACHE_HOME moves it']],
  },
};

/** Of every command whose help says nothing of it; the last, of all. */
export const EXIT_STATUSES: readonly (readonly [status: number, meaning: string])[] = [
  [0, 'clean: nothing found, nothing pending, or all done'],
  [1, 'failed, and nothing was written'],
  [2, 'findings, or changes pending'],
  [3, 'failed after something was written'],
  [64, 'usage'],
];
