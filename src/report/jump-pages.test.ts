import { describe, expect, it } from 'vitest';
import { runScenario, shippedScenario } from '../sim/index.js';
import type { CorruptedPage, JumpResult } from '../sim/jump/result.js';
import { jumpData } from './jump-json.js';
import { pagesText } from './jump-pages.js';
import { whatBroke } from './jump-text.js';

const plain = (text: string) => text;
const style = { bold: plain, red: plain, yellow: plain, green: plain, dim: plain, width: 100 };

async function play(name: string) {
  const scenario = shippedScenario(name);
  if (!scenario) throw new Error(`no scenario ${name}`);
  return runScenario(scenario, 'none');
}

describe('pages that are not what they should be', () => {
  it('are named with whose they were, who wrote there and when', async () => {
    const played = await play('driverless-nic');
    const text = pagesText(played.result, style) ?? '';
    expect(text).toMatch(/^page +of +owner +written by +ms$/m);
    expect(text).toMatch(/^[0-9a-f]{8} +its memory +next-kernel +0000:01:00\.0 +\d+\.\d$/m);
    expect(text.split('\n').length).toBe(8);
    expect(text).toMatch(/… \d+ more; --json has them all/);
  });

  it('are those of a dump, too, in text and as JSON', async () => {
    const played = await play('crash-busy-nic');
    expect(pagesText(played.result, style)).toMatch(/the dump +dma-buffer +0000:02:00\.0 +\d+\.\d/);
    const { dump } = jumpData(played);
    expect(dump?.target).toBe('0000:01:00.0');
    expect(dump?.torn[0]).toEqual({
      address: expect.stringMatching(/^[0-9a-f]{16}$/),
      region: 'dump',
      owner: 'dma-buffer',
      writers: ['0000:02:00.0'],
      firstMs: expect.any(Number),
    });
  });

  it('may be blamed on nobody, and may be none', () => {
    const page: CorruptedPage = {
      ...{ address: 0x5000, region: 'image', owner: null, writers: [], firstTick: null },
    };
    const of = (corrupted: CorruptedPage[]) =>
      pagesText({ corrupted, dump: null, startTick: 0 } as unknown as JumpResult, style);
    expect(of([])).toBeNull();
    expect(of([page])).toContain('00005000  its image         nobody seen');
  });
});

it('no dump is said to be saved where there is no disk for it', async () => {
  const played = await play('sleeping-bridge');
  expect(whatBroke(played.result)).toContain('There is no dump: 0000:01:00.0 (nvme): it was not found.');
  expect(jumpData(played)).toMatchObject({
    dump: { complete: false, target: '0000:01:00.0', problem: '0000:01:00.0 (nvme): it was not found' },
  });
});
