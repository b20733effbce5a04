import { printable } from '../pci/printable.js';
import { hex } from '../pci/slot.js';
import type { Plan, Skipped, Step, WriteStep } from '../quiesce/plan-data.js';
import { paragraph, type Style, table } from './table.js';

export interface ReportOptions {
  readonly style: Style;
  /** Leave out identifiers and reasons that repeat. */
  readonly brief?: boolean;
}

/** The one sentence that says it. */
export function planHeadline(plan: Plan): string {
  const count = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`;
  return `${count(touchedBy(plan), 'function')} to stop ${PLACE[plan.at]}, in ${count(plan.steps.length, 'step')}; ${plan.skipped.length} left alone.`;
}

function touchedBy(plan: Plan): number {
  return new Set(plan.steps.map((step) => step.slot)).size;
}

/** The plan for people: its steps in order, then what is left alone and why. */
export function planText(plan: Plan, { style, brief }: ReportOptions): string {
  const touched = touchedBy(plan);
  const head = planHeadline(plan);
  const parts = [brief ? head : style.bold(head)];
  if (!brief) parts.push(style.dim(`policy ${plan.policy}, fingerprint ${plan.fingerprint}`));
  const once = plan.steps.filter((step) => step.kind === 'reset');
  if (once.length > 0) {
    const slots = [...new Set(once.map((step) => step.slot))].join(', ');
    parts.push(
      style.yellow(
        paragraph(`A reset cannot be undone: ${slots} must be initialised by a driver again.`, 0, style),
      ),
    );
  }
  if (plan.steps.length > 0) parts.push('', stepTable(plan.steps, style));
  const listed = ({ verdict, rule }: Skipped) =>
    verdict !== 'quiet' && rule !== 'selection' && !(brief && verdict === 'open');
  const left = plan.skipped.filter(listed);
  if (left.length > 0) {
    parts.push('', style.bold('Left alone'));
    parts.push(
      table(
        [{ title: 'slot' }, { title: 'verdict' }, { title: 'rule' }, { title: 'why', flexible: 'wrap' }],
        left.map(({ slot, verdict, rule, reason }) => [slot, verdict, rule, reason]),
        style,
      ),
    );
  }
  const rest = plan.skipped.length - left.length;
  if (rest > 0)
    parts.push(style.dim(`${rest} more left alone: quiet, not selected${brief ? ', or open bridges' : ''}.`));
  if (touched === 0 && plan.at === 'before' && left.some(({ reason }) => reason.startsWith('bound to'))) {
    parts.push(
      paragraph('What has a driver is left to it. For the crash path see plan --at between.', 0, style),
    );
  }
  return `${parts.join('\n')}\n`;
}

export const PLACE = {
  before: 'before the jump',
  between: 'between the kernels',
  after: 'after the jump',
} as const;

function stepTable(steps: readonly Step[], style: Style): string {
  return table(
    [
      { title: '#' },
      { title: 'slot' },
      { title: 'step' },
      { title: 'rule' },
      { title: 'why', flexible: 'wrap' },
    ],
    steps.map((step) => [String(step.id + 1), step.slot, stepText(step), step.rule, step.reason]),
    style,
  );
}

/** In setpci's notation, or in words. */
export function stepText(step: Step): string {
  switch (step.kind) {
    case 'write':
      return `${step.register}@${hex(step.offset, 2)}=${hex(step.value, 4)}:${hex(step.mask, 4)}`;
    case 'wait':
      return `wait ${step.register}@${hex(step.offset, 2)}=0:${hex(step.mask, 4)}`;
    case 'unbind':
      return `unbind ${step.driver}`;
    case 'reset':
      return 'reset (FLR)';
  }
}

/** The plan in setpci's notation, one command a line; what setpci cannot say stands in comments. */
export function setpciText(plan: Plan): string {
  return plan.steps.map((step) => `${setpciLine(step)}\n`).join('');
}

function setpciLine(step: Step): string {
  switch (step.kind) {
    case 'write':
      return `setpci -s ${step.slot} ${setpciRegister(step)}=${hex(step.value, 4)}:${hex(step.mask, 4)}`;
    case 'wait':
      return `# wait until setpci -s ${step.slot} ${hex(step.offset, 2)}.${step.width === 1 ? 'b' : 'w'} has ${hex(step.mask, 4)} clear`;
    case 'unbind':
      return `# echo ${step.slot} > /sys/bus/pci/drivers/${printable(step.driver)}/unbind`;
    case 'reset':
      return `# echo 1 > /sys/bus/pci/devices/${step.slot}/reset`;
  }
}

function setpciRegister(step: WriteStep): string {
  return step.register === 'PCI_COMMAND' ? 'COMMAND' : `${hex(step.offset, 2)}.w`;
}

/** The plan as JSON, schema `shootdown.plan/1`: what `apply --plan` reads back. */
export function planJson(plan: Plan): Plan {
  const { schema, at, host, fingerprint, policy, bounds, onFailure, steps, skipped } = plan;
  return { schema, at, host, fingerprint, policy, bounds, onFailure, steps, skipped };
}
