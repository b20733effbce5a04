import type { Command } from 'commander';
import { namesFor } from '../../host/pci-ids-file.js';
import { scan } from '../../host/scan.js';
import { audit } from '../../quiesce/audit.js';
import { defaultPolicy } from '../../quiesce/default-policy.js';
import { functionResults } from '../../quiesce/journal.js';
import { makePlan } from '../../quiesce/plan.js';
import { restore } from '../../quiesce/restore.js';
import { deviceShootdown, performPlan, scanForPlan } from '../../quiesce/shootdown.js';
import { headline, liveTable } from '../../report/audit-text.js';
import { excusedLines } from '../../report/excused-text.js';
import { journalText, restoreText } from '../../report/journal-report.js';
import { type JumpWriter, milliseconds, whatBroke, writersOf, writersTable } from '../../report/jump-text.js';
import { planText } from '../../report/plan-report.js';
import { paragraph, styledLine } from '../../report/table.js';
import { judgeOurs } from '../../sim/checkers/violations.js';
import { createMachine, profileNames, type SimMachine } from '../../sim/index.js';
import { type PlayedJump, playJump } from '../../sim/policies/play.js';
import { runScenario } from '../../sim/scenario/run.js';
import { EXIT, type ExitStatus } from '../exit.js';
import type { Io, Run } from '../io.js';
import { choice } from '../options.js';
import { openScenario } from '../scenario-files.js';
import { turn, unlessStopped } from '../sim-options.js';
import { interpretedStub } from '../sim-stub.js';

const BUSY_TICKS = 500;
/** Those that people know best, by the scenario that shows each. */
const BEST_KNOWN = ['driverless-nic', 'shared-intx-line', 'bridge-before-child'];

const EXIT_STATUS = `
Exit status: 0 if it went as it should; 2 if not, which it says where it shows; 1 failed or stopped; 64 usage.`;

export function demoCommand(program: Command, run: Run): void {
  program
    .command('demo')
    .description('show on a simulated machine what a jump breaks, and how it is prevented')
    .addOption(choice('--machine <name>', 'which simulated machine', profileNames, 'server'))
    .addHelpText('after', EXIT_STATUS)
    .action((options: { machine: string }) =>
      run(async (io) => {
        const status = await unlessStopped(io.signal, () => runDemo(options.machine, io));
        if (status === null) io.err('shootdown: stopped\n');
        return status ?? EXIT.failed;
      }),
    );
}

async function runDemo(name: string, io: Io): Promise<ExitStatus> {
  const { style } = io;
  const say = (text: string) => io.out(`${paragraph(text, 0, style)}\n`);
  const title = async (text: string) => {
    await turn();
    io.signal.throwIfAborted();
    io.out(`\n${styledLine(style.bold(text), style)}\n`);
  };
  const policy = defaultPolicy();

  const plain = machineAtWork(name);
  const machine = await scan(plain.host);
  const audited = audit(machine, policy, 'crash');
  const functions = audited.functions.map(({ node }) => node.function);
  const names = namesFor(functions);
  const writersText = (writers: readonly JumpWriter[]) =>
    io.out(`${writersTable(writers, machine, names, style)}\n`);
  await title('1. A machine at work, simulated');
  say(headline(audited));
  io.out(`${liveTable(audited, { names, style })}\n`);

  await title('2. It panics, and kexec jumps into the capture kernel: nobody stops a device');
  const hit = await plain.jump({ path: 'crash' });
  say(whatBroke(hit));
  writersText(writersOf(hit.writes));

  await title('3. The plan of a shootdown between the two kernels');
  const plan = makePlan(machine, policy, { at: 'between' });
  io.out(planText(plan, { style, brief: true }));

  await title('4. The same machine panics again, and the plan is performed');
  const spared = machineAtWork(name);
  let gatedAt = 0;
  const played = await playJump(spared, 'between', {
    path: 'crash',
    stub: async ({ host, clock }) => {
      const { journal } = await performPlan(host, plan, await scan(host), { clock });
      io.out(journalText(journal, { style, brief: true }));
      gatedAt = spared.now;
      return { place: 'between', end: journal.end ?? 'cut short', functions: functionResults(journal) };
    },
  });
  const shot = played.result;
  const after = shot.writes.filter(({ tick }) => tick > gatedAt);
  say(
    `${shot.writes.length} writes came through before it was done, ${after.length} after. ${whatBroke(shot)}`,
  );
  if (after.length > 0) writersText(writersOf(after));
  const kept = sayHeldAgainst(played, say);

  await title('5. Three hazards that people know, without and with a shootdown');
  const spoiled = await playBestKnown(io);

  await title('6. Before a jump on purpose: stop what has no driver, and take it back');
  const taken = machineAtWork(name);
  const before = taken.snapshot();
  const { journal } = await deviceShootdown(taken.host, { at: 'before', clock: taken.clock });
  io.out(journalText(journal, { style, brief: true }));
  const now = { machine: await scanForPlan(taken.host), clock: taken.clock };
  const entries = await restore(taken.host, journal, now);
  io.out(restoreText(entries, { style, brief: true }));
  const same = entries.every(({ slot }) => sameBytes(before.get(slot), taken.snapshot().get(slot)));
  if (!same) say('NOT AS IT SHOULD BE: a function has not the configuration space that it had before.');
  else if (entries.length > 0)
    say('Every function that was touched has the configuration space that it had before, byte for byte.');
  const next =
    'Next: shootdown audit looks at this machine, and only reads; shootdown sim list names more hazards.';
  io.out(`\n${style.dim(paragraph(next, 0, style))}\n`);
  return same && kept && !spoiled ? EXIT.clean : EXIT.findings;
}

/** Says why a jump with ours is not clean; false if that is held against ours, as `sim run` and a soak hold it. */
function sayHeldAgainst(played: PlayedJump, say: (text: string) => void): boolean {
  const { violations, harms } = judgeOurs(played);
  for (const what of violations) say(`HELD AGAINST OURS: ${what}`);
  const excused = excusedLines(harms.filter(({ verdict }) => verdict !== null));
  for (const what of excused) say(`Not held against ours: ${what}.`);
  return violations.length === 0;
}

/** Plays each without and with ours, whose stub is its own bytes; true if one is not as it should be. */
async function playBestKnown(io: Io): Promise<boolean> {
  const { style } = io;
  let spoiled = false;
  for (const name of BEST_KNOWN) {
    const scenario = await openScenario(name);
    const head = `${style.bold(scenario.title)} (${scenario.hazards.join(', ')}, ${scenario.path} path)`;
    io.out(`${styledLine(head, style)}\n`);
    for (const policy of ['none', 'ours'] as const) {
      const { result, unmet } = await runScenario(scenario, policy, { stub: interpretedStub() });
      const how = policy === 'none' ? 'without' : 'with';
      const after = `${milliseconds(result.endTick, result)} ms`;
      io.out(`${paragraph(`${how}: ${result.verdict} after ${after}. ${whatBroke(result)}`, 2, style)}\n`);
      for (const what of unmet) io.out(`${paragraph(`NOT AS EXPECTED: ${what}`, 2, style)}\n`);
      if (unmet.length > 0) spoiled = true;
    }
  }
  return spoiled;
}

/** Always in the same state: each act starts from it. */
function machineAtWork(name: string): SimMachine {
  const machine = createMachine(name);
  machine.run(BUSY_TICKS);
  return machine;
}

function sameBytes(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a !== undefined && b !== undefined && Buffer.compare(a, b) === 0;
}
