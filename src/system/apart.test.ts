import { expect, it } from 'vitest';
import { whyApart } from './apart.js';

const ROOTS = { hasProc: true, own: '1:2', first: '1:2' };

it('a system runs unless its root is not that of the first process, or nothing is known of processes', () => {
  expect(whyApart({}, ROOTS)).toBeUndefined();
  expect(whyApart({}, { ...ROOTS, own: '7:2' })).toBe('this is a chroot');
  expect(whyApart({}, { ...ROOTS, first: undefined })).toBeUndefined();
  expect(whyApart({}, { hasProc: false, own: '1:2', first: undefined })).toMatch(/proc is not mounted/);
});

it('who builds an image may say so, as to systemctl', () => {
  expect(whyApart({ SYSTEMD_OFFLINE: '1' }, ROOTS)).toBe('SYSTEMD_OFFLINE is set');
  expect(whyApart({ SYSTEMD_OFFLINE: '0' }, { ...ROOTS, own: '7:2' })).toBeUndefined();
  expect(whyApart({ SYSTEMD_OFFLINE: '' }, ROOTS)).toBeUndefined();
});

it('this process can be asked', () => {
  expect(() => whyApart({})).not.toThrow();
});
