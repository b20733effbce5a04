import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ShootdownError } from '../pci/error.js';

const NAME = /^journal-.*\.ndjson$/;

/** Where journals go that are not told where: the system's folder for root, the user's own otherwise. */
function journalFolder(env: NodeJS.ProcessEnv): string {
  if (env['STATE_DIRECTORY']) return env['STATE_DIRECTORY'];
  if (process.getuid?.() === 0) return '/var/lib/shootdown';
  return join(env['XDG_STATE_HOME'] ?? join(env['HOME'] ?? '.', '.local/state'), 'shootdown');
}

export function newJournalPath(env: NodeJS.ProcessEnv, started: string): string {
  return join(
    journalFolder(env),
    `journal-${started.replace(/[-:]/g, '').replace(/\.\d+/, '')}-${process.pid}.ndjson`,
  );
}

/** The journal of the last run; names sort by time. */
export function latestJournal(env: NodeJS.ProcessEnv): string {
  const folder = journalFolder(env);
  let names: string[] = [];
  try {
    names = readdirSync(folder).filter((name) => NAME.test(name));
  } catch {
    // No folder means no journal.
  }
  const last = names.sort().at(-1);
  if (last === undefined) throw new ShootdownError('not-found', `no journal in ${folder}: name the file`);
  return join(folder, last);
}
