import { describe, expect, it } from 'vitest';
import { memoryHost } from '../../test/support/memory-host.js';
import { scan } from '../host/scan.js';
import { defaultPolicy } from '../quiesce/default-policy.js';
import { type Policy, parsePolicy } from '../quiesce/policy.js';
import { compileGateTable } from './gate-table.js';

function policyOf(...rules: object[]): Policy {
  const named = rules.map((rule, n) => ({ id: `r${n}`, action: 'exempt', reason: 'a test', ...rule }));
  const otherwise = { action: 'gate', reason: 'a test' };
  return parsePolicy(
    JSON.stringify({ schema: 'shootdown.policy/1', name: 'mine: $(x)\n2', rules: named, otherwise }),
    'test',
  );
}

const compile = (policy: Policy) => compileGateTable(policy, { when: 'crash', tool: 'shootdown 0' });
const ruleLines = (policy: Policy) => compile(policy).text.match(/^rule .*$/gm) ?? [];

describe('compileGateTable', () => {
  it('has all that counts after the jump of the default policy', () => {
    const { text, notes } = compile(defaultPolicy());
    expect(text.replace(/[0-9a-f]{64}/, 'DIGEST').split('\n')).toEqual([
      'shootdown-gate 1',
      'tool shootdown 0',
      'policy default DIGEST',
      'when crash',
      'on-failure continue',
      'rule host-bridge exempt - 0600??/????:????/*:??:??.?/?/?',
      'rule isa-bridge exempt - 0601??/????:????/*:??:??.?/?/?',
      'rule other-bridge exempt - 0680??/????:????/*:??:??.?/?/?',
      'rule memory-controller exempt - 05????/????:????/*:??:??.?/?/?',
      'rule iommu exempt - 0806??/????:????/*:??:??.?/?/?',
      'rule integrated-display exempt - 03????/????:????/*:??:??.?/r/?',
      'rule usb-without-driver exempt yes 0c03??/????:????/*:??:??.?/?/?',
      'otherwise gate',
      'end 13',
      '',
    ]);
    expect(notes).toEqual([
      'rule usb-without-driver counts whatever driver was bound: that is known only where a machine is named (--for)',
    ]);
  });

  it('writes each selector as a pattern', () => {
    const patterns = ruleLines(
      policyOf(
        { match: { slot: '10000:e1:1f.3' } },
        { match: { slot: '.1' } },
        { match: { slot: '2:' } },
        { match: { slot: '03.' } },
        { match: { id: '15B3:*:02xx:80' } },
        { match: { id: ':1018::' } },
        { match: { class: '010802', vf: true, rootBus: false } },
        { match: { vf: false, rootBus: true } },
      ),
    ).map((line) => line.split(' ')[4]);
    expect(patterns).toEqual([
      '??????/????:????/10000:e1:1f.3/?/?',
      '??????/????:????/*:??:??.1/?/?',
      '??????/????:????/*:02:??.?/?/?',
      '??????/????:????/*:??:03.?/?/?',
      '02??80/15b3:????/*:??:??.?/?/?',
      '??????/????:1018/*:??:??.?/?/?',
      '010802/????:????/*:??:??.?/b/v',
      '??????/????:????/*:??:??.?/r/p',
    ]);
  });

  it('knows what each action is there, and leaves out what is for other places or never touched', () => {
    const match = { class: '02' };
    const lines = ruleLines(
      policyOf(
        ...['exempt', 'preserve', 'gate', 'unbind', 'reset'].map((action) => ({ match, action })),
        { match, at: ['before', 'between'] },
        { match: { headerType: 'bridge' } },
        { match: { headerType: 'normal' } },
        { match: { bootDisplay: true } },
        { match: { bootDisplay: false } },
      ),
    );
    expect(lines.map((line) => line.split(' ').slice(1, 3).join(' '))).toEqual([
      'r0 exempt',
      'r1 preserve',
      'r2 gate',
      'r3 gate',
      'r4 reset',
      'r7 exempt',
      'r9 exempt',
    ]);
  });

  it('says which rules cannot match', () => {
    const { notes } = compile(
      policyOf({ match: { class: '02', id: '::0108' } }, { match: { holds: ['root'] } }),
    );
    expect(notes).toEqual([
      'rule r1 matches nothing: that is known only where a machine is named (--for)',
      'rule r0 is left out: its class and its id contradict each other',
    ]);
  });

  it('has no limit on rules that ask for a driver', () => {
    const rules = Array.from({ length: 40 }, (_, n) => ({ match: { driver: `driver-${n}` } }));
    expect(ruleLines(policyOf(...rules))).toHaveLength(40);
  });

  it('remembers drivers and holdings of the machine, in all segments, but of bridges', async () => {
    const host = memoryHost({
      '0000:00:01.0': { bridge: { secondary: 1 }, facts: { driver: 'pcieport' } },
      '0000:01:00.0': { vendor: 0x144d, device: 0xa80a, facts: { driver: 'nvme', holds: ['root'] } },
      '10000:00:00.0': { vendor: 0x8086, device: 0x9a, facts: { driver: null } },
    });
    const policy = policyOf(
      { match: { driver: 'nv*' } },
      { match: { driver: null } },
      { match: { holds: ['root'] } },
    );
    const { text, notes } = compileGateTable(policy, {
      machine: await scan(host),
      when: 'always',
      tool: 't',
    });
    expect(text.match(/^known .*$/gm)).toEqual([
      'known 0000:01:00.0 144d:a80a ,r0,r2,',
      'known 10000:00:00.0 8086:009a ,r1,',
    ]);
    expect(text).toContain('\nwhen always\n');
    expect(notes).toEqual([]);
  });

  it('is a line each, whatever a policy is called', () => {
    const { text } = compile(policyOf());
    expect(text).toMatch(/^policy mine:-_\(x\)_2 [0-9a-f]{64}$/m);
    expect(text).toMatch(/\nend 6\n$/);
  });
});
