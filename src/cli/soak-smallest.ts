import { systemClock } from '../host/clock.js';
import { defaultPolicy } from '../quiesce/default-policy.js';
import type { JumpVerdict } from '../sim/jump/result.js';
import { parseScenario } from '../sim/scenario/scenario.js';
import { caseScenario } from '../sim/scenario/text.js';
import { drawCase, type SoakCase, type SoakSettings } from '../sim/soak/case.js';
import { playCase, type SoakPlayOptions } from '../sim/soak/play.js';
import { shrinkCase } from '../sim/soak/shrink.js';
import type { Io } from './io.js';
import { jsonText } from './options.js';
import { writeOutput } from './output-file.js';
import { turn } from './sim-options.js';

/** The smallest case found that still shows a violation. */
export interface Smallest {
  readonly case: SoakCase;
  /** Where it was written as a scenario, and the command that plays that; `null` if it cannot be said as one. */
  readonly file: string | null;
  readonly command: string | null;
}

const MODE = 0o644;
/** A case that is still large by then is shown as it is. */
const SHRINK_MS = 60_000;

/** Makes a case smaller while it still has a violation, and writes what is left into the current folder. */
export async function smallestOf(
  number: number,
  settings: SoakSettings,
  { stub }: SoakPlayOptions,
  io: Io,
  again: string,
): Promise<Smallest> {
  let tried = 0;
  const until = systemClock.now() + SHRINK_MS;
  const play = (candidate: SoakCase) => playCase(candidate, stub ? { stub } : {});
  const smallest = await shrinkCase(drawCase(settings, number), {
    enough: () => io.signal.aborted || systemClock.now() > until,
    shows: async (candidate) => {
      io.status(`making it smaller: ${++tried} tried, ${candidate.machine.functions.length} functions`);
      await turn();
      return (await play(candidate)).jumps.some(({ violations }) => violations.length > 0);
    },
  });
  const { jumps } = await play(smallest);
  const verdictOf = (verdicts: typeof jumps): JumpVerdict => verdicts.at(-1)?.verdict ?? 'clean';
  const plain = smallest.jumps.map((jump) => ({ ...jump, policy: 'none' as const }));
  const none = verdictOf((await play({ ...smallest, jumps: plain })).jumps);
  const name = `soak-${settings.seed}-${number}`;
  const what = jumps.flatMap(({ violations }) => violations).join('; ');
  const scenario = caseScenario(
    smallest,
    { name, title: what, found: again, story: what, none, seen: verdictOf(jumps) },
    defaultPolicy().bounds.pendingTimeoutMs,
  );
  if (scenario === null) return { case: smallest, file: null, command: null };
  const file = `${name}.json`;
  const text = jsonText(scenario);
  parseScenario(text, file);
  writeOutput(file, Buffer.from(text), MODE);
  const policy = smallest.jumps[0]?.policy ?? 'none';
  return {
    case: smallest,
    file,
    command: `shootdown sim run ${file} --policy ${policy} --seed ${smallest.seed}`,
  };
}
