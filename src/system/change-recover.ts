import { dirname } from 'node:path';
import { ShootdownError } from '../pci/error.js';
import { attempt } from './attempt.js';
import { type Change, keyOf } from './change.js';
import { JournalFile } from './change-journal.js';
import { commandEntry, planChanges } from './change-plan.js';
import type { Surroundings } from './install.js';
import { KDUMP_LINE } from './kdump-settings.js';
import { changesFor, hookFiles } from './parts.js';
import { PLACES_OF } from './places.js';
import {
  type ChangeEntry,
  GENERATORS,
  type Generator,
  type Install,
  PARTS,
  type Part,
  readChanges,
  readInstallIfSound,
} from './state.js';
import { readTextOf, type System } from './system.js';

/** The list of changes; where it is lost or damaged, one that is made of what is there, and notes that say so. */
export function openOrRecover(around: Surroundings): {
  readonly journal: JournalFile;
  readonly notes: readonly string[];
} {
  const { system, tool } = around;
  try {
    if (readChanges(system)) return { journal: JournalFile.open(system, tool), notes: [] };
  } catch (error) {
    if (!(error instanceof ShootdownError) || error.code !== 'bad-input') throw error;
  }
  const { entries, notes } = recover(around);
  const lost = `the list of changes (${PLACES_OF.changes}) is lost or damaged: taken back is what is as this version makes it`;
  return {
    journal: JournalFile.recovered(system, tool, entries),
    notes: entries.length === 0 ? notes : [lost, ...notes],
  };
}

/** What is there just as `install` would make it; other files in those places are named. */
function recover(around: Surroundings): { entries: readonly ChangeEntry[]; notes: readonly string[] } {
  const { system, integration } = around;
  const install: Install = readInstallIfSound(system) ?? {
    schema: 'shootdown.install/1',
    parts: {},
    policy: null,
    sign: null,
  };
  const entries = new Map<string, ChangeEntry>();
  const notes = new Set<string>();
  for (const part of PARTS) {
    for (const generator of GENERATORS) {
      const hook = { when: install.parts.hook?.when ?? 'crash', generator };
      const changes = ofPart(around, part, { ...install, parts: { ...install.parts, hook } }, notes);
      const files = changes.filter((change) => change.kind !== 'command' && !isGenerated(change));
      const steps = planChanges(system, [], part, files);
      for (const step of steps) {
        if (step.action === 'note') add(step.entry, part);
        if (step.action === 'put' && step.was !== 'absent' && step.change.kind === 'file')
          notes.add(`${step.change.path} is not as this version writes it and is left: look, and remove it`);
      }
      const there = steps.flatMap((step) => (step.action === 'note' ? [keyOf(step.entry)] : []));
      if (!(part === 'hook' ? isHooked(generator, there) : there.length > 0)) continue;
      for (const change of changes) if (change.kind === 'command') add(commandEntry(change, part), part);
    }
  }
  for (const entry of [...linesOfOurs(system), ...installFile(system)]) entries.set(keyOf(entry), entry);
  return { entries: [...entries.values()], notes: [...notes] };

  /** The units that save a record are the kdump part's, too: they alone make no hook, whose commands make boot images anew. */
  function isHooked(generator: Generator, there: readonly string[]): boolean {
    if (install.parts.hook?.generator === generator) return true;
    const own = attempt(() => hookFiles(generator, integration));
    return !(own instanceof ShootdownError) && own.some((change) => there.includes(keyOf(change)));
  }

  function add(entry: ChangeEntry, part: Part): void {
    const parts = [...new Set([...(entries.get(keyOf(entry))?.parts ?? []), part])];
    const folders = entry.kind === 'command' ? [] : foldersOfOurs(entry.path);
    entries.set(keyOf(entry), entry.kind === 'command' ? { ...entry, parts } : { ...entry, parts, folders });
  }
}

/** The package may be gone for its greater part; what is left is told from what it has. */
function ofPart(
  { system, integration }: Surroundings,
  part: Part,
  install: Install,
  notes: Set<string>,
): readonly Change[] {
  const changes = attempt(() => changesFor(system, part, install, integration));
  if (!(changes instanceof ShootdownError)) return changes;
  notes.add(changes.message);
  return [];
}

/** Folders that are there for such files alone; they go if they are empty. */
function foldersOfOurs(path: string): string[] {
  const folder = dirname(path);
  return /\.(d|wants)$|\/95shootdown$/.test(folder) && !folder.startsWith('/etc/kernel/') ? [folder] : [];
}

function isGenerated(change: Change): boolean {
  return change.kind === 'file' && change.generated === true;
}

/** Lines in the file of kdump-tools, wherever the program was when they were added. */
function linesOfOurs(system: System): readonly ChangeEntry[] {
  const text = readTextOf(system, PLACES_OF.kdumpDefaults) ?? '';
  return text
    .split('\n')
    .filter((line) => KDUMP_LINE.test(line))
    .map((line) => ({
      kind: 'line',
      parts: ['kdump'],
      path: PLACES_OF.kdumpDefaults,
      // It is never ours altogether.
      before: { kind: 'link', target: '' },
      folders: [],
      line,
      ended: false,
    }));
}

function installFile(system: System): readonly ChangeEntry[] {
  if (!system.exists(PLACES_OF.install)) return [];
  return [
    {
      kind: 'file',
      parts: [...PARTS],
      path: PLACES_OF.install,
      before: { kind: 'absent' },
      folders: ['/etc/shootdown'],
      after: ['0'.repeat(64)],
      mode: 0o644,
      generated: true,
    },
  ];
}
