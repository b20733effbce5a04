import { DumpBlock, type DumpContents } from './dump-block.js';
import { LineCarry } from './dump-carry.js';
import {
  BLANK,
  COLON,
  driverNamed,
  hexAt,
  isBlank,
  isEmpty,
  parseHeader,
  skipBlanks,
  skipByteOrderMark,
  skipQuotes,
} from './dump-line.js';
import { DumpNotes } from './dump-notes.js';
import { DumpStore } from './dump-store.js';

const LINE_MAX = 64 * 1024;
/** The longest line that lspci's own reader takes; it refuses the whole file for one that is longer. */
const LSPCI_LINE_MAX = 253;
const SPACE_BYTES = 4096;
const LF = 0x0a;
const CR = 0x0d;

/**
 * Reads what `lspci -x`, `-xxx` and `-xxxx` print, among whatever text, from bytes in chunks of any size. As with
 * lspci itself a header line opens a function, hex rows somewhere below it are its registers, and an empty line
 * ends it. Memory grows with the functions, not with the text.
 */
export class DumpParser {
  readonly #notes = new DumpNotes();
  readonly #store = new DumpStore(this.#notes);
  readonly #block = new DumpBlock();
  readonly #carry = new LineCarry(LINE_MAX);
  #line = 0;
  #bytes = 0;
  #magic: number[] = [];
  #headers = 0;
  #strayRows = 0;
  #firstStray = 0;
  #longLines = 0;
  /** The last line that was neither header nor row, and its first digit. */
  #textLine = 0;
  #textDigit = 0;
  /** Where the row after the last one belongs. */
  #rowEnd = 0;
  /** The last row that was damaged. */
  #damagedLine = -1;

  push(chunk: Uint8Array): void {
    if (this.#magic.length < 4) this.#magic.push(...chunk.subarray(0, 4 - this.#magic.length));
    this.#bytes += chunk.length;
    let at = this.#carry.length > 0 ? this.#finishCarried(chunk) : 0;
    while (at < chunk.length) {
      const after = this.#fastRow(chunk, at);
      if (after > 0) {
        at = after;
        continue;
      }
      const end = chunk.indexOf(LF, at);
      if (end === -1) {
        this.#carry.add(chunk, at, chunk.length);
        return;
      }
      this.#wholeLine(chunk, at, end, end - at);
      at = end + 1;
    }
  }

  end(): DumpContents {
    if (this.#carry.length > 0) {
      this.#notes.add(`the text ends within line ${this.#line + 1}`);
      this.#carriedLine();
    }
    this.#close();
    if (this.#strayRows > 0) {
      this.#notes.sum(
        `hex rows that belong to no header line: ${this.#strayRows}, the first in line ${this.#firstStray}`,
      );
    }
    if (this.#longLines > 0) {
      this.#notes.sum(
        `lines for which lspci -F would refuse the file, over ${LSPCI_LINE_MAX} bytes: ${this.#longLines}`,
      );
    }
    const functions = this.#store.finish();
    return {
      functions,
      notes: this.#notes.all(),
      seen: {
        bytes: this.#bytes,
        headers: this.#headers,
        strayRows: this.#strayRows,
        magic: this.#magic,
      },
    };
  }

  #finishCarried(chunk: Uint8Array): number {
    const end = chunk.indexOf(LF);
    this.#carry.add(chunk, 0, end === -1 ? chunk.length : end);
    if (end === -1) return chunk.length;
    this.#carriedLine();
    return end + 1;
  }

  #carriedLine(): void {
    const { bytes, held, length } = this.#carry;
    this.#carry.clear();
    this.#wholeLine(bytes, 0, held, length);
  }

  /** A row of 16 bytes that comes in order, which nearly all do; returns where the next line begins, or 0. */
  #fastRow(chunk: Uint8Array, from: number): number {
    const block = this.#block;
    const offset = block.next;
    if (block.key < 0 || offset < 0 || offset + 16 > SPACE_BYTES || from + 54 > chunk.length) return 0;
    let at = from;
    let row = (hexAt(chunk, at) << 4) | hexAt(chunk, at + 1);
    at += 2;
    if (chunk[at] !== COLON) row = (row << 4) | hexAt(chunk, at++);
    if (row !== offset || chunk[at] !== COLON || chunk[at + 1] !== BLANK) return 0;
    at += 2;
    let separators = 0;
    let digits = 0;
    for (let i = 0; i < 16; i++, at += 3) {
      const high = hexAt(chunk, at);
      const low = hexAt(chunk, at + 1);
      digits |= high | low;
      if (i < 15) separators |= (chunk[at + 2] ?? 0) ^ BLANK;
      block.bytes[offset + i] = (high << 4) | low;
    }
    at--;
    if (chunk[at] === CR) at++;
    if (separators !== 0 || digits > 15 || chunk[at] !== LF) return 0;
    block.advance(16);
    this.#rowEnd = offset + 16;
    this.#line++;
    return at + 1;
  }

  #wholeLine(buffer: Uint8Array, start: number, to: number, length: number): void {
    const from = this.#line++ === 0 ? skipByteOrderMark(buffer, start, to) : start;
    if (length > LINE_MAX) {
      this.#notes.add(`line ${this.#line} is longer than 64 KB and was skipped`);
      // Rows after it must not count for the function before it.
      const header = parseHeader(buffer, skipQuotes(buffer, from, to), to);
      if (header) this.#close();
      return;
    }
    if (length > LSPCI_LINE_MAX) this.#longLines++;
    const end = to > from && buffer[to - 1] === CR ? to - 1 : to;
    const at = skipQuotes(buffer, from, end);
    if (at === end) {
      // Behind a row that stderr cut in two, an empty line is but the end of that row.
      const endOfRow = this.#damagedLine === this.#line - 1;
      if (!endOfRow && isEmpty(buffer, from, end)) this.#close();
      return;
    }
    const first = hexAt(buffer, at);
    if (first > 15 || hexAt(buffer, at + 1) > 15) {
      this.#textLine = this.#line;
      this.#textDigit = first;
      if (this.#block.key >= 0) this.#block.driver ??= driverNamed(buffer, at, end);
      return;
    }
    const header = parseHeader(buffer, at, end);
    if (!header) {
      this.#row(buffer, at, end);
      return;
    }
    this.#close();
    if (header.key < 0) {
      this.#notes.add(`line ${this.#line}: no function has a slot like this one`);
      return;
    }
    this.#headers++;
    this.#block.open(header.key, this.#line, header.proper && at === from);
  }

  /** A line that begins with two hex digits and is no header. */
  #row(buffer: Uint8Array, from: number, end: number): void {
    let at = from;
    let offset = 0;
    for (let digit = hexAt(buffer, at); digit <= 15 && at < end && at - from < 9; digit = hexAt(buffer, at)) {
      offset = offset * 16 + digit;
      at++;
    }
    const separated = at + 1 < end && buffer[at] === COLON && isBlank(buffer[at + 1]);
    if (!separated || at - from > 8) {
      this.#textLine = this.#line;
      this.#textDigit = hexAt(buffer, from);
      return;
    }
    this.#values(buffer, at + 1, end, offset);
  }

  #values(buffer: Uint8Array, from: number, end: number, offset: number): void {
    const block = this.#block;
    const open = block.key >= 0;
    // Of an offset that stderr split, `2` and `f0: 00 …` on the next line, only the tail looks like a row.
    const split =
      this.#textLine === this.#line - 1 &&
      this.#textDigit > 0 &&
      this.#textDigit * 256 + offset === this.#rowEnd;
    let beyond = false;
    let count = 0;
    let at = skipBlanks(buffer, from, end);
    while (at < end) {
      const value = hexAt(buffer, at) * 16 + hexAt(buffer, at + 1);
      // A digit pair that something follows directly may be text that begins with a digit.
      if (value > 255 || at + 2 > end || (at + 2 < end && !isBlank(buffer[at + 2]))) break;
      if (open && !split) {
        if (offset + count < SPACE_BYTES) block.put(offset + count, value);
        else beyond = true;
      }
      count++;
      at = skipBlanks(buffer, at + 2, end);
    }
    if (!open) {
      if (count === 0) return;
      if (this.#strayRows++ === 0) this.#firstStray = this.#line;
      return;
    }
    this.#rowEnd = split ? this.#rowEnd + 16 : offset + (at < end ? 16 : count);
    if (split) this.#notes.add(`line ${this.#line}: a row whose offset is torn apart was left out`);
    else if (at < end) {
      this.#damagedLine = this.#line;
      this.#notes.add(`line ${this.#line}: a row is damaged after ${count} bytes; the rest is unknown`);
    }
    if (beyond)
      this.#notes.add(`line ${this.#line}: bytes beyond the 4096 of a configuration space were left out`);
  }

  #close(): void {
    if (this.#block.key < 0) return;
    this.#store.add(this.#block);
    this.#block.key = -1;
  }
}
