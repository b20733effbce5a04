import type { Command } from 'commander';
import { writeOutput } from '../../host/output-file.js';
import type { Machine } from '../../host/scan.js';
import { ShootdownError } from '../../pci/error.js';
import { makeFolders } from '../../system/change-journal.js';
import { compileGateTable } from '../../system/gate-table.js';
import { policyOf } from '../../system/installed-policy.js';
import { PLACES_OF } from '../../system/places.js';
import { readInstall } from '../../system/state.js';
import type { System } from '../../system/system.js';
import { VERSION } from '../../version.js';
import { EXIT, type ExitStatus } from '../exit.js';
import type { Io, Run } from '../io.js';
import { choice, readPolicy, withPolicy } from '../options.js';
import { thisSystem } from '../system-around.js';
import { machineForWrap } from '../wrap-machine.js';

interface HookTableOptions {
  readonly output?: string;
  readonly for?: string;
  readonly policy?: string;
  readonly when?: 'crash' | 'always';
}

export function hookTableCommand(program: Command, run: Run): void {
  withPolicy(program.command('hook-table'))
    .description('compile the policy for the hook in the initramfs: run when an initramfs is made')
    .option('-o, --output <file>', 'where it goes (default: standard output)')
    .option(
      '--for <machine>',
      'the machine it is for: any, a host as --host takes it, or a file that audit --json printed (default: this one)',
    )
    .addOption(
      choice('--when <when>', 'in which kernels the hook acts (default: as installed, else crash)', [
        'crash',
        'always',
      ]),
    )
    .addHelpText(
      'after',
      '\nWithout --policy it is the one that install was given. With -o, once the hook is installed, a copy is kept\n' +
        `as ${PLACES_OF.hookTable}, for when this cannot run while an initramfs is made.`,
    )
    .action((options: HookTableOptions) => run((io) => runHookTable(options, io)));
}

async function runHookTable(options: HookTableOptions, io: Io): Promise<ExitStatus> {
  const system = thisSystem(io);
  const install = readInstall(system);
  const policy = options.policy === undefined ? policyOf(system, install) : readPolicy(options.policy);
  const when = options.when ?? install?.parts.hook?.when ?? 'crash';
  const machine = await machineOf(options.for ?? (system.live ? undefined : 'any'), io);
  const { text, notes } = compileGateTable(policy, { machine, when, tool: VERSION });
  for (const note of notes) io.err(`shootdown: ${note}\n`);
  if (options.output === undefined) {
    io.out(text);
    return EXIT.clean;
  }
  writeOutput(options.output, Buffer.from(text), 0o644);
  if (install?.parts.hook) keep(system, text, io);
  return EXIT.clean;
}

/** Where an image is made there may be no machine to read: the table serves without. */
async function machineOf(spec: string | undefined, io: Io): Promise<Machine | undefined> {
  if (spec === 'any') return undefined;
  try {
    // Not `this`: where nothing can run between the kernels, the hook can after the jump.
    return (await machineForWrap(spec === undefined || spec === 'this' ? 'sysfs' : spec, io)).machine;
  } catch (error) {
    if (spec !== undefined || !(error instanceof ShootdownError)) throw error;
    io.err(`shootdown: this machine cannot be read, and nothing is known of it: ${error.message}\n`);
    return undefined;
  }
}

/** What it was asked for is done: that it is not kept is worth a word, not a failure. */
function keep(system: System, text: string, io: Io): void {
  try {
    makeFolders(system, PLACES_OF.state);
    system.write(PLACES_OF.hookTable, Buffer.from(text), 0o644);
  } catch (error) {
    if (!(error instanceof ShootdownError)) throw error;
    io.err(`shootdown: ${error.message}\n`);
  }
}
