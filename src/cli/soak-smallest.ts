import { resolve } from 'node:path';
import { systemClock } from '../host/clock.js';
import { writeOutput } from '../host/output-file.js';
import { ShootdownError } from '../pci/error.js';
import { defaultPolicy } from '../quiesce/default-policy.js';
import { shellWord } from '../report/shell-word.js';
import type { SmallestCase } from '../report/soak-text.js';
import type { JumpVerdict } from '../sim/jump/result.js';
import { parseScenario } from '../sim/scenario/scenario.js';
import { drawCase, type SoakCase, type SoakSettings } from '../sim/soak/case.js';
import { caseScenario } from '../sim/soak/case-scenario.js';
import { playCase, type SoakPlayOptions } from '../sim/soak/play.js';
import { shrinkCase } from '../sim/soak/shrink.js';
import type { Io } from './io.js';
import { jsonText } from './options.js';
import { turn, unlessStopped } from './sim-options.js';

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
): Promise<SmallestCase> {
  let tried = 0;
  const until = systemClock.now() + SHRINK_MS;
  const play = (candidate: SoakCase) => playCase(candidate, stub ? { stub } : {});
  const smallest = await shrinkCase(drawCase(settings, number), {
    enough: () => io.signal.aborted || systemClock.now() > until,
    shows: async (candidate) => {
      io.status(`making it smaller: ${++tried} tried, ${candidate.machine.functions.length} functions`);
      await turn();
      const { signal } = io;
      const played = await unlessStopped(signal, () =>
        playCase(candidate, { signal, ...(stub ? { stub } : {}) }),
      );
      return played?.jumps.some(({ violations }) => violations.length > 0) ?? false;
    },
  });
  const { jumps } = await play(smallest);
  const verdictOf = (verdicts: typeof jumps): JumpVerdict => verdicts.at(-1)?.verdict ?? 'clean';
  const plain = smallest.jumps.map((jump) => ({ ...jump, policy: 'none' as const }));
  const none = verdictOf((await play({ ...smallest, jumps: plain })).jumps);
  const name = `soak-${settings.seed}-${number}`;
  const what = jumps.flatMap(({ violations }) => violations);
  const timeout = defaultPolicy().bounds.pendingTimeoutMs;
  const scenario = caseScenario(
    smallest,
    {
      ...{ name, title: what.join('; '), found: again, story: what.join('; ') },
      ...{ none, seen: verdictOf(jumps) },
    },
    timeout,
  );
  const shown = { case: smallest, what };
  const unsaid = (why: string): SmallestCase => ({ ...shown, file: null, command: again, why });
  if (typeof scenario === 'string') return unsaid(scenario);
  const file = `${name}.json`;
  const text = jsonText(scenario);
  try {
    parseScenario(text, file);
    writeOutput(file, Buffer.from(text), MODE);
  } catch (error) {
    if (error instanceof ShootdownError) return unsaid(error.message);
    throw error;
  }
  const policy = smallest.jumps[0]?.policy ?? 'none';
  // From wherever it is pasted.
  const command = `shootdown sim run ${shellWord(resolve(file))} --policy ${policy} --seed ${smallest.seed}`;
  return { ...shown, file, command, why: null };
}
