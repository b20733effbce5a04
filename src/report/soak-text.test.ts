import { expect, it } from 'vitest';
import { drawCase } from '../sim/soak/case.js';
import { newSoak, type SoakState } from '../sim/soak/soak.js';
import { smallestText, soakText } from './soak-text.js';

const plain = (text: string) => text;
const style = { width: 100, bold: plain, dim: plain, red: plain, yellow: plain, green: plain };
const none = newSoak({ seed: 1, functions: 8, policy: 'none' });
const ours = newSoak({ seed: 1, functions: 8, policy: 'ours' });
const again = (number: number) => `shootdown sim soak --replay ${number}`;
const text = (state: SoakState, seconds = 0, jumpsInThisRun = state.jumps.all) =>
  soakText(state, { seconds, jumpsInThisRun, smallest: null, again }, style).replace(/\s+/g, ' ');
const ten = { all: 10, normal: 5, crash: 5, chained: 0 };

it('says what the exit status is for', () => {
  const verdicts = { ...none.verdicts, clean: 7, hung: 1, corrupted: 2 };
  const harm = text({ ...none, jumps: ten, verdicts, firstHarm: 3, firstCorruption: 4 });
  expect(harm).toContain('3 jumps of 10 did harm, the first of them jump 3; memory was first hit in jump 4.');
  expect(harm).toContain('why the exit status is 2. No invariant of the machine itself was broken.');
  expect(harm).not.toContain('violation');
  expect(text({ ...none, jumps: ten })).toContain('No jump did harm. No invariant');
  expect(text({ ...ours, jumps: ten, verdicts, firstHarm: 3 })).toContain('No violation.');
  expect(text({ ...ours, violations: { count: 2, first: [] } })).toContain('2 violations: exit status 2.');
});

it('names a case to look at for each verdict and excuse', () => {
  const verdicts = { ...none.verdicts, clean: 7, hung: 1, corrupted: 2 };
  const examples = { verdicts: { hung: 1, corrupted: 4 }, excuses: { 'too-early': 6 } };
  const told = text({ ...none, jumps: ten, verdicts, firstHarm: 2, examples });
  expect(told).toMatch(/hung 1 10\.0 % 1 corrupted 2 20\.0 % 4 /);
  expect(told).toContain(
    'Case 4 is the first that is corrupted; this command plays it again, and says who did what:',
  );
  expect(told).toContain('Again: shootdown sim soak --replay 4 ');
  const excused = text({ ...ours, jumps: ten, verdicts, examples, excuses: { 'too-early': 3 } });
  expect(excused).toContain('jumps first case why 3 6 it happened before ours had its turn');
  const violations = { count: 1, first: [{ number: 9, jump: 1, what: ['it did'] }] };
  const violated = text({ ...ours, jumps: ten, verdicts, examples, violations });
  expect(violated).toContain('violation in case 9, jump 2 of it:');
  expect(violated).toContain('Again: shootdown sim soak --replay 9 ');
  expect(text({ ...none, jumps: ten, verdicts, firstHarm: 2 })).not.toContain('Again');
});

it('says how fast this run was, not what it went on from', () => {
  expect(text({ ...ours, jumps: ten }, 2)).toContain('seed 1: 2.0 s, 5 jumps a second.');
  expect(text({ ...ours, jumps: ten }, 2, 4)).toContain('seed 1; 4 of them in this run: 2.0 s, 2 jumps a');
});

it('heads what is not held against ours with a sentence', () => {
  const told = text({
    ...ours,
    jumps: ten,
    excuses: { 'too-early': 4 },
    examples: { verdicts: {}, excuses: { 'too-early': 3 } },
  });
  expect(told).toMatch(
    /harm was done that is not held against ours.* 4 3 it happened before ours had its turn/,
  );
});

it('says of a case that is no scenario why, and what plays it', () => {
  const of = { case: drawCase(ours, 3), what: ['0000:00:02.0 still writes'], file: null };
  const again = 'shootdown sim soak --seed 1 --functions 8 --policy ours --replay 3';
  const told = smallestText(
    { ...of, command: again, why: 'it takes 2 jumps, and a scenario has one' },
    style,
  );
  expect(told).toContain('  0000:00:02.0 still writes\n');
  expect(told).toContain('It is not written as a scenario: it takes 2 jumps, and a scenario has one.');
  expect(told).toContain(again);
});
