import { expect, it } from 'vitest';
import { sameFunctions } from './guest-apply.js';
import { type GuestFunction, parseFunctions } from './guest-pci.js';

/** An Express function without a driver, with this byte at this offset. */
function functionWith(offset: number, value: number): readonly GuestFunction[] {
  const config = Buffer.alloc(4096);
  config.writeUInt32LE(0x10d3_8086, 0);
  config.writeUInt8(value, offset);
  return parseFunctions(`0000:00:05.0 - ${config.toString('hex')}\n`);
}

it('restore is held to every byte of configuration space but those of Status', () => {
  const before = functionWith(0x04, 7);
  expect(sameFunctions(before, functionWith(0x04, 7))).toBe(true);
  expect(sameFunctions(functionWith(0x07, 0), functionWith(0x07, 0x20))).toBe(true);
  expect(sameFunctions(before, functionWith(0x04, 3))).toBe(false);
  expect(sameFunctions(functionWith(0xfff, 0), functionWith(0xfff, 1))).toBe(false);
  expect(sameFunctions(before, [])).toBe(false);
  const [one] = before;
  if (one === undefined) throw new Error('there is one');
  expect(sameFunctions(before, [{ ...one, driver: 'e1000e' }])).toBe(false);
  expect(sameFunctions(before, [{ ...one, config: one.config.subarray(0, 256) }])).toBe(false);
});
