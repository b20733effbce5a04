import { hex } from '../../pci/slot.js';
import type { JumpResult } from '../jump/result.js';

/** What about the result of a jump does not fit together: the machine's own fault, whatever the verdict. */
export function jumpProblems(result: JumpResult): string[] {
  const problems: string[] = [];
  const { verdicts, verdict, stuckOn, writes, jumpTick, dump } = result;
  // A capture kernel reboots once its dump is saved, or it is known why it cannot be.
  const saved = dump !== null && (dump.complete || dump.problem !== null);
  const last = result.path === 'crash' && saved ? ['running', 'reboot'] : ['running'];
  if (stuckOn === null && !last.includes(result.reached)) {
    problems.push(`it ended at ${result.reached} and does not say why`);
  }
  if (dump?.complete && dump.problem !== null)
    problems.push(`the dump is saved, and is not: ${dump.problem}`);
  if (verdicts.includes('hung') && stuckOn === null) problems.push('it hung and does not say on what');
  if (verdicts[0] !== verdict) problems.push(`the verdict is ${verdict}, but ${verdicts[0]} is worse`);
  for (const { address, region, writers } of [...result.corrupted, ...(dump?.torn ?? [])]) {
    if (writers.length === 0) problems.push(`${hex(address, 8)} (${region}) changed and nobody wrote it`);
  }
  const broken = writes.some(({ broke }) => broke !== null);
  const byPlatform = [...result.corrupted, ...(dump?.torn ?? [])].some((page) =>
    page.writers.includes('platform'),
  );
  if ((broken || byPlatform) !== verdicts.includes('corrupted')) {
    problems.push(
      `the verdicts are ${verdicts.join(', ')}, but the next kernel ${broken ? 'was' : 'was not'} hit`,
    );
  }
  if (writes.some(({ tick, broke }) => tick < jumpTick && broke !== 'image' && broke !== 'initramfs')) {
    problems.push('a stray write before the jump');
  }
  if (result.storms.length > 0 !== verdicts.includes('irq-storm'))
    problems.push('a storm without its verdict');
  if (result.runningTick === null && result.lost.length > 0)
    problems.push('a device is lost before any was tried');
  const ticks = result.timeline.map(({ tick }) => tick);
  if (ticks.some((tick, i) => tick < (ticks[i - 1] ?? 0))) problems.push('the timeline runs backwards');
  return problems;
}
