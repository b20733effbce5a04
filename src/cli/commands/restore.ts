import type { Command } from 'commander';
import { systemClock } from '../../host/clock.js';
import { parseJournal } from '../../quiesce/journal.js';
import { notRestored, restore } from '../../quiesce/restore.js';
import { locked, scanForPlan } from '../../quiesce/shootdown.js';
import { restoreJson, restoreText } from '../../report/journal-report.js';
import { EXIT, type ExitStatus } from '../exit.js';
import { type HostOptions, openHost } from '../hosts.js';
import type { Io, Run } from '../io.js';
import { latestJournal } from '../journals.js';
import { jsonText, readText } from '../options.js';

interface RestoreCommandOptions extends HostOptions {
  readonly force?: boolean;
  readonly json?: boolean;
}

export function restoreCommand(program: Command, run: Run): void {
  program
    .command('restore')
    .description('take back what a journal says was written')
    .argument('[journal]', 'the journal (default: the last one where apply puts them)')
    .option('--host <host>', 'sysfs[:ROOT] or sim:NAME (default: sysfs)')
    .option('--force', 'also restore registers that something else wrote since')
    .option('--json', 'print one JSON object')
    .option('--write-real-pci-devices', 'allow writes to the devices of the machine this runs on')
    .action((path: string | undefined, options: RestoreCommandOptions) =>
      run((io) => runRestore(path, options, io)),
    );
}

async function runRestore(
  given: string | undefined,
  options: RestoreCommandOptions,
  io: Io,
): Promise<ExitStatus> {
  const path = given ?? latestJournal(io.env);
  const journal = parseJournal(readText(path), path);
  if (!journal) {
    io.err(`${path}: it was cut short before the first write: there is nothing to restore\n`);
    if (options.json) io.out(jsonText(restoreJson(undefined, [], path)));
    return EXIT.clean;
  }
  const host = await openHost(options, { write: true });
  try {
    return await locked(host, async () => {
      const machine = await scanForPlan(host, undefined, { onProgress: io.progress('reading') });
      const entries = await restore(host, journal, {
        machine,
        clock: systemClock,
        force: options.force ?? false,
        signal: io.signal,
        onProgress: io.progress('restoring'),
      });
      io.out(
        options.json
          ? jsonText(restoreJson(journal, entries, path))
          : restoreText(entries, { style: io.style }),
      );
      if (notRestored(entries).length === 0 && !io.signal.aborted) return EXIT.clean;
      const wrote = entries.some(({ outcome }) => outcome === 'restored' || outcome === 'rebound');
      if (wrote) io.err(`journal: ${path}\n`);
      return wrote ? EXIT.failedAfterWriting : EXIT.failed;
    });
  } finally {
    await host.close();
  }
}
