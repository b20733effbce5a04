import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { benchMachine } from '../bench/machine.js';
import { audit } from '../src/quiesce/audit.js';
import { defaultPolicy } from '../src/quiesce/default-policy.js';
import { auditJson } from '../src/report/audit-json.js';
import { haveChromium, type OpenedPage, openBrowser, openPage } from './support/browser.js';
import { shootdown } from './support/cli.js';
import { formatDump } from './support/encode.js';
import { groupedMachine, HOSTILE, hostileAudit, hostileDump } from './support/page-machines.js';

/** Reports as people open them: from a file, in a browser whose network is cut. */

const folder = mkdtempSync(join(tmpdir(), 'shootdown-pages-'));
const at = (name: string) => join(folder, name);
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

function make(kind: 'html' | 'svg', name: string, ...args: string[]): string {
  const file = at(`${name}.${kind}`);
  const { status, stderr } = shootdown(['report', kind, ...args, '-o', file]);
  expect(stderr).toBe('');
  expect(status).toBe(0);
  return file;
}

const visibleRows = (page: Page) => page.locator('#functions-table tbody tr:visible');
const matches = (page: Page) => page.locator('#found').textContent();
const way = (page: Page) => page.locator('#way').textContent();

describe.skipIf(!haveChromium())('a report in a browser', () => {
  let browser: Browser;
  let opened: OpenedPage | undefined;

  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Opens, acts, and expects that nothing happened that should not. */
  async function on(
    file: string,
    options: Parameters<typeof openPage>[2],
    act: (page: Page) => Promise<void>,
  ): Promise<void> {
    opened = await openPage(browser, file, options);
    try {
      await act(opened.page);
      expect(opened.problems).toEqual([]);
    } finally {
      await opened.close();
    }
  }

  it('of the demo: searches, filters, and keeps its state in the address', async () => {
    const file = make('html', 'server', '--host', 'sim:server');
    let address = '';
    await on(file, {}, async (page) => {
      expect(await page.locator('h1').textContent()).toBe(
        'If this kernel panicked now, 7 functions could keep writing to memory.',
      );
      expect(await matches(page)).toBe('17 functions');
      await page.fill('[name=q]', 'E1000E');
      expect(await matches(page)).toBe('1 of 17 functions');
      // Its bridges stay, to show where it is.
      expect(await visibleRows(page).count()).toBe(5);
      await page.fill('[name=q]', '');
      await page.selectOption('[name=verdict]', 'live');
      await page.selectOption('[name=action]', 'exempt');
      expect(await matches(page)).toBe('3 of 17 functions');
      address = new URL(page.url()).hash;
      expect(address).toBe('#verdict=live&action=exempt');
    });
    await on(file, { fragment: `${address}&fn=0000:00:02.0` }, async (page) => {
      expect(await matches(page)).toBe('3 of 17 functions');
      expect(await way(page)).toBe('Way to memory: 0000:00:02.0 → no IOMMU group → memory');
      await page.click('[type=reset]');
      await expect.poll(() => matches(page)).toBe('17 functions');
      // From a row to what its finding means.
      await page.locator('[id="fn=0000:04:00.0"] .find a').click();
      expect(await page.locator('#SD003-warning .advice').isVisible()).toBe(true);
    });
  });

  it('ignores in the address what the form does not offer', async () => {
    await on(at('server.html'), { fragment: '#verdict=bogus&driver=e1000e&group=4' }, async (page) => {
      expect(await matches(page)).toBe('1 of 17 functions');
      expect(await page.inputValue('[name=verdict]')).toBe('');
    });
  });

  it('cuts no verdict, and no text by the frame of a row', async () => {
    for (const width of [900, 1440]) {
      await on(at('server.html'), { viewport: { width, height: 900 } }, async (page) => {
        const cut = await page.$$eval('.tree td.v', (all) =>
          all.filter((cell) => {
            cell.setAttribute('class', 'v unknown');
            cell.textContent = 'unknown';
            return cell.scrollWidth > cell.clientWidth;
          }),
        );
        expect([width, cut.length]).toEqual([width, 0]);
        await page.locator('[id="fn=0000:04:00.0"]').focus();
        const free = await page.$eval('[id="fn=0000:04:00.0"]', (row) => {
          const edge = row.getBoundingClientRect().right;
          const ends = [...row.querySelectorAll('.pol,summary')].map(
            (part) => part.getBoundingClientRect().right,
          );
          return edge - Math.max(...ends);
        });
        expect(free).toBeGreaterThanOrEqual(4);
      });
    }
  });

  it('goes by the keys of a treegrid', async () => {
    await on(at('server.html'), {}, async (page) => {
      const focused = () => page.evaluate('document.activeElement.id');
      const press = async (...keys: string[]) => {
        for (const key of keys) await page.keyboard.press(key);
        return focused();
      };
      await page.focus('#functions-table tbody tr');
      expect(await press('ArrowDown', 'ArrowDown')).toBe('fn=0000:00:01.0');
      expect(await press('ArrowRight')).toBe('fn=0000:01:00.0');
      expect(await press('ArrowLeft')).toBe('fn=0000:00:01.0');
      await press('ArrowLeft');
      expect(await page.getAttribute('[id="fn=0000:00:01.0"]', 'aria-expanded')).toBe('false');
      expect(await press('ArrowDown')).toBe('fn=0000:00:02.0');
      expect(await press('End')).toBe('fn=0000:00:1f.3');
      expect(await press('Home', 'ArrowUp')).toBe('bus=0000:00');
      await page.locator('[id="fn=0000:04:00.0"]').focus();
      await press('Enter');
      expect(await page.locator('[id="fn=0000:04:00.0"] dl').isVisible()).toBe(true);
      const path = ['0000:03:01.0', '0000:02:00.0', '0000:00:1c.0'];
      expect(await way(page)).toContain(`0000:04:00.0 → ${path.join(' → ')} → `);
      for (const name of [...path, '0000:04:00.0', '0000:00', 'memory'])
        expect(await page.locator(`.picture .l.on[data-n="${name}"]`).count()).toBe(1);
      expect(await page.locator('.picture .l.on').count()).toBe(6);
      // In the row Tab goes on to its links; behind the table is the way.
      expect(await press('Tab')).toBe('');
      expect(await press('Escape')).toBe('fn=0000:04:00.0');
    });
  });

  it('is complete without a script', async () => {
    await on(at('server.html'), { javaScriptEnabled: false }, async (page) => {
      expect(await page.locator('#filter').isVisible()).toBe(false);
      expect(await visibleRows(page).count()).toBe(18);
      await page.locator('[id="fn=0000:04:00.0"] summary').click();
      expect(await page.locator('[id="fn=0000:04:00.0"] dl').textContent()).toMatch(
        /PCI_COMMAND\s*0406[\s\S]*rule otherwise[\s\S]*step 1, 7, 11[\s\S]*0000:03:01\.0/,
      );
      await page.locator('#findings summary').nth(1).click();
      await page.locator('#findings a', { hasText: '0000:05:00.0' }).click();
      expect(page.url()).toMatch(/#fn=0000:05:00\.0$/);
      expect(await page.locator('#plan').textContent()).toMatch(/1–6[\s\S]*PCI_COMMAND@04=0400:0404/);
    });
  });

  it('of 4,096 functions: folded, and each can be found', async () => {
    const functions = benchMachine({ liveOneIn: 40, msix: true });
    const entries = functions.map(({ slot, config }) => ({ slot, bytes: config.subarray(0, 256) }));
    writeFileSync(at('many.txt'), formatDump(entries));
    const file = make('html', 'many', '-F', at('many.txt'));
    expect(readFileSync(file).length).toBeLessThan(8e6);
    await on(file, {}, async (page) => {
      expect(await matches(page)).toBe('4096 functions');
      expect(await visibleRows(page).count()).toBe(257);
      expect(await page.locator('.picture .leaf').count()).toBeLessThan(80);
      await page.selectOption('[name=verdict]', 'live');
      expect(await matches(page)).toBe('96 of 4096 functions');
      await page.click('[type=reset]');
      await page.fill('[name=q]', '00:c8:01.3');
      expect(await matches(page)).toBe('1 of 4096 functions');
      await page.evaluate('location.hash = "fn=0000:c8:01.3"');
      await page.locator('.members .hit').waitFor();
      expect(await page.locator('.members .hit').textContent()).toContain('0000:c8:01.3');
      expect(await page.locator('tr[aria-selected=true]').isVisible()).toBe(true);
      expect(await way(page)).toContain('0000:c8:01.3 → 0000:00:19.0 → ');
    });
  });

  it('of virtual functions and IOMMU groups that are shared', async () => {
    const machine = await groupedMachine();
    writeFileSync(at('groups.json'), JSON.stringify(auditJson(audit(machine, defaultPolicy(), 'crash'))));
    const file = make('html', 'groups', '--audit', at('groups.json'));
    await on(file, { fragment: '#group=2' }, async (page) => {
      expect(await matches(page)).toBe('3 of 30 functions');
      expect(await page.locator('[id="fn=0000:02:00.1"]').textContent()).toContain('×3');
      await page.fill('[name=group]', '105');
      expect(await matches(page)).toBe('1 of 30 functions');
      await page.locator('#tree summary').click();
      expect(await page.locator('#tree table').textContent()).toMatch(/2DMA0000:00:02\.0 \(bridge\)/);
    });
  });

  it('injects nothing, whatever the names are', async () => {
    writeFileSync(at('hostile.json'), await hostileAudit());
    writeFileSync(at('hostile.txt'), hostileDump());
    const files = [
      make('html', 'hostile', '--audit', at('hostile.json')),
      make('html', 'hostile-dump', '-F', at('hostile.txt')),
    ];
    for (const file of files) {
      await on(file, {}, async (page) => {
        const counts = 'script, img, iframe, style, object, embed, base, link, form';
        const names = await page.$$eval(counts, (all) => all.map(({ localName }) => localName).sort());
        expect(names).toEqual(['form', 'script', 'style']);
        const handlers = await page.$$eval('*', (all) =>
          all.flatMap(({ attributes }) =>
            [...attributes].map(({ name }) => name).filter((name) => /^on|^style$|^srcdoc$/.test(name)),
          ),
        );
        expect(handlers).toEqual([]);
        const links = await page.$$eval('a', (all) => all.map((a) => a.getAttribute('href') ?? ''));
        expect(links.filter((href) => !/^(#|https?:\/\/)/.test(href))).toEqual([]);
        const text = (await page.locator('main').textContent()) ?? '';
        // What reads dumps leaves no blank in a driver's name.
        const shown = (name: string) => text.includes(name) || text.includes(name.replaceAll(' ', '?'));
        expect(HOSTILE.slice(0, 7).filter((name) => !shown(name))).toEqual([]);
        expect(/[\u202e\u2066\u0007]/.test(text)).toBe(false);
      });
    }
    const svg = make('svg', 'hostile', '--audit', at('hostile.json'));
    await on(svg, {}, async (page) => {
      expect(await page.evaluate('document.documentElement.localName')).toBe('svg');
      expect(await page.locator('script, image, foreignObject, a').count()).toBe(0);
    });
  });

  it('is held to its policy by the browser', async () => {
    opened = await openPage(browser, at('server.html'));
    await opened.page.evaluate(`
      const element = (name, more) => document.body.append(Object.assign(document.createElement(name), more));
      element('img', { src: 'https://example.org/a.png' });
      element('style', { textContent: 'body { display: none }' });
      try { element('script', { textContent: 'alert(1)' }); } catch {}
      fetch('https://example.org/b').catch(() => {});
    `);
    await expect.poll(() => opened?.problems.length).toBeGreaterThan(3);
    const refused = opened.problems.filter((problem) => /Content Security Policy|Trusted/i.test(problem));
    expect(opened.problems.filter((problem) => /^(request|dialog)/.test(problem))).toEqual([]);
    expect(refused.length).toBeGreaterThan(3);
    expect(await opened.page.locator('h1').isVisible()).toBe(true);
    await opened.close();
  });

  it('has no fault that axe finds, in light and dark', async () => {
    const cases = [
      ['groups.html', 'light', '#fn=0000:01:02.1', '{}'],
      ['hostile.html', 'light', '#fn=0000:04:00.0', '{}'],
      ['groups.html', 'dark', '#fn=0000:01:00.0', '{ runOnly: ["color-contrast"] }'],
    ] as const;
    for (const [file, colorScheme, fragment, how] of cases) {
      // What axe does in the page its policy forbids.
      await on(at(file), { colorScheme, fragment, bypassCSP: true }, async (page) => {
        await page.$$eval('details', (all) => {
          for (const details of all) details.open = true;
        });
        await page.evaluate(AXE);
        const found = await page.evaluate(`axe.run(${how}).then(({ violations }) => violations)`);
        const said = (found as Violation[]).map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`);
        expect(said).toEqual([]);
      });
    }
  });

  it('fits a phone', async () => {
    await on(at('server.html'), { viewport: { width: 390, height: 800 } }, async (page) => {
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390);
      const tops = await page.$eval('[id="fn=0000:04:00.0"]', (row) =>
        [...row.querySelectorAll('th,.v,.stp,.drv')].map((cell) => cell.getBoundingClientRect().bottom),
      );
      const [slot = 0, verdict = 0, step = 0, driver = 0] = tops;
      expect(Math.max(Math.abs(verdict - slot), Math.abs(step - slot))).toBeLessThan(8);
      expect(driver - slot).toBeGreaterThan(20);
    });
  });

  it('hints that more of the picture follows at the right, and no longer at its end', async () => {
    await on(at('server.html'), { viewport: { width: 900, height: 800 } }, async (page) => {
      const shot = async (left: number) => {
        await page.$eval('.scroll', (box, to) => box.scrollTo(to, 0), left);
        await page.locator('.scroll').scrollIntoViewIfNeeded();
        const box = await page.locator('.scroll').boundingBox();
        const { x = 0, y = 0, width = 0 } = box ?? {};
        return page.screenshot({ clip: { x: x + width - 3, y: y + 2, width: 3, height: 8 } });
      };
      const hint = await shot(0);
      const none = await shot(9999);
      expect(hint.equals(none)).toBe(false);
      expect(await page.locator('.picture text.h').allTextContents()).toEqual([
        ...['slot', 'verdict', 'step', 'driver', 'policy', 'device'],
      ]);
    });
  });
});

describe('report html and svg', () => {
  const report = (...args: string[]) => {
    const { status, stdout, stderr } = shootdown(['report', ...args]);
    expect(stderr.split('\n').length).toBeLessThanOrEqual(2);
    return { status, stdout, stderr };
  };

  it('say in one line what is wrong, and leave what is there', () => {
    const place = mkdtempSync(join(tmpdir(), 'shootdown-report-'));
    const bad = (name: string, content: string | Uint8Array) => {
      writeFileSync(join(place, name), content);
      return join(place, name);
    };
    const output = bad('out.html', 'old');
    const cases: [string[], number, RegExp][] = [
      [['--audit', bad('cut.json', '{"schema": "shootdown.audit/1", ')], 1, /cut\.json: not JSON/],
      [['--audit', bad('plan.json', '{"schema": "shootdown.plan/1"}')], 1, /plan\.json: not a valid audit/],
      [['-F', bad('random', new Uint8Array(5000).fill(0xfe))], 1, /random/],
      [['--audit', join(place, 'none')], 1, /none: no such file/],
      [['--audit', place], 1, /a folder, not a file/],
      [['--audit', output, '--host', 'sim:server'], 64, /leave --host out/],
      [['--host', 'sim:nothing'], 64, /nothing/],
    ];
    for (const [index, [args, wanted, message]] of cases.entries()) {
      const kind = index % 2 === 0 ? 'html' : 'svg';
      const { status, stdout, stderr } = report(kind, ...args, '-o', output);
      expect({ args, status, stdout }).toEqual({ args, status: wanted, stdout: '' });
      expect(stderr).toMatch(message);
    }
    expect(readFileSync(output, 'utf8')).toBe('old');
    const folder = report('html', '--host', 'sim:server', '-o', place);
    expect(folder.status).toBe(64);
    expect(folder.stderr).toMatch(/is not a regular file/);
    const twice = report('html', '--scenario', 'driverless-nic', '--host', 'sim:server');
    expect(twice).toMatchObject({ status: 64, stdout: '' });
    rmSync(place, { recursive: true });
  });

  it('write the same to standard output, whenever they run', () => {
    const [first, again] = [
      report('svg', '--host', 'sim:server'),
      report('svg', '--host', 'sim:server', '-o', '-'),
    ];
    expect(first.stdout).toMatch(/^<\?xml[\s\S]*<\/svg>\n$/);
    expect(again).toEqual(first);
  });
});

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string }[];
}
