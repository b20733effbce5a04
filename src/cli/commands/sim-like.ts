import type { Command } from 'commander';
import { readDump } from '../../host/dump.js';
import { namesFor } from '../../host/pci-ids-file.js';
import { type Machine, scan } from '../../host/scan.js';
import { machineFromAudit } from '../../quiesce/audit-machine.js';
import { jumpJson } from '../../report/jump-json.js';
import { whatBroke, writersOf, writersTable } from '../../report/jump-text.js';
import { paragraph } from '../../report/table.js';
import { busySlots, type LikeMachine, machineLike } from '../../sim/like.js';
import { SimMachine } from '../../sim/machine.js';
import { PLATFORMS, type PlatformName } from '../../sim/platform.js';
import type { PolicyName } from '../../sim/policies/names.js';
import { type PlayedJump, playJump } from '../../sim/policies/play.js';
import { EXIT, type ExitStatus } from '../exit.js';
import type { Io } from '../io.js';
import { choice, jsonText, readPolicy, readText } from '../options.js';
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
  const policy = readPolicy(options.policyFile);
  const machine = await readMachine(path);
  const like = machineLike(machine, {
    ...(platform ? { platform } : {}),
    ...(captureDrivers ? { captureDrivers } : {}),
  });
  const play = (name: PolicyName) =>
    playJump(new SimMachine(like.description, { seed }), name, {
      path: 'crash',
      policy,
      stub: interpretedStub(),
    });
  const without = await play('none');
  const with_ = await play('ours');
  if (json) io.out(jsonText(likeJson(machine, like, { without, with_ })));
  else tell(machine, like, { without, with_ }, io);
  for (const note of [...machine.notes, ...like.notes].slice(0, NOTES_MAX)) io.err(`note: ${note}\n`);
  return with_.result.verdict === 'clean' ? EXIT.clean : EXIT.findings;
}

interface Pair {
  readonly without: PlayedJump;
  readonly with_: PlayedJump;
}

function tell(machine: Machine, { description }: LikeMachine, { without, with_ }: Pair, io: Io): void {
  const { style } = io;
  const say = (text: string) => io.out(`${paragraph(text, 0, style)}\n`);
  const names = namesFor([...machine.topology.nodes.values()].map((node) => node.function));
  const table = ({ result }: PlayedJump, from: number) => {
    const writers = writersOf(result.writes.filter(({ tick }) => tick > from));
    if (writers.length > 0) io.out(`${writersTable(writers, machine, names, style)}\n`);
  };
  const busy = busySlots(description);
  const carried = description.captureDrivers.join(', ') || 'no driver';
  say(
    `A simulated machine with the ${description.functions.length} functions of ${machine.host}, of which ${busy.length} are at work. It panics; the capture kernel carries ${carried}.`,
  );
  io.out(`\n${style.bold('Nobody stops a device')}\n`);
  say(whatBroke(without.result));
  table(without, 0);
  io.out(`\n${style.bold('The stub runs between the kernels')}\n`);
  const over = with_.records.at(-1)?.tick ?? 0;
  const early = with_.result.writes.filter(({ tick }) => tick <= over).length;
  say(
    `${early} writes came through before it was done, ${with_.result.writes.length - early} after. ${whatBroke(with_.result)}`,
  );
  table(with_, over);
  const live = (with_.records.at(-1)?.functions ?? []).filter(({ verdict }) => verdict === 'live');
  for (const { slot, reason } of live) say(`${slot} stays live: ${reason}`);
  io.out(
    `\n${style.dim('Simulated: what each function does is guessed from its class, where it writes is drawn.')}\n`,
  );
}

function likeJson(machine: Machine, { description, notes }: LikeMachine, { without, with_ }: Pair): object {
  return {
    schema: 'shootdown.sim-like/1',
    machine: machine.host,
    functions: description.functions.length,
    busy: busySlots(description),
    captureDrivers: description.captureDrivers,
    platform: description.platform,
    none: jumpJson(without),
    ours: jumpJson(with_),
    notes: [...machine.notes, ...notes],
  };
}

/** What audit --json printed, or a dump. */
async function readMachine(path: string): Promise<Machine> {
  const text = readText(path === '-' ? '/dev/stdin' : path);
  const name = path === '-' ? 'standard input' : path;
  if (text.trimStart().startsWith('{')) return machineFromAudit(text, name);
  const host = await readDump(name, [Buffer.from(text)]);
  try {
    return await scan(host);
  } finally {
    await host.close();
  }
}
