import { ShootdownError } from '../pci/error.js';
import { attemptAsync } from './attempt.js';
import { type CommandLine, keyOf } from './change.js';
import { applyChanges, type OnStep, type Performed } from './change-apply.js';
import { JournalFile } from './change-journal.js';
import { entryState, isVisible, planChanges, type Step } from './change-plan.js';
import { installedParts, type Surroundings } from './install.js';
import { checkProgram } from './integration.js';
import { changesFor } from './parts.js';
import { type Install, PARTS, type Part, type PlacedEntry, readChanges, readInstall } from './state.js';

/** What became of the parts that are installed. */
export interface UpdatedParts extends Performed {
  /** What was done. */
  readonly steps: readonly Step[];
}

/**
 * Brings what `install` put in place up to what this version would put there: for an upgrade of the program, when nobody is
 * there to be asked. No part is installed that was not, and what somebody changed or removed since is left, and named.
 * `uninstall` takes back to what was before the first version.
 */
export async function updateParts(around: Surroundings, onStep: OnStep = () => {}): Promise<UpdatedParts> {
  const { system, integration, tool } = around;
  const done = {
    steps: [] as Step[],
    notes: [] as string[],
    toRun: [] as CommandLine[],
    problems: [] as string[],
  };
  const install = readInstall(system);
  const journal = JournalFile.open(system, tool);
  const parts = PARTS.filter((part) => install?.parts[part] && installedParts(journal).includes(part));
  if (!install || parts.length === 0) return done;
  checkProgram(integration);
  for (const part of parts) {
    const result = await attemptAsync(() => updatePart(around, journal, part, install, onStep));
    if (result instanceof ShootdownError) {
      done.problems.push(`${part}: ${result.message}`);
      continue;
    }
    done.steps.push(...result.steps);
    done.notes.push(...result.notes.filter((note) => !done.notes.includes(note)));
    done.toRun.push(...result.toRun);
  }
  // The list says which version's files these are.
  if (done.problems.length === 0 && readChanges(system)?.tool !== tool) journal.save();
  return done;
}

async function updatePart(
  { system, integration }: Surroundings,
  journal: JournalFile,
  part: Part,
  install: Install,
  onStep: OnStep,
): Promise<Omit<UpdatedParts, 'problems'>> {
  const { entries } = journal;
  const touched = entries.flatMap((entry) =>
    entry.kind !== 'command' && entry.parts.includes(part) ? touch(entry) : [],
  );
  const leave = new Set(touched.map(({ key }) => key));
  const steps = planChanges(system, entries, part, changesFor(system, part, install, integration), leave);
  const notes = touched.map(({ note }) => note);
  const known = new Set(entries.map(keyOf));
  // A kernel that came since is no reason to make an initramfs.
  const needed = ({ action, entry }: Step) => action !== 'run' || known.has(keyOf(entry));
  if (!steps.some((step) => step.action !== 'run-undo' && isVisible(step) && needed(step)))
    return { steps: [], notes, toRun: [] };
  const performed = await applyChanges(system, journal, part, steps, onStep);
  return { steps, notes: [...notes, ...performed.notes], toRun: performed.toRun };

  function touch(entry: PlacedEntry): readonly { readonly key: string; readonly note: string }[] {
    const state = entryState(system, entry);
    if (state === 'fine') return [];
    const how =
      state === 'gone'
        ? `was removed since, and stays so: shootdown install ${part} puts it back`
        : 'was changed since, and is left as it is';
    return [{ key: keyOf(entry), note: `${entry.path} ${how}` }];
  }
}
