import { expect, it } from 'vitest';
import { lastWords } from './qemu-words.js';

const ASSERTED =
  "qemu-system-x86_64: ../../hw/net/e1000e_core.c:143: e1000e_intrmgr_on_throttling_timer: Assertion `!msix_enabled(timer->core->owner)' failed.";

it('are QEMU’s own, not those of the shell that saw it end', () => {
  expect(lastWords('warning\nqemu: no room\nAborted (core dumped)\n')).toBe('qemu: no room');
  expect(lastWords('Aborted\n')).toBe('Aborted');
  expect(lastWords(' \n')).toBeNull();
});

it('name the mistake of the e1000e by its assertion, and no other abort', () => {
  expect(lastWords(`${ASSERTED}\nAborted\n`)).toMatch(
    /^qemu-system.*failed\. \(a known mistake of QEMU's e1000e/,
  );
  const mirror = ASSERTED.replace('on_throttling', 'on_msix_throttling').replace('!msix', 'msix');
  expect(lastWords(mirror)).toMatch(/known mistake/);
  expect(
    lastWords(ASSERTED.replace('!msix_enabled(timer->core->owner)', 'core->delayed_causes == 0')),
  ).not.toMatch(/known mistake/);
});
