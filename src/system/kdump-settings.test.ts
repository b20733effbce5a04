import { describe, expect, it } from 'vitest';
import { kdumpLine, parseKdumpSettings } from './kdump-settings.js';

const LINE = kdumpLine('/usr/share/shootdown/integrations/lib');

describe('the settings of kdump-tools', () => {
  it('are those of a shell, as far as plain assignments go', () => {
    expect(
      parseKdumpSettings(
        '#USE_KDUMP=0\nUSE_KDUMP=1\nKDUMP_KERNEL=/var/lib/kdump/vmlinuz\nKDUMP_COREDIR="/srv/crash/"\nexport NFS=host:/d # x\n',
      ),
    ).toEqual({
      on: true,
      coredir: '/srv/crash',
      remote: true,
      kernel: '/var/lib/kdump/vmlinuz',
      initrd: '',
      lib: null,
      overridden: false,
      continued: false,
    });
    expect(parseKdumpSettings('')).toMatchObject({ on: false, coredir: '/var/crash', remote: false });
    expect(parseKdumpSettings("USE_KDUMP='0'\nUSE_KDUMP=1;x\n").on).toBe(true);
    expect(parseKdumpSettings('USE_KDUMP=1\nUSE_KDUMP=0\n').on).toBe(false);
  });

  it.each<[string, boolean]>([
    ['A=1 \\\n', true],
    ['A="x \\', true],
    ['A=1\nB=\\\\\\\n', true],
    ['A=1\\\\\n', false],
    ['A=1 \\\nB=2\n', false],
    ['# a comment \\\n', false],
    ['A=1 \\\n\n', false],
    ['', false],
  ])('%j goes on in our line: %s', (text, continued) => {
    expect(parseKdumpSettings(text).continued).toBe(continued);
    const end = text.endsWith('\n') ? '' : '\n';
    expect(parseKdumpSettings(`${text}${end}${LINE}\n`).continued).toBe(continued);
  });

  it('tell what is set before our line from what is set behind it', () => {
    const before = parseKdumpSettings(`KDUMP_KERNEL=/boot/mine\n${LINE}\nUSE_KDUMP=1\n`);
    expect(before).toMatchObject({
      kernel: '/boot/mine',
      lib: '/usr/share/shootdown/integrations/lib',
      overridden: false,
      on: true,
    });
    const behind = parseKdumpSettings(`${LINE}\nKDUMP_KERNEL=/boot/mine`);
    expect(behind).toMatchObject({ kernel: '', overridden: true });
    expect(parseKdumpSettings(`# ${LINE}\n`).lib).toBeNull();
  });
});
