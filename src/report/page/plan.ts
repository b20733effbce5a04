import type { Plan, Step } from '../../quiesce/plan-data.js';
import { PLACE, planHeadline, stepText } from '../plan-report.js';
import { shown } from './text.js';
import type { PlanRun, PlanView } from './view.js';

/** The plan in its passes; steps that follow each other and differ only in their slot are one run. */
export function planView(plan: Plan): PlanView {
  return {
    headline: planHeadline(plan),
    place: PLACE[plan.at],
    fingerprint: plan.fingerprint,
    passes: passesOf(plan.steps),
    left: leftAlone(plan),
    resets: [...new Set(plan.steps.filter(({ kind }) => kind === 'reset').map(({ slot }) => slot))],
  };
}

const PASSES = {
  release: 'Let go: unbind drivers, reset',
  gate: 'Gate, leaf to root: BME off, INTx-disable on',
  wait: 'Wait for what is under way',
  messages: 'Message interrupts off',
} as const;

function passOf(step: Step): keyof typeof PASSES {
  if (step.kind === 'unbind' || step.kind === 'reset') return 'release';
  if (step.kind === 'wait') return 'wait';
  return step.register === 'PCI_COMMAND' ? 'gate' : 'messages';
}

function passesOf(steps: readonly Step[]): PlanView['passes'] {
  const passes = new Map<keyof typeof PASSES, PlanRun[]>();
  for (const step of steps) {
    const pass = passOf(step);
    const runs = passes.get(pass) ?? [];
    passes.set(pass, runs);
    const last = runs.at(-1);
    const run = runOf(step);
    if (last && last.to + 1 === run.from && isSame(last, run)) {
      runs[runs.length - 1] = { ...last, to: run.to };
      (last.slots as string[]).push(step.slot);
    } else {
      runs.push(run);
    }
  }
  return [...passes].map(([pass, runs]) => ({ title: PASSES[pass], runs }));
}

function runOf(step: Step): PlanRun {
  const number = step.id + 1;
  const text = shown(stepText(step));
  return {
    from: number,
    to: number,
    step: text,
    rule: shown(step.rule),
    reason: shown(step.reason),
    slots: [step.slot],
  };
}

function isSame(a: PlanRun, b: PlanRun): boolean {
  return a.step === b.step && a.rule === b.rule && a.reason === b.reason;
}

/** By what is said of them, those of which most is said first; quiet ones last. */
function leftAlone({ skipped }: Plan): PlanView['left'] {
  const groups = new Map<string, { rule: string; reason: string; quiet: boolean; slots: string[] }>();
  for (const { rule, reason, slot, verdict } of skipped) {
    const key = JSON.stringify([rule, reason]);
    const group = groups.get(key);
    if (group) group.slots.push(slot);
    else {
      const quiet = verdict === 'quiet';
      groups.set(key, { rule: shown(rule), reason: shown(reason), quiet, slots: [slot] });
    }
  }
  return [...groups.values()].sort((a, b) => Number(a.quiet) - Number(b.quiet));
}
