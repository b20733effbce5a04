import { printable } from '../pci/printable.js';
import { shellWord } from '../report/shell-word.js';
import type { Style } from '../report/table.js';
import type { CommandLine } from '../system/change.js';
import { isVisible, type Step } from '../system/change-plan.js';
import type { Refreshed } from '../system/kernels.js';
import { kernelFiles } from '../system/state.js';

/** What steps change, a line each with the reason below it. */
export function stepsText(steps: readonly Step[], style: Style): string {
  return steps
    .filter(isVisible)
    .map((step) => {
      const why = whyOf(step);
      return `  ${printable(stepText(step))}${why === '' ? '' : `\n      ${style.dim(printable(why))}`}\n`;
    })
    .join('');
}

export function stepText(step: Step): string {
  switch (step.action) {
    case 'put':
      return putText(step);
    case 'note':
      return `note ${step.entry.kind === 'command' ? step.entry.command : step.entry.path}`;
    case 'take-back': {
      const { path } = step.entry;
      const texts = {
        nothing: `nothing left of ${path}`,
        removed: `remove ${path}`,
        restored: `restore ${path} as it was`,
        'line-removed': `take the line of shootdown out of ${path}`,
        left: `leave ${path}: somebody changed it since`,
      };
      return texts[step.to];
    }
    case 'run':
      return `run ${commandText(step.entry)}`;
    case 'run-undo':
      return step.entry.undo ? `run ${commandText(step.entry.undo)}` : 'run nothing';
  }
}

function putText({ change, entry, was }: Extract<Step, { action: 'put' }>): string {
  const { path } = change;
  if (change.kind === 'line') return `add to ${path} the line  ${change.line}`;
  const { before } = entry;
  const kept =
    before.kind === 'file' && before.backup !== null ? `, the one there kept as ${before.backup}` : '';
  const how = { absent: 'make', ours: 'update', file: 'replace', link: 'replace the link' }[was];
  if (change.kind === 'link') return `${how} ${path} -> ${change.target}${kept}`;
  return `${how} ${path} (${change.mode.toString(8).padStart(4, '0')})${kept}`;
}

function whyOf(step: Step): string {
  if (step.action === 'put') return step.change.why;
  return step.action === 'run' ? step.entry.why : '';
}

export function commandText({ command, args }: CommandLine): string {
  return [command, ...args].map(shellWord).join(' ');
}

/** What became, or will become, of wrapped kernels. */
export function kernelsText(kernels: readonly Refreshed[], will = false): string {
  return kernels
    .map(({ version, status, message }) => {
      const { original, wrapped } = kernelFiles(version);
      const texts = {
        fresh: `${wrapped} is up to date`,
        wrapped: `${will ? 'wrap' : 'wrapped'} ${original} as ${wrapped}`,
        removed: `${will ? 'remove' : 'removed'} ${wrapped}`,
        failed: `${version} ${will ? 'cannot be' : 'was not'} wrapped, the plain kernel is loaded: ${message ?? ''}`,
      };
      return `  ${printable(texts[status])}\n`;
    })
    .join('');
}

/** A step as JSON: what is done to which path, or which command is run. */
export function stepJson(step: Step): object {
  switch (step.action) {
    case 'put': {
      const { change, entry, was } = step;
      const { kind, path, why } = change;
      const backup = entry.before.kind === 'file' ? entry.before.backup : null;
      const what =
        change.kind === 'file'
          ? { mode: change.mode.toString(8).padStart(4, '0') }
          : change.kind === 'line'
            ? { line: change.line }
            : { target: change.target };
      return { action: was === 'absent' ? 'make' : 'replace', kind, path, ...what, backup, why };
    }
    case 'note':
      return { action: 'note' };
    case 'take-back':
      return { action: step.to, kind: step.entry.kind, path: step.entry.path };
    case 'run':
      return { action: 'run', ...commandJson(step.entry), why: step.entry.why };
    case 'run-undo':
      return { action: 'run', ...(step.entry.undo ? commandJson(step.entry.undo) : {}) };
  }
}

export function commandJson({ command, args }: CommandLine): object {
  return { command: [command, ...args] };
}
