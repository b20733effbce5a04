import * as v from 'valibot';
import { ShootdownError } from '../../pci/error.js';
import { parseJson } from '../../quiesce/parse-json.js';
import { labStory } from './lab.js';
import { LAB_RUN } from './lab-run.js';
import { RECORDED_JUMP, RECORDED_RUN, text } from './recorded.js';
import { simStory } from './sim.js';
import type { JumpStory } from './story.js';

/** More side by side nobody looks at. */
const RUNS_MAX = 24;

const SIM_RUN = v.object({
  schema: v.literal('shootdown.sim-run/1'),
  runs: v.pipe(v.array(RECORDED_RUN), v.minLength(1, 'has no run')),
});
const SIM_LIKE = v.object({
  ...{ schema: v.literal('shootdown.sim-like/1'), machine: text },
  ...{ none: RECORDED_JUMP, ours: RECORDED_JUMP },
});
const ANY = v.looseObject({ schema: v.string() });

const READERS: Readonly<Record<string, (json: string, name: string) => readonly JumpStory[]>> = {
  'shootdown.sim-run/1': (json, name) =>
    parseJson(SIM_RUN, json, name, 'run')
      .runs.slice(0, RUNS_MAX + 1)
      .map((run) => simStory(run, { name: run.scenario, title: run.title, policy: run.policy })),
  'shootdown.sim-like/1': (json, name) => {
    const { machine, none, ours } = parseJson(SIM_LIKE, json, name, 'run');
    const title = `A crash of a machine like ${machine}`;
    return (['none', 'ours'] as const).map((policy) =>
      simStory(policy === 'none' ? none : ours, { name: machine, title, policy }),
    );
  },
  'shootdown.lab-run/1': (json, name) => [labStory(parseJson(LAB_RUN, json, name, 'lab run'))],
};

/**
 * The jumps that a file tells of: what `sim run --json` printed, or the verdict.json of a lab run. `name` is what
 * messages call it. Throws `bad-input`.
 */
export function readStories(json: string, name: string): readonly JumpStory[] {
  const { schema } = parseJson(ANY, json, name, 'recorded jump');
  const read = READERS[schema];
  if (/^shootdown\.audit\/\d+$/.test(schema)) {
    const message = `${name}: is an audit, not a recorded jump: report html takes it with --audit`;
    throw new ShootdownError('bad-input', message);
  }
  if (!read || !Object.hasOwn(READERS, schema)) {
    const known = Object.keys(READERS).join(', ');
    throw new ShootdownError('bad-input', `${name}: is not a recorded jump: its schema is none of ${known}`);
  }
  const stories = read(json, name);
  if (stories.length <= RUNS_MAX) return stories;
  throw new ShootdownError(
    'bad-input',
    `${name}: has more than ${RUNS_MAX} runs: give those of one scenario`,
  );
}
