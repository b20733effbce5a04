import fc from 'fast-check';
import { h } from 'preact';
import { render } from 'preact-render-to-string';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { ShootdownError } from '../../pci/error.js';
import { jumpSvg } from './jump-svg.js';
import { readStories } from './read.js';
import { RECORDED_JUMP } from './recorded.js';
import { Jumps } from './section.js';
import { ENTRIES_MAX, type JumpStory, LANES_MAX, MARKS_MAX } from './story.js';

const slot = fc
  .record({ bus: fc.nat(255), device: fc.nat(31), fn: fc.nat(7) })
  .map(({ bus, device, fn }) => `0000:${hex2(bus)}:${hex2(device)}.${fn}`);
const hex2 = (value: number) => value.toString(16).padStart(2, '0');
/** Text that would do something in a page if it were not escaped. */
const hostile = fc.oneof(
  fc.constantFrom(
    '</script><script>alert(1)</script>',
    '<img src=x onerror=alert(1)>',
    '" onload="alert(1)',
    '<!--',
    ']]>',
    "'><b>",
    '\u202e\u0007\ud800',
    '__proto__',
  ),
  fc.string(),
);
const ms = fc.double({ min: -1e6, max: 1e6, noNaN: true });
const address = fc.nat(0xffffff).map((value) => value.toString(16).padStart(16, '0'));
const page = fc.record({
  ...{ address, region: fc.oneof(fc.constantFrom('dump', 'image'), hostile), owner: fc.option(hostile) },
  ...{ writers: fc.array(fc.oneof(slot, hostile), { maxLength: 3 }), firstMs: fc.option(ms) },
});
const event = fc.record(
  {
    ms,
    kind: fc.constantFrom(
      'dma',
      'config-write',
      'message',
      'error',
      'bound',
      'dump',
      'line-disabled',
      'hung',
      'x',
    ),
    slot,
    address: fc.oneof(address, hostile),
    owner: fc.option(fc.oneof(fc.constant('next-kernel'), hostile)),
    refusedBy: fc.option(slot),
    faulted: fc.boolean(),
    count: fc.nat(1000),
    offset: fc.nat(8),
    width: fc.nat(9),
    before: fc.nat(0xffff),
    after: fc.nat(0xffff),
    by: hostile,
    driver: hostile,
    slots: fc.array(hostile, { maxLength: 3 }),
    text: hostile,
    on: hostile,
  },
  { requiredKeys: ['ms', 'kind'] },
);
const told = fc.record({
  ...{ ms, slot: fc.option(slot) },
  text: fc.oneof(fc.constantFrom('the stub runs', 'it runs', 'stuck on x', 'purgatory looks'), hostile),
});
const run = fc.record({
  ...{
    scenario: hostile,
    title: hostile,
    policy: hostile,
    seed: fc.nat(),
    path: fc.constantFrom('normal', 'crash'),
  },
  ...{ verdict: hostile, verdicts: fc.array(hostile, { maxLength: 3 }), jumpMs: ms, endMs: ms },
  stuckOn: fc.option(fc.record({ on: hostile })),
  writers: fc.constant([]),
  corrupted: fc.array(page, { maxLength: 4 }),
  storms: fc.constant([]),
  lost: fc.array(fc.record({ slot: hostile, driver: hostile, why: hostile }), { maxLength: 3 }),
  faults: fc.constant([]),
  wantedLost: fc.array(fc.record({ slot, by: slot, count: fc.nat() }), { maxLength: 3 }),
  dump: fc.option(
    fc.record({ pages: fc.nat(), problem: fc.option(hostile), torn: fc.array(page, { maxLength: 3 }) }),
  ),
  timeline: fc.array(told, { maxLength: 400 }),
  trace: fc.array(event, { maxLength: 200 }),
});

const json = (runs: readonly unknown[]) => JSON.stringify({ schema: 'shootdown.sim-run/1', runs });

describe('a jump from a file', () => {
  it('is bounded, within its own time, and its words never become markup', () => {
    fc.assert(
      fc.property(run, (given) => {
        const [story] = readStories(json([given]), 'x.json') as readonly [JumpStory];
        expect(story.marks.length).toBeLessThanOrEqual(MARKS_MAX);
        expect(story.entries.length).toBeLessThanOrEqual(ENTRIES_MAX);
        expect(story.lanes.length).toBeLessThanOrEqual(LANES_MAX + 8);
        const { startMs, endMs } = story;
        for (const at of [...story.marks, ...story.stages, ...story.lanes.flatMap(({ gated }) => gated)]) {
          expect(at.startMs).toBeGreaterThanOrEqual(startMs);
          expect(at.endMs).toBeLessThanOrEqual(endMs);
        }
        for (const markup of [render(h(Jumps, { stories: [story] })), jumpSvg([story])]) {
          expect(elementsOf(markup)).toEqual([]);
          expect(markup).not.toMatch(/NaN|undefined|\[object/);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('has whole numbers that can be counted with', () => {
    const { storms, dump } = RECORDED_JUMP.entries;
    const lines = [16, -1, 0.5, 2 ** 53].map((line) => v.is(storms, [{ line, slots: [] }]));
    expect(lines).toEqual([true, false, false, false]);
    const pages = [0, 4096, 1e300].map((pages) => v.is(dump, { pages, problem: null, torn: [] }));
    expect(pages).toEqual([true, true, false]);
  });

  it('that is none is one clear line', () => {
    const bad = (text: string) => {
      try {
        readStories(text, 'x.json');
      } catch (error) {
        if (error instanceof ShootdownError) return `${error.code} ${error.message}`;
        throw error;
      }
      return 'read';
    };
    expect(bad('')).toMatch(/^bad-input x.json: not JSON/);
    expect(bad('{"schema":"shootdown.sim-run/1","runs":[')).toMatch(/^bad-input x.json: not JSON: line 1/);
    expect(bad('[]')).toMatch(/^bad-input x.json: not a valid recorded jump/);
    expect(bad('{"schema":"shootdown.audit/1"}')).toMatch(/is an audit, .* takes it with --audit/);
    expect(bad('{"schema":"shootdown.plan/1"}')).toMatch(/its schema is none of shootdown\.sim-run\/1/);
    expect(bad('{"schema":"__proto__"}')).toMatch(/its schema is none of/);
    expect(bad(json([]))).toMatch(/has no run/);
    expect(bad(json([{}]))).toMatch(/runs\.0\.scenario: is missing/);
    expect(bad('{"schema":"shootdown.lab-run/1"}')).toMatch(/^bad-input x.json: not a valid lab run/);
    for (const text of fc.sample(fc.json(), 50)) expect(bad(text)).toMatch(/^bad-input x\.json: .*$/);
  });
});

const KNOWN =
  'article|h3|h4|small|p|div|section|ul|li|svg|g|path|rect|line|text|tspan|title|desc|style|b|span|table|caption|thead|tbody|tr|th|td|script';

/** Tags and comments that no component writes, and attributes that act. */
function elementsOf(markup: string): string[] {
  const style = markup.replace(/<style>[^<]*<\/style>/, '').replace(/<\?xml[^>]*\?>/, '');
  const tags = style.match(/<(?:"[^"]*"|[^">])*>?/g) ?? [];
  const known = new RegExp(`^</?(?:${KNOWN})(?=[\\s/>])`);
  const scripts = tags.filter((tag) => tag.startsWith('<script') && !tag.includes('application/json'));
  const acting = tags.filter((tag) => /\son\w+=/.test(tag.replace(/"[^"]*"/g, '""')));
  return [...tags.filter((tag) => !known.test(tag)), ...scripts, ...acting];
}
