import { createHash } from 'node:crypto';
import { ShootdownError } from '../../pci/error.js';

interface DocumentParts {
  /** Text, not markup. */
  readonly title: string;
  readonly style: string;
  /** A classic script that runs at the end of the body; without it the page allows no script at all. */
  readonly script?: string;
  /** Markup, escaped by whoever made it. */
  readonly body: string;
}

/**
 * One self-contained HTML file. Its Content Security Policy allows the one style and the one script that are in it,
 * by their hashes, and nothing else: no request leaves, and markup that got into a name stays without effect.
 * Sinks that turn text into markup are closed to the script too.
 */
export function htmlDocument({ title, style, script, body }: DocumentParts): string {
  if (/<\/style/i.test(style) || /<\/script|<!--/i.test(script ?? '')) {
    throw new ShootdownError('refused', 'a style or script of a page would end its own element');
  }
  const policy = [
    "default-src 'none'",
    `style-src ${sourceHash(style)}`,
    ...(script === undefined ? [] : [`script-src ${sourceHash(script)}`]),
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ];
  return [
    '<!DOCTYPE html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${policy.join('; ')}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    '<meta name="color-scheme" content="light dark">',
    '<meta name="referrer" content="no-referrer">',
    `<title>${escapeText(title)}</title>`,
    `<style>${style}</style>`,
    '</head>',
    `<body>${body}${script === undefined ? '' : `<script>${script}</script>`}</body>`,
    '</html>',
    '',
  ].join('\n');
}

function sourceHash(text: string): string {
  return `'sha256-${createHash('sha256').update(text, 'utf8').digest('base64')}'`;
}

/** Text as it stands in an element or, between double quotes, in an attribute. */
export function escapeText(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? character);
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** A value as JSON for a `<script type="application/json">`: nothing in it can end the element. */
export function jsonForScript(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
