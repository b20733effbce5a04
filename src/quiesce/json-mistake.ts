// RFC 8259, token by token, for what JSON.parse does not say: where a mistake is (Node 20 often names no place), and
// that a key stands twice. It looks at what JSON.parse refused, or at what shall hold no key twice.

/** A mistake in JSON text. Lines and columns count from 1, columns in UTF-16 units, as editors do. */
export interface JsonMistake {
  readonly line: number;
  readonly column: number;
  readonly text: string;
}

const SPACE = /[ \t\n\r]*/y;
/** All but texts: a pattern for those as a whole would run out of stack in a long one. */
const TOKEN = /[{}[\],:]|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.+-])|(?:true|false|null)(?!\w)/y;
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const SHOWN_MAX = 20;

/** An object or list that is open, with the keys of the object so far. */
interface Open {
  readonly keys: Set<string> | null;
  readonly from: number;
}

type Expected = 'value' | 'value-or-end' | 'key' | 'key-or-end' | 'colon' | 'more';

/** The first mistake in a text, a key that stands twice among them, or `null` if there is none. */
export function jsonMistake(text: string): JsonMistake | null {
  const mistake = (offset: number, what: string): JsonMistake => ({ ...placeOf(text, offset), text: what });
  if (text.startsWith('\ufeff'))
    return mistake(0, 'a byte order mark comes before the JSON: save it as UTF-8 without one');
  const open: Open[] = [];
  let expected: Expected = 'value';
  let at = 0;
  for (;;) {
    at = lastOf(SPACE, text, at);
    const inside = open.at(-1);
    if (at === text.length) {
      if (expected === 'more' && !inside) return null;
      if (open.length === 0) return mistake(at, 'it is empty: a value belongs here');
      return mistake(at, `it ends here, and ${opened(text, open)} is still open`);
    }
    const quoted = text[at] === '"';
    const { end, closed } = quoted ? textEnd(text, at) : { end: lastOf(TOKEN, text, at), closed: true };
    if (!closed) return mistake(end, badText(text, end));
    if (end === at) return mistake(at, `${wanted(expected, inside)} belongs here, not ${wordAt(text, at)}`);
    const token = text.slice(at, end);
    const wrong = (): JsonMistake =>
      mistake(at, `${wanted(expected, inside)} belongs here, not ${shown(token)}`);
    const closes = token === '}' || token === ']';
    if (closes) {
      const may = expected === 'more' || expected === 'value-or-end' || expected === 'key-or-end';
      if (!may || !inside || (token === '}') !== (inside.keys !== null)) return wrong();
      open.pop();
      expected = 'more';
    } else if (expected === 'more') {
      if (token !== ',' || !inside) return wrong();
      expected = inside.keys ? 'key' : 'value';
    } else if (expected === 'colon') {
      if (token !== ':') return wrong();
      expected = 'value';
    } else if (expected === 'key' || expected === 'key-or-end') {
      if (!token.startsWith('"')) return wrong();
      const key: string = JSON.parse(token);
      if (inside?.keys?.has(key)) return mistake(at, `the key ${shown(token)} stands twice in one object`);
      inside?.keys?.add(key);
      expected = 'colon';
    } else if (token === '{' || token === '[') {
      open.push({ keys: token === '{' ? new Set() : null, from: at });
      expected = token === '{' ? 'key-or-end' : 'value-or-end';
    } else {
      if (token === ',' || token === ':') return wrong();
      expected = 'more';
    }
    at += token.length;
  }
}

function wanted(expected: Expected, inside: Open | undefined): string {
  if (expected === 'colon') return 'a colon';
  if (expected === 'key') return 'a key in double quotes';
  if (expected === 'key-or-end') return 'a key in double quotes, or }';
  if (expected === 'value') return 'a value';
  if (expected === 'value-or-end') return 'a value, or ]';
  if (!inside) return 'nothing more';
  return inside.keys ? 'a comma or }' : 'a comma or ]';
}

/** Where a match that begins at `at` ends; `at` if there is none. */
function lastOf(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : at;
}

/** The end of the text whose quote is at `from`, or where something stands that no text may hold. */
function textEnd(text: string, from: number): { readonly end: number; readonly closed: boolean } {
  for (let at = from + 1; ; ) {
    at = lastOf(PLAIN, text, at);
    if (text[at] === '"') return { end: at + 1, closed: true };
    const next = lastOf(ESCAPE, text, at);
    if (next === at) return { end: at, closed: false };
    at = next;
  }
}

function badText(text: string, at: number): string {
  if (text[at] === '\\') return `${shown(text.slice(at, at + 2))} is no escape that JSON has`;
  if (at === text.length) return 'the file ends within a text: a " is missing';
  return /[\n\r]/.test(text[at] ?? '')
    ? 'the line ends within a text: a " is missing'
    : 'a control character stands within a text: write it as an escape';
}

function wordAt(text: string, at: number): string {
  return shown(/^[^\s{}[\],:"]+/.exec(text.slice(at, at + 2 * SHOWN_MAX))?.[0] ?? text.slice(at, at + 1));
}

function opened(text: string, open: readonly Open[]): string {
  const last = open.at(-1) as Open;
  const { line, column } = placeOf(text, last.from);
  return `the ${last.keys ? '{' : '['} of line ${line}, column ${column}`;
}

function shown(token: string): string {
  return token.length > SHOWN_MAX ? `${token.slice(0, SHOWN_MAX)}…` : token;
}

function placeOf(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset);
  const line = before.split('\n').length;
  return { line, column: offset - (before.lastIndexOf('\n') + 1) + 1 };
}
