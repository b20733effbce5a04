import { RECORD_BYTES_MAX } from './limits.js';

/** One audit's worth of text, not yet looked at. */
export interface FleetRecord {
  /** Where it begins, counted from 1. */
  readonly line: number;
  /** `null` where it was longer than an audit may be. */
  readonly text: string | null;
}

const LF = 0x0a;
const NEWLINE = Buffer.from([LF]);
const OPENS: readonly number[] = [0x7b, 0x5b]; // { [
const CLOSES: readonly number[] = [0x7d, 0x5d]; // } ]
/** What lines begin with that go on with a value: space, tab, CR, text, comma, end. */
const GOES_ON: readonly number[] = [0x20, 0x09, 0x0d, 0x22, 0x2c, ...CLOSES];
const BLANKS: readonly number[] = [0x20, 0x09, 0x0d];
/** How an audit begins that `audit --ndjson` wrote. */
const AUDIT = Buffer.from('{"schema":"shootdown.audit/');

/**
 * Cuts bytes into records, however they are chunked. A line that begins with `{` begins a record, which ends with that
 * line if it ends in `}`, and otherwise before the next line that begins so or with the line that begins with `}`: one
 * audit a line, as `--ndjson` prints them, and one over many lines, as `--json` does, both come out whole, one after
 * another too. What is broken costs no more than itself; of lines that begin no record all up to the next that does are
 * one, of which the first is kept. Half a line that a collector left, and the audit that was written behind it, come
 * apart.
 */
export class RecordSplitter {
  readonly #bytesMax: number;
  /** Bytes of the line that has not ended yet. */
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  /** The line is too long: what is left of it is dropped. */
  #dropping = false;
  #line = 1;
  /** Lines of the record that is open. */
  #open: { readonly line: number; readonly first: number; readonly lines: Buffer[]; bytes: number } | null =
    null;

  constructor(bytesMax = RECORD_BYTES_MAX) {
    this.#bytesMax = bytesMax;
  }

  /** The records that these bytes complete. The chunk is kept: it must not be written again. */
  *push(chunk: Uint8Array): Generator<FleetRecord, void, void> {
    for (let from = 0; from < chunk.length; ) {
      const end = chunk.indexOf(LF, from);
      this.#take(chunk.subarray(from, end === -1 ? chunk.length : end));
      if (end === -1) return;
      yield* this.#endLine();
      from = end + 1;
    }
  }

  /** The records that the end of the input completes. */
  *end(): Generator<FleetRecord, void, void> {
    if (this.#pendingBytes > 0 || this.#dropping) yield* this.#endLine();
    yield* this.#finish();
  }

  #take(bytes: Uint8Array): void {
    if (bytes.length === 0 || this.#dropping) return;
    this.#pendingBytes += bytes.length;
    if (this.#pendingBytes > this.#bytesMax) {
      this.#dropping = true;
      // Its beginning says what the line is.
      this.#pending = [Buffer.concat(this.#pending).subarray(0, 1), bytes.subarray(0, 1)];
      this.#pendingBytes = 1;
      return;
    }
    this.#pending.push(bytes);
  }

  *#endLine(): Generator<FleetRecord, void, void> {
    const line = this.#line++;
    const [only] = this.#pending;
    const bytes =
      only && this.#pending.length === 1
        ? Buffer.from(only.buffer, only.byteOffset, only.length)
        : Buffer.concat(this.#pending);
    const tooLong = this.#dropping;
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#dropping = false;
    for (const part of tooLong ? [bytes] : partsOf(bytes)) yield* this.#takeLine(part, line, tooLong);
  }

  *#takeLine(bytes: Buffer, line: number, tooLong: boolean): Generator<FleetRecord, void, void> {
    const first = bytes[0] ?? LF;
    const last = lastVisible(bytes);
    if (last === undefined) return;
    if (this.#open !== null && !OPENS.includes(this.#open.first) && !OPENS.includes(first)) return;
    if (this.#open !== null && GOES_ON.includes(first)) {
      this.#open.bytes += tooLong ? this.#bytesMax + 1 : bytes.length + 1;
      // What is beyond the bound is counted, not kept.
      if (this.#open.bytes <= this.#bytesMax) this.#open.lines.push(bytes);
      if (CLOSES.includes(first)) yield* this.#finish();
      return;
    }
    yield* this.#finish();
    const size = tooLong ? this.#bytesMax + 1 : bytes.length;
    this.#open = { line, first, lines: [bytes], bytes: size };
    const whole = tooLong ? OPENS.includes(first) : CLOSES[OPENS.indexOf(first)] === last;
    if (whole) yield* this.#finish();
  }

  *#finish(): Generator<FleetRecord, void, void> {
    const open = this.#open;
    this.#open = null;
    if (open === null) return;
    const { line, lines, bytes } = open;
    yield { line, text: bytes > this.#bytesMax ? null : textOf(lines) };
  }
}

/**
 * The same for a file that should hold one audit: JSON comes apart above if its inner lines are not indented, and is
 * taken whole here.
 */
export class FileSplitter {
  readonly #splitter = new RecordSplitter();
  /** What came so far, until the first of many records turns out to be JSON by itself. */
  #held: { readonly chunks: Uint8Array[]; readonly records: FleetRecord[]; bytes: number } | null = {
    chunks: [],
    records: [],
    bytes: 0,
  };

  *push(chunk: Uint8Array): Generator<FleetRecord, void, void> {
    const held = this.#held;
    if (!held) return yield* this.#splitter.push(chunk);
    const before = held.records.length;
    held.chunks.push(chunk);
    held.bytes += chunk.length;
    held.records.push(...this.#splitter.push(chunk));
    const [first, second] = held.records;
    const parted = before < 2 && second !== undefined && isJson(first?.text ?? '');
    if (parted || held.bytes > RECORD_BYTES_MAX) yield* this.broken();
  }

  *end(): Generator<FleetRecord, void, void> {
    const held = this.#held;
    const rest = [...this.#splitter.end()];
    if (held && held.records.length + rest.length > 1) {
      const text = Buffer.concat(held.chunks).toString('utf8');
      if (isJson(text)) return yield { line: 1, text };
    }
    yield* [...(held?.records ?? []), ...rest];
  }

  /** The records that are complete where the input breaks off. */
  *broken(): Generator<FleetRecord, void, void> {
    const held = this.#held;
    this.#held = null;
    if (held) yield* held.records;
  }
}

/** A line that is no JSON, parted before every audit in it. In JSON what looks like one may be part of it. */
function partsOf(line: Buffer): Buffer[] {
  let next = line.indexOf(AUDIT, 1);
  if (next === -1 || isJson(line.toString('utf8'))) return [line];
  const parts: Buffer[] = [];
  let from = 0;
  for (; next !== -1; next = line.indexOf(AUDIT, from + 1)) {
    parts.push(line.subarray(from, next));
    from = next;
  }
  return [...parts, line.subarray(from)];
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function textOf(lines: readonly Buffer[]): string {
  const [only] = lines;
  if (lines.length === 1 && only) return only.toString('utf8');
  return Buffer.concat(lines.flatMap((line) => [line, NEWLINE]).slice(0, -1)).toString('utf8');
}

/** The last byte that is no blank. */
function lastVisible(bytes: Uint8Array): number | undefined {
  for (let at = bytes.length - 1; at >= 0; at--) {
    const byte = bytes[at] ?? 0;
    if (!BLANKS.includes(byte)) return byte;
  }
  return undefined;
}
