import type { Expectation } from '../src/sim/scenario/expect.js';
import type { Scenario } from '../src/sim/scenario/scenario.js';

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
    '## What stands for what',
    '',
    ...STAND_INS.map((text) => `- ${text}`),
    '',
    '## Notes',
    '',
    ...notes.flatMap((scenario) => note(scenario)),
  ].join('\n');
}

/** Where the machine is coarser than what it shows, and no single scenario says so. */
const STAND_INS = [
  '**MSI off.** Kernels turn MSI and MSI-X off when they find a function since [d5dea7d95c48](https://git.kernel.org/linus/d5dea7d95c48) (2011), and until then BME off keeps messages back: with them the last step of ours changes nothing that is seen. It matters to a next kernel of before, which leaves messages on when a driver gives BME back; `stale-messages` has one of 2006.',
  '**INTx on.** Today’s `pci_enable_device` clears INTx-disable before the driver lets the function master the bus; that of 3.10 does not (`drivers/pci/pci.c`). For kernels of 2006 and 3.13 the machine has the driver do it when it asks for its line. A driver of that time that did not would get no interrupt from a function that ours has gated, which is not shown.',
  '**Late and missing answers.** A read that a device sent is answered after a few tenths of a millisecond, late (`lateCompletionTicks`), never (`pendingForever`), or, where the IOMMU stops it, with poisoned data or not at all, which its function reports after 50 ms and asks again. A configuration access of the processor waits only where a function hangs with its link up (`hangsAtJump`): for 50 ms, the most that PCI Express has by default, after which it reads as ones. Its root port reports no error for that here. What is not there reads as ones at once.',
  '**Poisoned data.** An answer that is poisoned comes at once; its function reports it, uses nothing of it, and may ask again.',
  '**IOMMU tables.** Only a kernel that is there for a dump copies the tables that it finds: any other Linux turns translation off where it finds it on, so that `copies` is a reset on the normal path. Here the old tables hold until the next kernel looks for devices. On a normal kexec `native_machine_shutdown` turns translation off before the jump: what is sent from then on reaches any address on a real machine, and here only what the old tables map.',
  '**A probe** takes no time, but for what its driver is described to spend between `pci_set_master` and the reset of the device (`resetAfterMs`); a gated device that was not reset goes on with its old work for so long.',
  '**What no checker sees from outside.** That the IOMMU stops what it should is tested, not watched: checkers go by its own word. A stray write of what lay there already is counted as a stray write and corrupts nothing.',
] as const;

function table(first: string, rows: readonly string[]): string[] {
  return [
    `| ${first} | Mechanism: scenario | \`none\` | \`ours\` | Confidence |`,
    '| --- | --- | --- | --- | --- |',
    ...rows,
  ];
}

function row(first: string, { name, mechanism, path, expect, fact, confidence }: Scenario): string {
  const others =
    fact === null || fact.under === 'none' || fact.under === 'ours'
      ? ''
      : `, \`${fact.under}\`: ${verdict(expect[fact.under])}`;
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
