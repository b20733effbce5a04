import { printable } from '../pci/printable.js';

/** What the shell that QEMU runs under says after QEMU's own last words. */
const SHELL_SAID = /^Aborted(?: \(core dumped\))?$/;
/**
 * Two assertions in QEMU's model of the e1000e: a driver turned MSI-X on, or off, within 128 us of an interrupt of the
 * other kind (hw/net/e1000e_core.c of 7.2, the timers of register ITR). Met with and without a shootdown.
 */
const E1000E_ASSERTS =
  /e1000e_core\.c:\d+: e1000e_intrmgr_on_(?:msix_)?throttling_timer: Assertion `!?msix_enabled/;

/** The last that QEMU said of itself, in one line; `null` if it said nothing. */
export function lastWords(stderr: string): string | null {
  const lines = stderr
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const last = lines.filter((line) => !SHELL_SAID.test(line)).at(-1) ?? lines.at(-1);
  if (last === undefined) return null;
  return E1000E_ASSERTS.test(last)
    ? `${printable(last)} (a known mistake of QEMU's e1000e, with and without shootdown: this says nothing of the guest)`
    : printable(last);
}
