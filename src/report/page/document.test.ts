import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { escapeText, htmlDocument, jsonForScript } from './document.js';

const hash = (text: string) => `sha256-${createHash('sha256').update(text).digest('base64')}`;

describe('a document', () => {
  it('allows its own style and script, and nothing else', () => {
    const html = htmlDocument({ title: 'a < b', style: 'p{}', script: 'f()', body: '<p>x</p>' });
    const policy = /content="(default-src[^"]*)"/.exec(html)?.[1] ?? '';
    expect(policy.split('; ')).toEqual([
      "default-src 'none'",
      `style-src '${hash('p{}')}'`,
      `script-src '${hash('f()')}'`,
      "base-uri 'none'",
      "form-action 'none'",
      "require-trusted-types-for 'script'",
      "trusted-types 'none'",
    ]);
    expect(html).toContain('<title>a &lt; b</title>');
    expect(html).toContain('<style>p{}</style>');
    expect(html).toContain('<p>x</p><script>f()</script></body>');
  });

  it('without a script allows none', () => {
    const html = htmlDocument({ title: '', style: '', body: '' });
    expect(html).not.toContain('script-src');
    expect(html).not.toContain('<script');
  });

  it('refuses what would end its own element', () => {
    for (const parts of [{ style: 'a</STYLE >' }, { script: '"</script"' }, { script: '"<!--"' }])
      expect(() => htmlDocument({ title: '', style: '', body: '', ...parts })).toThrow(/end its own element/);
  });

  it('escapes', () => {
    expect(escapeText(`<a b="c">'&`)).toBe('&lt;a b=&quot;c&quot;&gt;&#39;&amp;');
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const json = jsonForScript(value);
        expect(/[<>&]/.test(json)).toBe(false);
        expect(JSON.parse(json)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});
