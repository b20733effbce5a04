import fc from 'fast-check';
import { type Policy, type PolicyRule, parsePolicy } from '../../src/quiesce/policy.js';

/** More often not than said: a rule that asks for everything matches nothing. */
const maybe = <T>(arbitrary: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 3, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
const oneOf = (...values: readonly string[]) => fc.constantFrom(...values);

const match = fc.record({
  slot: maybe(oneOf('01:', '00:1c', '.0', '0:*:.1', '1:01:', '0000:02:00.0', '02:*', '*:*.0', '10000:*:*')),
  id: maybe(
    oneOf(
      '8086:',
      '8086:1234',
      ':',
      '144d::0108',
      '::0c03:30',
      ':::30',
      '::02xx',
      '::x3',
      '15b3:*:*',
      '::06',
    ),
  ),
  class: maybe(oneOf('02', '0108', '0c0330', '06', '0604', '03', '0300')),
  headerType: maybe(fc.constantFrom('normal' as const, 'bridge' as const, 'cardbus' as const)),
  driver: maybe(fc.oneof(fc.constant(null), oneOf('e1000*', 'nvme', '*', 'n*a', 'pcieport', 'vfio-pci'))),
  rootBus: maybe(fc.boolean()),
  bootDisplay: maybe(fc.boolean()),
  holds: maybe(fc.subarray(['root', 'swap', 'console'] as const, { minLength: 1 })),
  vf: maybe(fc.boolean()),
});

const rule = fc.record({
  match,
  action: fc.constantFrom<PolicyRule['action']>('exempt', 'preserve', 'gate', 'gate', 'unbind', 'reset'),
  at: maybe(fc.subarray(['before', 'between', 'after'] as const, { minLength: 1 })),
  reason: fc.constant('drawn'),
});

/** Policies with all that a rule can say, most of it about functions that random machines have. */
export const policies: fc.Arbitrary<Policy> = fc
  .record({
    rules: fc.array(rule, { maxLength: 8 }),
    otherwise: fc.record({
      action: fc.constantFrom('gate', 'gate', 'exempt'),
      reason: fc.constant('otherwise'),
    }),
    onFailure: fc.constantFrom('continue', 'stop'),
  })
  .map(({ rules, ...rest }) => {
    const named = rules.map((one, n) => ({ id: `rule-${n}`, ...one }));
    const policy = { schema: 'shootdown.policy/1', name: 'random', ...rest, rules: named };
    return parsePolicy(JSON.stringify(policy), 'random policy');
  });
