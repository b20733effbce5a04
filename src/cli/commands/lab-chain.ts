import type { Command } from 'commander';
import { type ChainVerdict, runChain } from '../../lab/chain.js';
import { chosenParts } from '../../lab/prepare.js';
import { KEXEC_LOADS, type KexecLoad, LAB_POLICIES, type LabPolicy } from '../../lab/scenario.js';
import { printable } from '../../pci/printable.js';
import { EXIT, type ExitStatus } from '../exit.js';
import type { Io } from '../io.js';
import { accelOption, type LabOptions, newRunFolder, openStore, runSurroundings } from '../lab-options.js';
import { choice, jsonText, wholeNumber } from '../options.js';

interface ChainCommandOptions extends LabOptions {
  readonly kernel?: string;
  readonly policy: LabPolicy;
  readonly load: KexecLoad;
  readonly jumps: number;
  readonly json?: boolean;
}

export function chainCommand(
  lab: Command,
  run: (action: (io: Io) => Promise<ExitStatus>) => Promise<void>,
): void {
  lab
    .command('chain')
    .description('jump again and again in one guest')
    .option('--jumps <count>', 'how often', wholeNumber(1, 1_000_000), 10)
    .option('--kernel <series>', 'as in 6.1 or 6.12 (default: the newest that is prepared)')
    .addOption(choice('--policy <policy>', 'what is done at each jump', LAB_POLICIES, 'none'))
    .addOption(choice('--load <call>', 'by kexec_load, or by kexec_file_load', KEXEC_LOADS, 'load'))
    .option('--offline', 'use only what was prepared before')
    .option('--keep', 'remove no older runs')
    .addOption(accelOption())
    .option('--json', 'print one JSON object')
    .action((options: ChainCommandOptions) => run((io) => runChainCommand(options, io)));
}

async function runChainCommand(options: ChainCommandOptions, io: Io): Promise<ExitStatus> {
  const store = openStore(options, io);
  await store.sweep();
  const parts = await chosenParts(store, options.kernel);
  const name = `chain-${parts.kernel.series}-${options.policy}`;
  const folder = newRunFolder(store, name, options.keep ?? false);
  let verdict: ChainVerdict;
  try {
    io.status(`${name}: booting`);
    verdict = await runChain({
      ...runSurroundings(io),
      policy: options.policy,
      load: options.load,
      parts,
      folder,
      accel: options.accel ?? 'tcg',
      jumps: options.jumps,
      onJump: ({ number, toReadyS, stray }) =>
        io.status(`${number}/${options.jumps}: up after ${toReadyS} s${stray ? ', stray' : ''}`),
    });
  } catch (error) {
    io.err(`run: ${folder.path}\n`);
    throw error;
  }
  if (options.json) io.out(jsonText(verdict));
  else if (verdict.jumps.length > 0) io.out(chainText(verdict));
  if (verdict.stopped !== null) {
    io.err(`run: ${folder.path}\nshootdown: ${printable(verdict.stopped)}\n`);
    return EXIT.failed;
  }
  return verdict.jumps.some(({ stray, console }) => stray || console.length > 0) ? EXIT.findings : EXIT.clean;
}

function chainText({ jumps, wanted, policy, kernel, folder }: ChainVerdict): string {
  const list = (values: readonly number[]) => {
    if (values.length === 0) return '-';
    const sorted = [...values].sort((a, b) => a - b);
    const middle = sorted[Math.floor(sorted.length / 2)];
    return `median ${middle} s, ${sorted[0]} to ${sorted.at(-1)} s`;
  };
  const stray = jumps.filter((jump) => jump.stray).length;
  const complaints = jumps.filter(({ console }) => console.length > 0).length;
  const applies = jumps.flatMap(({ applyS }) => (applyS === null ? [] : [applyS]));
  const lines = [
    `${jumps.length} of ${wanted} jumps, Linux ${kernel}, policy ${policy}: ${stray} with a stray write, ${complaints} with a complaint of the kernel`,
    `  from jump to first process: ${list(jumps.map(({ toReadyS }) => toReadyS))}`,
  ];
  if (applies.length > 0) lines.push(`  apply, with the start of Node: ${list(applies)}`);
  const [firstJump, lastJump] = [jumps[0], jumps.at(-1)];
  if (firstJump && lastJump) {
    const { e820Entries, memoryKiB } = firstJump;
    lines.push(
      `  memory map: ${e820Entries} entries after the first jump, ${lastJump.e820Entries} after the last; MemTotal ${memoryKiB} KiB, then ${lastJump.memoryKiB} KiB`,
    );
  }
  const gated = jumps.flatMap((jump) => (jump.gated === null ? [] : [jump.gated]));
  if (gated.length > 0)
    lines.push(`  the stub gated ${Math.min(...gated)} to ${Math.max(...gated)} functions a jump`);
  return `${lines.join('\n')}\n${folder}\n`;
}
