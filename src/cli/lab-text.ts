import type { LabVerdict } from '../lab/verdict.js';
import { coloredVerdict, type Style, table } from '../report/table.js';

/** One run, for people. */
export function verdictText(verdict: LabVerdict, style: Style): string {
  const { stray, next, kernel, apply } = verdict;
  const lines = [
    `${style.bold(verdict.scenario)}, Linux ${kernel.release}, policy ${verdict.policy}: ${coloredVerdict(verdict.outcome, style)}`,
  ];
  if (stray.of !== null) {
    const what = stray.of === 'frames' ? 'frames sent' : 'writes asked for';
    const where = stray.first === null ? '' : `, the first at ${stray.first}`;
    lines.push(
      `  ${stray.landed} of ${stray.sent} ${what} after the next kernel's first line landed in memory${where}`,
    );
    if (stray.later.landed > 0)
      lines.push(`  ${stray.later.landed} of ${stray.later.sent} once it took commands`);
    if (!stray.aliveBefore)
      lines.push('  the master was not seen at work before the jump: this proves nothing');
  }
  lines.push(
    next.up
      ? `  the next kernel said its first line after ${next.toFirstLineS} s and took commands after ${next.toReadyS} s`
      : `  the next kernel did not come up${next.toFirstLineS === null ? ' at all' : ''}${next.ended === null ? '' : `: ${next.ended}`}`,
  );
  if (apply) {
    const restored =
      apply.restored === null
        ? ''
        : apply.restored
          ? '; restore gave every byte back'
          : '; RESTORE DID NOT give every byte back';
    lines.push(
      `  apply: ${apply.gated} gated, ${apply.stopped} stopped, ${apply.live} left live, ${apply.seconds} s${restored}`,
    );
  }
  if (verdict.flight) {
    const { end, gated, failed, functions, accesses, milliseconds, traceAgrees } = verdict.flight;
    const time = milliseconds === null ? '' : `, ${milliseconds} ms`;
    lines.push(
      `  the stub: ${end}; ${gated} of ${functions} functions gated, ${failed} failures, ${accesses} accesses${time}; QEMU's trace ${traceAgrees ? 'agrees' : 'DOES NOT AGREE'}`,
    );
  }
  const { network, vmcore } = verdict.uses;
  if (network !== null) lines.push(network ? '  its card answers' : '  ITS CARD DOES NOT ANSWER');
  if (vmcore !== null) lines.push(vmcore ? '  /proc/vmcore is there' : '  THERE IS NO /proc/vmcore');
  for (const { problem, line } of verdict.console) lines.push(`  console, ${problem}: ${line}`);
  const changed = verdict.functions.map(({ slot, ids, before, after }) => [
    slot,
    ids,
    before === null ? '-' : `${before.command} ${before.verdict}`,
    after === null ? '-' : `${after.command} ${after.verdict}`,
  ]);
  const columns = ['slot', 'ids', 'before the jump', 'after'].map((title) => ({ title }));
  return `${lines.join('\n')}\n\n${table(columns, changed, style)}\n\n${style.dim(verdict.folder)}\n`;
}
