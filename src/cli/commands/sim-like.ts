import { statSync } from 'node:fs';
import type { Command } from 'commander';
import { namesFor } from '../../host/pci-ids-file.js';
import { scan } from '../../host/scan.js';
import { printable } from '../../pci/printable.js';
import { decider } from '../../quiesce/decide.js';
import { type LikeStory, likeJson, likeText, staying } from '../../report/like-report.js';
import { shellWord } from '../../report/shell-word.js';
import { busySlots, machineLike } from '../../sim/like.js';
import { SimMachine } from '../../sim/machine.js';
import { PLATFORMS, type PlatformName } from '../../sim/platform.js';
import type { PolicyName } from '../../sim/policies/names.js';
import { playJump } from '../../sim/policies/play.js';
import { recordGaps } from '../../sim/policies/record-gaps.js';
import { EXIT, type ExitStatus } from '../exit.js';
import type { Io } from '../io.js';
import { machineInFile } from '../machine-file.js';
import { choice, jsonText, readPolicy } from '../options.js';
import { turn, unlessStopped } from '../sim-options.js';
import { interpretedStub } from '../sim-stub.js';

export interface LikeCommandOptions {
  readonly like?: string;
  readonly platform?: PlatformName;
  readonly captureDrivers?: readonly string[];
  readonly policyFile?: string;
  readonly seed: number;
  readonly json?: boolean;
}

const NOTES_MAX = 20;

export function withLike(command: Command): Command {
  return command
    .option(
      '--like <machine>',
      'instead of a scenario: a crash of a machine like the one in this file, which audit --json or lspci -xxxx printed; - for standard input',
    )
    .addOption(
      choice('--platform <name>', 'with --like: what chipset and firmware make of errors', [
        ...Object.keys(PLATFORMS),
      ]),
    )
    .option('--capture-drivers <name...>', 'with --like: drivers in the capture kernel’s initramfs')
    .option('--policy-file <file>', 'with --like: what ours goes by (default: policies/default.json)');
}

/** Plays a crash of a machine like this one, without and with ours. */
export async function runLike(path: string, options: LikeCommandOptions, io: Io): Promise<ExitStatus> {
  const { platform, captureDrivers, seed, json } = options;
  const { signal } = io;
  const policy = readPolicy(options.policyFile);
  const machine = await machineInFile(path, io);
  const like = machineLike(machine, {
    ...(platform ? { platform } : {}),
    ...(captureDrivers ? { captureDrivers } : {}),
  });
  const stub = interpretedStub();
  const play = (name: PolicyName) =>
    playJump(new SimMachine(like.description, { seed, signal }), name, { path: 'crash', policy, stub });
  const played = await unlessStopped(signal, async () => {
    await turn();
    signal.throwIfAborted();
    const without = await play('none');
    await turn();
    const with_ = await play('ours');
    return { without, with_, seen: await scan(new SimMachine(like.description, { seed, signal }).host) };
  });
  if (played === null) {
    io.err('shootdown: stopped before the crash was played without and with ours\n');
    return EXIT.failed;
  }
  const { without, with_, seen } = played;
  const told: LikeStory = {
    ...{ machine, like, seed, without, with_ },
    stays: staying(with_, busySlots(like.description), decider(policy, seen, 'between')),
    again: commandOf(path, options),
  };
  const notes = [...like.notes, ...machine.notes];
  if (json) io.out(jsonText(likeJson(told, notes)));
  else {
    const functions = [...machine.topology.nodes.values()].map((node) => node.function);
    io.out(likeText(told, namesFor(functions), io.style));
  }
  for (const note of notes.slice(0, NOTES_MAX)) io.err(`note: ${printable(note)}\n`);
  if (notes.length > NOTES_MAX) io.err(`note: and ${notes.length - NOTES_MAX} more; --json has them\n`);
  const clean = with_.result.verdict === 'clean' && recordGaps(with_).length === 0;
  return clean ? EXIT.clean : EXIT.findings;
}

const isFile = (path: string) => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;

/** The command that plays it again. */
function commandOf(path: string, options: LikeCommandOptions): string {
  const { platform, captureDrivers, policyFile, seed } = options;
  const words = [
    // A pipe is gone by then.
    ...['sim', 'run', '--like', isFile(path) ? path : '-'],
    ...(platform === undefined ? [] : ['--platform', platform]),
    ...(captureDrivers === undefined ? [] : ['--capture-drivers', ...captureDrivers]),
    ...(policyFile === undefined ? [] : ['--policy-file', policyFile]),
    ...['--seed', String(seed)],
  ];
  return `shootdown ${words.map(shellWord).join(' ')}`;
}
