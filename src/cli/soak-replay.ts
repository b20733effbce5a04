import { ShootdownError } from '../pci/error.js';
import type { Data } from '../quiesce/schema-parts.js';
import { jumpData } from '../report/jump-json.js';
import { replayText } from '../report/replay-text.js';
import type { simReplaySchema } from '../report/schema/sim.js';
import { smallestText, violationText } from '../report/soak-text.js';
import type { PlayedJump } from '../sim/policies/play.js';
import { recordGaps } from '../sim/policies/record-gaps.js';
import { drawCase, type SoakSettings } from '../sim/soak/case.js';
import { playCase } from '../sim/soak/play.js';
import { EXIT, type ExitStatus } from './exit.js';
import type { Io } from './io.js';
import { jsonText } from './options.js';
import { turn, unlessStopped } from './sim-options.js';
import { interpretedStub } from './sim-stub.js';
import { smallestOf } from './soak-smallest.js';

/** A case by its number, and the seed that drew it where that was said. */
export interface CaseToReplay {
  readonly seed: number | null;
  readonly number: number;
}

interface ReplayOptions extends SoakSettings {
  readonly state?: string;
  readonly minutes?: number;
  readonly json?: boolean;
}

/** The command that plays a case again. */
export function replayCommand({ seed, functions, policy }: SoakSettings, number: number): string {
  return `shootdown sim soak --seed ${seed} --functions ${functions} --policy ${policy} --replay ${number}`;
}

/** Plays one case again, and says of each jump what the soak only counts. */
export async function replay(
  { seed: ofCase, number }: CaseToReplay,
  options: ReplayOptions,
  seedGiven: boolean,
  io: Io,
): Promise<ExitStatus> {
  checkOptions({ seed: ofCase, number }, options, seedGiven);
  const { functions, policy } = options;
  const settings: SoakSettings = { seed: ofCase ?? options.seed, functions, policy };
  const drawn = drawCase(settings, number);
  const played: PlayedJump[] = [];
  const outcome = await unlessStopped(io.signal, async () => {
    await turn();
    io.signal.throwIfAborted();
    const onJump = (jump: PlayedJump) => played.push(jump);
    return playCase(drawn, { stub: interpretedStub(), signal: io.signal, onJump });
  });
  if (outcome === null) {
    io.err(`shootdown: stopped while case ${number} was played\n`);
    return EXIT.failed;
  }
  const { jumps } = outcome;
  const jump = jumps.findIndex(({ violations }) => violations.length > 0);
  const violation = jump < 0 ? null : { number, jump, what: [...(jumps[jump]?.violations ?? [])] };
  const again = replayCommand(settings, number);
  const smallest =
    violation === null ? null : await smallestOf(number, settings, { stub: interpretedStub() }, io, again);
  if (options.json) {
    const told = jumps.flatMap((outcome, at) => {
      const of = played[at];
      return of ? [{ ...outcome, ...jumpData(of), policy: of.policy, recordGaps: recordGaps(of) }] : [];
    });
    const found = { jumps: told, violation, smallest, again };
    const json = { schema: 'shootdown.sim-replay/1', number, case: drawn, ...found } as const;
    io.out(jsonText(json satisfies Data<typeof simReplaySchema>));
  } else {
    const of = { number, seed: settings.seed, functions: drawn.machine.functions.length };
    io.out(replayText(of, played, io.style));
    if (violation) io.out(`\n${violationText(violation, null)}\n`);
    if (smallest) io.out(`\n${smallestText(smallest, io.style)}\n`);
    io.out(`\n${io.style.dim(`Again: ${again}`)}\n`);
  }
  const harm = policy === 'none' && jumps.some(({ verdict }) => verdict !== 'clean');
  return violation !== null || harm ? EXIT.findings : EXIT.clean;
}

/** Throws `usage` for what does not go together. */
function checkOptions({ seed, number }: CaseToReplay, options: ReplayOptions, seedGiven: boolean): void {
  const { state, minutes } = options;
  for (const [flag, value] of Object.entries({ '--state': state, '--minutes': minutes }))
    if (value !== undefined)
      throw new ShootdownError('usage', `${flag} is for a soak, and --replay plays one case: leave one out`);
  if (!seedGiven || seed === null || seed === options.seed) return;
  const message = `--replay ${seed}:${number} and --seed ${options.seed} name two seeds: give one of them`;
  throw new ShootdownError('usage', message);
}
