import { printable } from '../pci/printable.js';
import type { Data } from '../quiesce/schema-parts.js';
import { shellWord } from '../report/shell-word.js';
import type { Style } from '../report/table.js';
import type { CommandLine } from '../system/change.js';
import type { OnStep } from '../system/change-apply.js';
import { isVisible, type Step } from '../system/change-plan.js';
import { crashKernel, initrdToMake } from '../system/kdump.js';
import type { Refreshed } from '../system/kernels.js';
import { PLACES_OF } from '../system/places.js';
import { kernelFiles } from '../system/state.js';
import type { System } from '../system/system.js';
import type { Io } from './io.js';
import type { installReportSchema } from './system-schema.js';

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

/** What is to be said once steps were performed, a line each: what was left alone, and what waits for a crash now. */
export function performedLines({
  notes,
  toRun,
  loaded,
}: {
  readonly notes: readonly string[];
  readonly toRun: readonly CommandLine[];
  readonly loaded: string | null;
}): string[] {
  const left = toRun.map((command) => `still to be run in that system: ${commandText(command)}`);
  return [...notes, ...left, ...(loaded === null ? [] : [loaded])];
}

/** Says on a terminal what is being run, since it may take minutes. */
export function sayRuns({ live }: System, io: Pick<Io, 'status'>): OnStep {
  return (step) => {
    const command = step.action === 'run' ? step.entry : step.action === 'run-undo' ? step.entry.undo : null;
    if (command && live) io.status(`${commandText(command)} …`);
  };
}

/** How kdump-tools is had to load its kernel anew, if it is. */
export function reloadText(reload: boolean, system: System): string {
  if (!reload) return '';
  const release = crashKernel(system).loaded ? initrdToMake(system) : undefined;
  const first = release === undefined ? '' : `  run ${PLACES_OF.kdumpHook} ${release}\n`;
  return `${first}  run kdump-config unload, kdump-config load\n`;
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
export function stepJson(step: Step): Data<typeof installReportSchema>['steps'][number] {
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

export function commandJson({ command, args }: CommandLine): { readonly command: readonly string[] } {
  return { command: [command, ...args] };
}
