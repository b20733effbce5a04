import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { haveChromium, openBrowser, openPage } from './support/browser.js';
import { shootdown } from './support/cli.js';

/** The jump in a page and in a picture, as people open them. */

const folder = mkdtempSync(join(tmpdir(), 'shootdown-timeline-'));
const at = (name: string) => join(folder, name);
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const SCENARIO = 'bridge-before-child';

function make(kind: 'html' | 'jump-svg', name: string, ...args: string[]): string {
  const { status, stderr } = shootdown(['report', kind, ...args, '-o', at(name)]);
  expect([status, stderr]).toEqual([0, '']);
  return at(name);
}

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('what cannot be shown', () => {
  it('is one clear line and the right status, and nothing is written', () => {
    writeFileSync(at('cut.json'), '{"schema":"shootdown.sim-run/1","runs":[{"scenario":"x');
    writeFileSync(at('audit.json'), '{"schema":"shootdown.audit/1"}');
    writeFileSync(
      at('binary'),
      Uint8Array.from({ length: 100 }, (_, i) => i),
    );
    const cases: [number, RegExp, ...string[]][] = [
      [1, /cut\.json: not JSON: line 1/, 'html', '--jump', at('cut.json')],
      [1, /no such file/, 'jump-svg', '--jump', at('nowhere')],
      [64, /no scenario is called nothing/, 'html', '--scenario', 'nothing'],
      [64, /give one of them/, 'html', '--scenario', SCENARIO, '--jump', at('cut.json')],
      [64, /say which jump to draw/, 'jump-svg'],
      [64, /not a regular file/, 'jump-svg', '--scenario', SCENARIO, '-o', '/dev/null'],
    ];
    for (const [status, said, ...args] of cases) {
      const result = shootdown(['report', ...args]);
      expect([args, result.status, result.stdout]).toEqual([args, status, '']);
      expect(result.stderr).toMatch(said);
      expect(result.stderr.trim().split('\n')).toHaveLength(1);
    }
  });
});

describe.skipIf(!haveChromium())('the jump in a browser', () => {
  let browser: Browser;
  let file = '';

  beforeAll(async () => {
    file = make('html', 'jump.html', '--scenario', SCENARIO);
    browser = await openBrowser();
  });
  afterAll(() => browser?.close());

  async function on(
    path: string,
    options: Parameters<typeof openPage>[2],
    act: (page: Page) => Promise<void>,
  ): Promise<void> {
    const { page, problems, close } = await openPage(browser, path, options);
    try {
      await act(page);
      expect(problems).toEqual([]);
    } finally {
      await close();
    }
  }

  const slider = (page: Page) => page.locator('#tl-slider-0');
  const time = (page: Page) => page.locator('.tl-at').textContent();
  const panels = (page: Page) => page.locator('.tl-now').allTextContents();
  const cursors = (page: Page) =>
    page.$$eval('.tl-cursor', (all) => all.map((line) => Number(line.getAttribute('x1'))));

  it('is moved by slider and keyboard, in both stories at once', async () => {
    await on(file, {}, async (page) => {
      expect(await time(page)).toBe('0.0 ms');
      // The jump is where the old kernel ends.
      for (const panel of await panels(page)) expect(panel).not.toMatch(/now\s*panic/);
      expect(await slider(page).getAttribute('aria-valuetext')).toMatch(/^0\.0 ms\. .*: (purgatory|copy)/);
      await slider(page).focus();
      await page.keyboard.press('Home');
      expect(await time(page)).toBe('−1.0 ms');
      expect(await slider(page).getAttribute('aria-valuetext')).toMatch(
        /policy none, crash path: panic; policy ours/,
      );
      const [first] = await cursors(page);
      await page.keyboard.press('ArrowRight');
      await page.keyboard.press('PageUp');
      const moved = await cursors(page);
      expect(moved).toHaveLength(2);
      expect(moved[0]).toBe(moved[1]);
      expect(moved[0]).toBeGreaterThan(first ?? Number.NaN);
      await page.keyboard.press('End');
      const [none = '', ours = ''] = await panels(page);
      expect(none).toMatch(/now\s*stuck on an NMI from firmware[\s\S]*hit so far\s*the dump \(\d+\)/);
      expect(ours).toMatch(/hit so far\s*nothing/);
      // Half of the way: without ours the adapter writes, with ours it is gated.
      await slider(page).fill('450');
      const [without = '', with_ = ''] = await panels(page);
      expect(without).toMatch(/still writes\s*02:00\.0[\s\S]*gated\s*none/);
      expect(with_).toMatch(/still writes\s*none[\s\S]*gated\s*01:00\.0, 02:00\.0/);
      expect(await page.locator('.tl-stage.tl-is').count()).toBe(2);
    });
  });

  it('goes to an event that is clicked, and shows one stage or one function', async () => {
    await on(file, {}, async (page) => {
      const row = page.locator('.tl-list').nth(1).locator('tr.tl-r-gate').first();
      await row.locator('button').click();
      expect(await time(page)).toMatch(/^\+15\.\d ms$/);
      const [story] = await cursors(page);
      const mark = page.locator('.tl-story').nth(1).locator('.tl-k-gate .tl-glyph').first();
      const place = /translate\(([\d.]+)/.exec((await mark.getAttribute('transform')) ?? '')?.[1];
      expect(Math.abs((story ?? 0) - Number(place))).toBeLessThan(1);
      expect(await row.getAttribute('class')).not.toContain('tl-yet');
      expect(await page.locator('tr.tl-yet').count()).toBeGreaterThan(20);
      const before = await time(page);
      await page.locator('#tl-stage-0').selectOption({ label: 'stub' });
      expect(await time(page)).toBe(before);
      expect(await page.locator('.tl-axis text').first().textContent()).toBe('+15');
      await slider(page).press('End');
      expect(await time(page)).toBe('+15.6 ms');
      const rows = await page.locator('.tl-row').count();
      await page.locator('#tl-function-0').selectOption({ label: '02:00.0' });
      expect(await page.locator('.tl-row').count()).toBe(rows - 6);
      await page.locator('#tl-stage-0').selectOption({ label: 'all of the jump' });
      await page
        .locator('.tl-ground')
        .first()
        .click({ position: { x: 5, y: 60 } });
      expect(await time(page)).toBe('−0.9 ms');
    });
  });

  it('shows the very moment of each event that is clicked', async () => {
    await on(file, {}, async (page) => {
      expect(await page.locator('.tl-list:nth-of-type(2) .tl-go').count()).toBeGreaterThan(20);
      // Clicked within the page: a call for each would take long.
      const wrong = await page.evaluate(`(async () => {
        const wrong = [];
        for (const button of [...document.querySelectorAll('.tl-list:nth-of-type(2) .tl-go')]) {
          button.click();
          await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
          const row = button.closest('tr');
          const shown = document.querySelector('.tl-at').textContent;
          if (shown !== button.textContent + ' ms' || row.classList.contains('tl-yet'))
            wrong.push(button.textContent + ' shows ' + shown);
        }
        return wrong;
      })()`);
      expect(wrong).toEqual([]);
    });
  });

  it('plays and pauses, in few steps where motion is not wanted', async () => {
    for (const reducedMotion of ['no-preference', 'reduce'] as const) {
      await on(file, { reducedMotion }, async (page) => {
        const start = Number(await slider(page).inputValue());
        await page.getByRole('button', { name: 'Play' }).click();
        await expect.poll(async () => Number(await slider(page).inputValue())).toBeGreaterThan(start);
        await page.getByRole('button', { name: 'Pause' }).click();
        const stopped = Number(await slider(page).inputValue());
        if (reducedMotion === 'reduce') expect(stopped - start).toBeGreaterThan(30);
        await page.evaluate(
          'new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))',
        );
        expect(Number(await slider(page).inputValue())).toBe(stopped);
      });
    }
  });

  it('is all there without a script', async () => {
    await on(file, { javaScriptEnabled: false }, async (page) => {
      expect(await page.locator('.tl-controls, .tl-now, .tl-cursor').count()).toBe(0);
      expect(await page.locator('.tl-story svg[role=img]').count()).toBe(2);
      const text = await textOf(page.locator('#jump'));
      for (const said of [
        '−1.0 the old kernel panics on processor 0; no device is told',
        'goes on writing: 1024 bytes at 00eda800 (dma-buffer), which breaks the dump',
        'Command 0006 → 0402: the stub turns bus mastering off and INTx off',
        'Hit: the dump, 3 pages (from 00eda000) by 02:00.0, first at +109.1 ms.',
        '✗ hung, corrupted',
        '✓ clean',
      ])
        expect(text).toContain(said);
    });
  });

  it('has no fault that axe finds, in light and dark, and fits a phone', async () => {
    for (const [colorScheme, how] of [
      ['light', '{}'],
      ['dark', '{ runOnly: ["color-contrast"] }'],
    ] as const) {
      await on(file, { colorScheme, bypassCSP: true }, async (page) => {
        await slider(page).fill('600');
        await page.evaluate(AXE);
        const found = await page.evaluate(`axe.run("#jump", ${how}).then(({ violations }) => violations)`);
        const said = (found as Violation[]).map(({ id, nodes }) => `${id}: ${nodes[0]?.html}`);
        expect(said).toEqual([]);
      });
    }
    await on(file, { viewport: { width: 390, height: 800 } }, async (page) => {
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390);
      // The rows' names stay where they are, over those in the picture, which goes.
      const lefts = () =>
        page.$eval('.tl-wide', (wide) =>
          [...wide.querySelectorAll('.tl-label')]
            .filter(({ textContent }) => textContent.startsWith('processor'))
            .map((name) => name.getBoundingClientRect().left),
        );
      const [before = 0, beside = 0] = await lefts();
      expect(before).toBeGreaterThan(0);
      expect(Math.abs(before - beside)).toBeLessThan(1);
      await page.$eval('.tl-scroll', (box) => box.scrollTo({ left: 300, behavior: 'instant' }));
      const [after = 0, gone = 0] = await lefts();
      expect(Math.abs(after - before)).toBeLessThan(1);
      expect(before - gone).toBeGreaterThan(250);
    });
  });

  it('is named at the top of its page, by policy and verdict', async () => {
    await on(file, {}, async (page) => {
      const links = page.locator('header .tl-links li');
      const said = (await links.allTextContents()).map((text) => text.trim());
      expect(said).toHaveLength(2);
      expect(said[0]).toMatch(/^policy none, [a-z]+ path: ✗ /);
      expect(said[1]).toMatch(/^policy ours, [a-z]+ path: ✓ clean$/);
      await links.nth(1).locator('a').click();
      expect(await page.locator('#tl-0-1').textContent()).toContain('policy ours');
      expect(new URL(page.url()).hash).toBe('#tl-0-1');
    });
  });

  it('of a hostile file injects nothing', async () => {
    const bad = '</script><img src=x onerror=alert(1)><b onload="alert(2)">';
    const printed = shootdown(['sim', 'run', SCENARIO, '--policy', 'none', '--trace', '--json']);
    const told = JSON.parse(printed.stdout);
    const [run] = told.runs;
    Object.assign(run, { scenario: bad, title: bad, policy: bad, verdicts: [bad] });
    for (const entry of run.timeline) if (entry.slot) entry.text = bad;
    for (const event of run.trace) if (event.driver) event.driver = bad;
    writeFileSync(at('hostile.json'), JSON.stringify(told));
    await on(make('html', 'hostile.html', '--jump', at('hostile.json')), {}, async (page) => {
      expect(await page.locator('img, b[onload], iframe').count()).toBe(0);
      expect(await page.locator('.tl-list').textContent()).toContain(bad);
      await slider(page).fill('500');
      expect(await page.locator('.tl-cursor').count()).toBe(1);
    });
    await on(make('jump-svg', 'hostile.svg', '--jump', at('hostile.json')), {}, async (page) => {
      expect(await page.evaluate('document.documentElement.localName')).toBe('svg');
      expect(await page.locator('script, image, foreignObject, a, img').count()).toBe(0);
      expect(await page.locator('.tl-title').textContent()).toBe(bad);
    });
  });
});

/** As it is read: cells and lines apart. */
async function textOf(part: Locator): Promise<string> {
  const texts = await part.locator('p, h4, td, th, caption, li').allTextContents();
  return texts
    .map((text) => text.trim())
    .filter((text) => text !== '')
    .join(' ');
}

interface Violation {
  readonly id: string;
  readonly nodes: readonly { readonly html: string }[];
}
