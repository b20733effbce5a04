import { describe, expect, it } from 'vitest';
import { newestKernels, parsePackages } from './debian.js';
import { parseFunctions } from './guest-pci.js';
import { comeUp, consoleFindings, outcomeOf } from './judge.js';
import { checkConfig } from './kernel.js';

describe("a kernel's console", () => {
  const problems = (text: string) => consoleFindings(text).map(({ problem }) => problem);

  it('shows what went wrong', () => {
    expect(problems('[ 1.0] irq 22: nobody cared (try booting with the "irqpoll" option)\r\n')).toEqual([
      'nobody-cared',
    ]);
    expect(problems('BUG: Bad page state in process swapper  pfn:1c100')).toEqual(['oops']);
    expect(problems('DMAR: [DMA Write NO_PASID] Request device [00:03.0] fault addr 0x1')).toEqual([
      'dmar-fault',
    ]);
    expect(problems('pcieport 0000:00:01.0: AER: Corrected error received: 0000:01:00.0')).toEqual(['aer']);
    expect(problems('rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:')).toEqual(['stall']);
  });

  it('is silent where all is well', () => {
    const fine = [
      'Linux version 6.1',
      'pcieport 0000:00:01.0: AER: enabled with IRQ 24',
      'DMAR: IOMMU enabled',
    ];
    expect(problems(fine.join('\n'))).toEqual([]);
  });

  it('makes one word of it, the worst that is true', () => {
    const storm = consoleFindings('irq 22: nobody cared');
    expect(outcomeOf({ up: false, stray: 5, findings: [] })).toBe('stuck');
    expect(outcomeOf({ up: true, stray: 5, findings: storm })).toBe('stray');
    expect(outcomeOf({ up: true, stray: 0, findings: storm })).toBe('irq-storm');
    expect(outcomeOf({ up: true, stray: 0, findings: consoleFindings('BUG: x') })).toBe('oops');
    expect(outcomeOf({ up: true, stray: 0, findings: [{ problem: 'dmar-fault', line: '' }] })).toBe(
      'faulted',
    );
    expect(outcomeOf({ up: true, stray: 0, findings: [{ problem: 'aer', line: '' }] })).toBe('faulted');
    expect(outcomeOf({ up: true, stray: 0, findings: [], restored: false })).toBe('not-restored');
    expect(outcomeOf({ up: true, stray: 0, findings: [], aliveBefore: false })).toBe('unproven');
    expect(outcomeOf({ up: true, stray: 0, findings: [] })).toBe('clean');
  });
});

it('a kernel that comes up is the next one only if it says so', () => {
  const ready = { boot: 1, release: '6.1.0', uptimeS: 2 };
  expect(comeUp(ready, 1)).toEqual({ ready, instead: null });
  expect(comeUp({ ...ready, boot: 0 }, 1)).toEqual({ ready: undefined, instead: 'another-kernel' });
  expect(comeUp(undefined, 1)).toEqual({ ready: undefined, instead: null });
});

describe("Debian's packages", () => {
  it('are the newest signed kernels of each series and flavour, by number', () => {
    const names = [
      'linux-image-6.1.0-9-amd64',
      'linux-image-6.1.0-56-amd64',
      'linux-image-6.1.0-56-cloud-amd64',
      'linux-image-6.1.0-56-cloud-amd64-dbg',
      'linux-image-6.1.0-47-rt-amd64',
      'linux-image-6.1.0-56-rt-amd64-unsigned',
      'linux-image-6.1.0-57-amd64-unsigned',
      'linux-image-6.12-amd64',
      'linux-image-6.12-rt-amd64',
      'linux-image-6.12-amd64-signed-template',
      'linux-image-6.12.107+deb12-amd64',
      'linux-image-6.12.99+deb12-amd64',
      'linux-image-6.12.99+deb12-rt-amd64',
      'linux-image-amd64',
    ];
    expect([...newestKernels(names)]).toEqual([
      ['6.1', 'linux-image-6.1.0-56-amd64'],
      ['6.1-rt', 'linux-image-6.1.0-47-rt-amd64'],
      ['6.1-cloud', 'linux-image-6.1.0-56-cloud-amd64'],
      ['6.12', 'linux-image-6.12.107+deb12-amd64'],
      ['6.12-rt', 'linux-image-6.12.99+deb12-rt-amd64'],
    ]);
  });

  it('are read from what apt-cache prints', () => {
    const text = 'Package: a\nVersion: 1:2-3\nSize: 17\nSHA256: ff\n\nPackage: virtual\n\n';
    expect(parsePackages(text)).toEqual([{ name: 'a', version: '1:2-3', sha256: 'ff', bytes: 17 }]);
  });

  it('a kernel that cannot jump is named with what it lacks', () => {
    const config = 'CONFIG_KEXEC_CORE=y\nCONFIG_SERIAL_8250_CONSOLE=y\n# CONFIG_KEXEC_FILE is not set\n';
    expect(() => checkConfig('6.1.0-x', config)).toThrow('6.1.0-x is built without CONFIG_KEXEC_FILE=y');
  });
});

describe("a guest's functions", () => {
  it('are decoded from what its /sys shows', () => {
    const config = Buffer.alloc(64);
    config.writeUInt16LE(0x8086, 0);
    config.writeUInt16LE(0x0107, 4);
    const [one] = parseFunctions(`0000:00:03.0 e1000 ${config.toString('hex')}\n`);
    expect(one).toMatchObject({ driver: 'e1000', fn: { slot: '0000:00:03.0', command: 0x107 } });
    expect(() => parseFunctions('nonsense - 00')).toThrow(/names a function/);
  });
});
