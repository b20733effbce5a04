import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FileSplitter, type FleetRecord, RecordSplitter } from './records.js';

function split(bytes: Uint8Array, cuts: readonly number[] = [], max?: number): FleetRecord[] {
  const splitter = new RecordSplitter(max);
  const records: FleetRecord[] = [];
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  let from = 0;
  for (const end of [...ends, bytes.length]) {
    records.push(...splitter.push(bytes.slice(from, end)));
    from = end;
  }
  records.push(...splitter.end());
  return records;
}

const texts = (text: string, max?: number) =>
  split(Buffer.from(text), [], max).map((one) => `${one.line}: ${one.text ?? 'too long'}`);

describe('records', () => {
  it('are lines of JSON, and JSON over many lines, one after another', () => {
    const pretty = JSON.stringify({ a: [1, { b: 2 }], c: '{' }, null, 2);
    expect(texts(`{"a":1}\n\n{"b":2}\r\n${pretty}\n${pretty}\n{"c":3}`)).toEqual([
      '1: {"a":1}',
      '3: {"b":2}\r',
      `4: ${pretty}`,
      `13: ${pretty}`,
      '22: {"c":3}',
    ]);
  });

  it('that are cut off cost nothing but themselves', () => {
    expect(texts('{"a":1\n{"b":2}\n{\n  "c": [\n{"d":4}\n')).toEqual([
      '1: {"a":1',
      '2: {"b":2}',
      '3: {\n  "c": [',
      '5: {"d":4}',
    ]);
    expect(texts('lspci\n00:00.0\n  x\n{"a":1}\n]\n  tail\n}\n{"b":2}')).toEqual([
      '1: lspci',
      '4: {"a":1}',
      '5: ]',
      '8: {"b":2}',
    ]);
  });

  it('that were written behind half a line come out whole, and the half by itself', () => {
    const audit = (host: string) => `{"schema":"shootdown.audit/1","host":"${host}"}`;
    const half = audit('a').slice(0, -4);
    const list = `[${audit('a')},${audit('b')}]`;
    const text = `{"was":{"schema":"shootdown.audit/1"}}`;
    expect(texts(`${half}${audit('b')}\n${half}${half}${audit('c')}\nbye${half}\n${list}\n${text}`)).toEqual([
      `1: ${half}`,
      `1: ${audit('b')}`,
      `2: ${half}`,
      `2: ${half}`,
      `2: ${audit('c')}`,
      '3: bye',
      `3: ${half}`,
      `4: ${list}`,
      `5: ${text}`,
    ]);
  });

  it('that are lists come out whole', () => {
    expect(texts('[{"a":1}]\n[\n  {\n  }\n]\n{"b":1}')).toEqual([
      '1: [{"a":1}]',
      '2: [\n  {\n  }\n]',
      '6: {"b":1}',
    ]);
  });

  it('longer than allowed are left out, whether in one line or in many', () => {
    const long = JSON.stringify({ a: 'x'.repeat(100) });
    const pretty = JSON.stringify({ a: Array(40).fill('x') }, null, 2);
    expect(texts(`${long}\n{"b":1}\n${pretty}\n{"c":1}`, 50)).toEqual([
      '1: too long',
      '2: {"b":1}',
      '3: too long',
      '47: {"c":1}',
    ]);
    expect(texts(long, 50)).toEqual(['1: too long']);
    expect(texts(`{"b":1}\n${'x'.repeat(100)}\n{"c":1}`, 50)).toEqual([
      '1: {"b":1}',
      '2: too long',
      '3: {"c":1}',
    ]);
  });

  it('of a file that should hold one are that one, however it is indented', () => {
    const value = { a: { b: 1 }, c: [{ d: 2 }, { e: 3 }], f: [] };
    const whole = (text: string) => {
      const splitter = new FileSplitter();
      return [...splitter.push(Buffer.from(text)), ...splitter.end()].map((one) => one.text);
    };
    const flat = JSON.stringify(value, null, 1).replace(/^ +/gm, '');
    expect(texts(flat).length).toBeGreaterThan(3);
    expect(whole(flat)).toEqual([flat]);
    expect(whole(`${flat}\n`)).toEqual([`${flat}\n`]);
    const pretty = JSON.stringify(value, null, 2);
    expect(whole(pretty)).toEqual([pretty]);
    expect(whole(`${pretty}\n{"b":2}\n{"c":3}`)).toEqual([pretty, '{"b":2}', '{"c":3}']);
    expect(whole('{"cut":\n{"b":2}\n')).toEqual(['{"cut":', '{"b":2}']);
    const broken = new FileSplitter();
    expect([...broken.push(Buffer.from('{"cut":\n{"b":2}\n{"c":')), ...broken.broken()]).toHaveLength(2);
  });

  it('do not depend on how the bytes come', () => {
    const value = fc.jsonValue({ maxDepth: 2 });
    const piece = fc.oneof(
      value.map((one) => `${JSON.stringify({ one })}\n`),
      value.map((one) => `${JSON.stringify({ one, ü: '€😀' }, null, 2)}\n`),
      fc.constantFrom('{"schema":"shootdown.audit/1"', '{"schema":"shootdown.audit/1"}\n'),
      fc.constantFrom('\n', '{"cut":\n', '  \r\n', 'text\n', '}\n', '[\n', `{"long":"${'é'.repeat(40)}"}\n`),
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 12 }),
        fc.array(fc.nat({ max: 3000 }), { maxLength: 30 }),
        fc.constantFrom(60, 1000),
        (pieces, cuts, max) => {
          const bytes = Buffer.from(pieces.join(''));
          expect(split(bytes, cuts, max)).toEqual(split(bytes, [], max));
        },
      ),
      { numRuns: 300 },
    );
  });
});
