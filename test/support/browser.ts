import { pathToFileURL } from 'node:url';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { hasCommand } from './cli.js';

/** False only where a missing Chromium was allowed by SHOOTDOWN_ALLOW_MISSING; throws where it was not. */
export const haveChromium = () => hasCommand('chromium', 'chromium');

/** Without a sandbox, which root has not; nothing but the files that a test opens. */
const ARGUMENTS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Debian's Chromium with a folder of its own for what it keeps, which goes with it. */
export function openBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: '/usr/bin/chromium', args: ARGUMENTS });
}

export interface OpenedPage {
  readonly page: Page;
  /** Everything that should not happen: messages of the console, errors, dialogs, requests, violations of the policy. */
  readonly problems: string[];
  close(): Promise<void>;
}

/** Opens a file with the network cut, and watches what it does. `fragment` goes to the end of its address. */
export async function openPage(
  browser: Browser,
  file: string,
  options: BrowserContextOptions & { readonly fragment?: string } = {},
): Promise<OpenedPage> {
  const { fragment = '', ...context } = options;
  const opened = await browser.newContext({ viewport: { width: 1440, height: 1000 }, ...context });
  const page = await opened.newPage();
  const problems: string[] = [];
  const { href } = pathToFileURL(file);
  await opened.route('**/*', (route) => {
    const url = route.request().url().replace(/#.*/, '');
    if (url === href) return route.continue();
    problems.push(`request: ${url}`);
    return route.abort();
  });
  page.on('console', (message) => problems.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => problems.push(`error: ${error.message}`));
  page.on('dialog', (dialog) => {
    problems.push(`dialog: ${dialog.message()}`);
    dialog.dismiss().catch(() => {});
  });
  page.on('popup', () => problems.push('popup'));
  await page.goto(href + fragment);
  return { page, problems, close: () => opened.close() };
}
