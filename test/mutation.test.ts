import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readDump } from '../src/host/dump.js';
import { scan } from '../src/host/scan.js';
import { ShootdownError } from '../src/pci/error.js';
import { audit } from '../src/quiesce/audit.js';
import { defaultPolicy } from '../src/quiesce/default-policy.js';

const MUTATIONS = 100_000;
const MUTATION_MAX_MS = 5_000;
const SEED = Number(process.env['SHOOTDOWN_SEED'] ?? 20_06);
/** Whole functions of each dump up to about this many bytes: more would only repeat the same shapes. */
const TEXT_BYTES = 6_000;

const folder = join(import.meta.dirname, '..', 'dumps');
const dumps = readdirSync(folder)
  .filter((name) => name.endsWith('.txt'))
  .map((name) => ({ name, text: shorten(readFileSync(join(folder, name), 'latin1')) }));

function shorten(text: string): string {
  let kept = '';
  for (const block of text.split(/(?<=\n(?:> ?)*\r?\n)/)) {
    if (kept.length > 0 && kept.length + block.length > TEXT_BYTES) break;
    kept += block;
  }
  return kept;
}

/** mulberry32 */
function generator(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

type Random = (below: number) => number;
const pick = <T>(random: Random, from: readonly [T, ...T[]]): T => from[random(from.length)] ?? from[0];

const JUNK = [
  ...[
    '',
    '\n',
    '\r\n',
    '\0',
    '\u001b[2J',
    '> ',
    '  ',
    ':',
    '.',
    '00: ',
    'ff',
    'fff: 00',
    '1000: 00',
    'ffffffff: 11',
  ],
  ...[
    '00:1f.0 ',
    '10000:00:00.0 x: y',
    'ffffffff:ff:1f.7 x: y\n00: 11',
    '00:20.0 x: y',
    '00:00.8 x: y',
    '\u00ff\u00fe',
  ],
  ...['lspci: what\n', '00 '.repeat(40), 'x'.repeat(300), 'ff ff ff ff', '01 00', '05', '10', '11', 'error'],
] as [string, ...string[]];

/** Changes one byte, one token or one line. */
function mutate(text: string, random: Random): string {
  const at = random(text.length + 1);
  const end = Math.min(text.length, at + 1 + random(random(20) === 0 ? 2000 : 4));
  switch (random(9)) {
    case 0: // a byte, or a bit of it
      return `${text.slice(0, at)}${String.fromCharCode(random(256))}${text.slice(at + 1)}`;
    case 1: {
      const flipped = (text.charCodeAt(at) || 0) ^ (1 << random(8));
      return `${text.slice(0, at)}${String.fromCharCode(flipped & 0xff)}${text.slice(at + 1)}`;
    }
    case 2: // bytes are lost
      return text.slice(0, at) + text.slice(end);
    case 3: // or cut off
      return random(10) === 0 ? text.slice(0, at) : text.slice(0, at) + text.slice(at + 1);
    case 4: // junk comes between
      return text.slice(0, at) + pick(random, JUNK) + text.slice(at);
    case 5: {
      // a hex digit
      const digit = text.slice(at).search(/[0-9a-f]/);
      const where = digit === -1 ? at : at + digit;
      return `${text.slice(0, where)}${random(16).toString(16)}${text.slice(where + 1)}`;
    }
    case 6: {
      // a token becomes another
      const from = text.lastIndexOf(' ', at) + 1;
      const to = text.indexOf(' ', from);
      return to === -1 ? text : text.slice(0, from) + pick(random, JUNK) + text.slice(to);
    }
    case 7: {
      // a line is lost or comes again
      const [from, to] = lineAt(text, at);
      return random(2) === 0 ? text.slice(0, from) + text.slice(to) : text.slice(0, to) + text.slice(from);
    }
    default: {
      // a line moves
      const [from, to] = lineAt(text, at);
      const rest = text.slice(0, from) + text.slice(to);
      const [target] = lineAt(rest, random(rest.length + 1));
      return rest.slice(0, target) + text.slice(from, to) + rest.slice(target);
    }
  }
}

function lineAt(text: string, at: number): [number, number] {
  const from = text.lastIndexOf('\n', Math.max(0, at - 1)) + 1;
  const to = text.indexOf('\n', from);
  return [from, to === -1 ? text.length : to + 1];
}

/** Another reader of header lines, as plain as can be. */
function slotsIn(text: string): Set<string> {
  const slots = new Set<string>();
  const header = /^[ \t>]*(?:([0-9a-f]{4,8}):)?([0-9a-f]{2}):([01][0-9a-f])\.([0-7]) /i;
  for (const line of text.split('\n')) {
    const [, domain = '0', bus, device, fn] = header.exec(line) ?? [];
    if (fn === undefined) continue;
    const number = Number.parseInt(domain, 16).toString(16).padStart(4, '0');
    slots.add(`${number}:${bus}:${device}.${fn}`.toLowerCase());
  }
  return slots;
}

it(`survives ${MUTATIONS} mutations of the project's dumps`, { timeout: 300_000 }, async () => {
  expect(dumps.length).toBeGreaterThanOrEqual(10);
  const policy = defaultPolicy();
  let withFunctions = 0;
  for (let i = 0; i < MUTATIONS; i++) {
    const random = generator(SEED + i);
    // By the seed, so that the replay takes the same one.
    const dump = dumps[(SEED + i) % dumps.length];
    if (!dump) continue;
    let text = dump.text;
    for (let n = 1 + random(6); n > 0; n--) text = mutate(text, random);
    const started = performance.now();
    const replay = `replay: SHOOTDOWN_SEED=${SEED + i} npx vitest run test/mutation.test.ts (${dump.name})`;
    try {
      const machine = await scan(await readDump('mutation', [Buffer.from(text, 'latin1')]));
      const { functions } = audit(machine, policy, 'crash');
      const there = slotsIn(text);
      for (const { node } of functions) {
        const { slot } = node.function;
        if (!there.has(slot)) expect.fail(`${slot} is in no header line; ${replay}`);
      }
      withFunctions++;
    } catch (error) {
      if (!(error instanceof ShootdownError && error.code === 'bad-input')) {
        throw new Error(`mutation ${i}: ${replay}`, { cause: error });
      }
    }
    if (performance.now() - started > MUTATION_MAX_MS) expect.fail(`took too long; ${replay}`);
  }
  expect(withFunctions).toBeGreaterThan(MUTATIONS / 3);
});
