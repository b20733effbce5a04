import { describe, expect, it } from 'vitest';
import type { LabKernel } from './kernel.js';
import { scenarioNamed } from './scenarios.js';
import { whyUnsupported } from './supported.js';

const CLOUD = {
  release: '6.1.0-56-cloud-amd64',
  missing: async (names: readonly string[]) => names.filter((name) => name === 'vmxnet3'),
} as unknown as LabKernel;

describe('a kernel of another flavour', () => {
  it('cannot run what it has no modules for', async () => {
    expect(await whyUnsupported(scenarioNamed('crash-vmxnet3'), CLOUD)).toBe(
      'unsupported: Linux 6.1.0-56-cloud-amd64 has no module vmxnet3, which crash-vmxnet3 needs',
    );
  });

  it('runs the rest', async () => {
    expect(await whyUnsupported(scenarioNamed('crash-virtio-net'), CLOUD)).toBeNull();
  });
});
