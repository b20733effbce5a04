import type { Scenario } from '../src/sim/scenario/scenario.js';
import type { Expectation } from '../src/sim/scenario/schema.js';

interface Hazard {
  readonly id: string;
  readonly file: string;
  readonly title: string;
  /** Why no scenario plays it. */
  readonly notSimulated?: string;
}

/**
 * `docs/hazards-simulated.md`: for each hazard the scenarios that play it, or why none does. Throws if a hazard has
 * neither or both.
 */
export function hazardsSimulated(hazards: readonly Hazard[], scenarios: readonly Scenario[]): string {
  const problems: string[] = [];
  const rows = hazards.flatMap(({ id, file, title, notSimulated }) => {
    const playing = scenarios.filter(({ hazards: ids }) => ids.includes(id as Scenario['hazards'][number]));
    if ((playing.length === 0) !== (notSimulated !== undefined))
      problems.push(
        `hazards/${file}: ${playing.length} scenarios play it: ${notSimulated ?? 'say notSimulated'}`,
      );
    const name = `[${id}](../hazards/${file}) ${title}`;
    if (playing.length === 0) return [`| ${name} | not shown: ${notSimulated} | | | |`];
    return playing.map((scenario, i) => row(i === 0 ? name : '', scenario));
  });
  if (problems.length > 0) throw new Error(problems.join('\n'));
  const others = scenarios.filter(({ hazards: ids }) => ids.length === 0);
  const mechanisms = new Set(scenarios.map(({ mechanism }) => mechanism)).size;
  const notes = scenarios.filter(
    ({ inference, expect }) => inference !== null || expect.ours.why !== undefined,
  );
  return [
    '<!-- Generated from hazards/*.json and scenarios/*.json by scripts/generate.mjs: do not edit. -->',
    '',
    '# Hazards in the simulated machine',
    '',
    `${scenarios.length} scenarios show ${mechanisms} mechanisms. A scenario describes a machine and a jump, and says what must`,
    'be seen when nobody touches a bus-master bit for the sake of the jump (`none`), and with this tool (`ours`). Nothing',
    'in the simulator knows a scenario: each names one fact of its machine without which the symptom vanishes, and the',
    'tests take it away. What is established, weak or inference is that the cause in the machine is the one of the',
    'sources; where a verdict differs from what people saw, the notes say so.',
    '',
    ...table('Hazard', rows),
    '',
    '## Beyond the list',
    '',
    ...table(
      'What it shows',
      others.map((scenario) => row(scenario.title, scenario)),
    ),
    '',
    '## Side by side with the lab',
    '',
    'What [a real Linux in QEMU](lab-linux.md) was seen to do. There `none` is what the kernel itself does, which is the',
    'policy `linux` here.',
    '',
    '| Scenario | Here `linux` or `none`, `ours` | Lab | There `none`, `ours` | Where they differ, and why |',
    '| --- | --- | --- | --- | --- |',
    ...scenarios.flatMap((scenario) => labRow(scenario)),
    '',
    '## Notes',
    '',
    ...notes.flatMap((scenario) => note(scenario)),
  ].join('\n');
}

function table(first: string, rows: readonly string[]): string[] {
  return [
    `| ${first} | Mechanism: scenario | \`none\` | \`ours\` | Confidence |`,
    '| --- | --- | --- | --- | --- |',
    ...rows,
  ];
}

function row(first: string, { name, mechanism, path, expect, fact, confidence }: Scenario): string {
  const others = fact.under === 'none' ? '' : `, \`${fact.under}\`: ${verdict(expect[fact.under])}`;
  const what = `${mechanism}: [${name}](../scenarios/${name}.json), ${path} path`;
  return `| ${first} | ${what} | ${verdict(expect.none)}${others} | ${verdict(expect.ours)} | ${confidence} |`;
}

function labRow({ name, expect, lab }: Scenario): string[] {
  if (!lab) return [];
  const here = `${verdict(expect.linux ?? expect.none)}, ${verdict(expect.ours)}`;
  return [`| ${name} | ${here} | \`${lab.scenario}\` | ${lab.none}, ${lab.ours} | ${lab.differs ?? ''} |`];
}

function verdict(expectation: Expectation | undefined): string {
  if (!expectation) return '';
  const slow = expectation.atLeastMs === undefined ? '' : `, ${expectation.atLeastMs / 1000} s late`;
  const also = expectation.also ? ` (and ${expectation.also.join(', ')})` : '';
  const or = expectation.or ? `, or ${expectation.or.join(', ')}` : '';
  return `${expectation.verdict}${also}${or}${slow}`;
}

function note({ name, inference, expect }: Scenario): string[] {
  const parts = [
    inference === null ? [] : [`Inference: ${inference}`],
    expect.ours.why === undefined ? [] : [`With \`ours\`: ${expect.ours.why}`],
  ];
  return [`- **${name}.** ${parts.flat().join(' ')}`];
}
