import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { namesFor } from '../../host/pci-ids-file.js';
import { ShootdownError } from '../../pci/error.js';
import { type JumpPath, SEVERITIES } from '../../quiesce/findings.js';
import { Fleet, type FleetOptions, type MachineRow } from '../../report/fleet/fleet.js';
import { CSV_HEADER, csvLines } from '../../report/fleet/fleet-csv.js';
import type { FleetData } from '../../report/fleet/fleet-data.js';
import { fleetHtml } from '../../report/fleet/fleet-page.js';
import { fleetText } from '../../report/fleet/fleet-text.js';
import { RECORD_BYTES_MAX } from '../../report/fleet/limits.js';
import { FileSplitter, type FleetRecord, RecordSplitter } from '../../report/fleet/records.js';
import { namedIn } from '../../report/fleet/words.js';
import { EXIT, type ExitStatus } from '../exit.js';
import { type FleetSource, fleetSources, isSameFile, problemOf } from '../fleet-input.js';
import { type FleetOutput, FleetOutputs } from '../fleet-output.js';
import type { Io, Run } from '../io.js';
import { choice, jsonText, wholeNumber } from '../options.js';

interface FleetCommandOptions {
  readonly for: JumpPath;
  readonly failOn: FleetOptions['failOn'];
  readonly limit: number;
  readonly html?: string;
  readonly json?: string;
  readonly csv?: string;
}

/** Broken audits that are named on standard error where no text says them. */
const SAID_MAX = 20;
const PROGRESS_BYTES = 8 * 1024 * 1024;

export function reportFleetCommand(report: Command, run: Run): void {
  report
    .command('fleet')
    .description(
      'say of any number of audits which machines are at risk, what to mend first, and who is not like the others',
    )
    .argument('<path...>', 'folders and files of audits (JSON, NDJSON, gzip), - for standard input')
    .addOption(choice('--for <path>', 'the jump that is meant', ['normal', 'crash'], 'crash'))
    .addOption(
      choice('--fail-on <severity>', 'exit 2 from this severity on', [...SEVERITIES, 'never'], 'error'),
    )
    .addOption(
      new Option('--limit <lines>', 'lines of each list in the text')
        .argParser(wholeNumber(1, 100))
        .default(10),
    )
    .option('--html <file>', 'write a page, - for standard output')
    .option('--json <file>', 'write shootdown.fleet/1, - for standard output')
    .option('--csv <file>', 'write one row a machine, - for standard output')
    .action((paths: string[], options: FleetCommandOptions) => run((io) => runFleet(paths, options, io)));
}

async function runFleet(paths: readonly string[], options: FleetCommandOptions, io: Io): Promise<ExitStatus> {
  const files = [options.html, options.json, options.csv].filter((path) => path !== undefined);
  checkPaths(paths, files);
  const text = !files.includes('-');
  // What cannot be written is said before gigabytes are read.
  const outputs = new FleetOutputs(io);
  try {
    const html = outputs.open('--html', options.html);
    const json = outputs.open('--json', options.json);
    const csv = outputs.open('--csv', options.csv);
    const fleet = new Fleet({ path: options.for, failOn: options.failOn });
    await readAll(fleet, paths, {
      io,
      csv,
      said: text ? null : { lines: 0 },
      isOutput: (path) => files.some((file) => file !== '-' && isSameFile(file, path)),
    });
    const data = fleet.result();
    if (data.machines.read === 0) throw nothingRead(data, options.for);
    const names = namesFor(namedIn(data));
    json?.write(jsonText(data));
    html?.write(fleetHtml(data, names));
    outputs.commit();
    if (text) io.out(fleetText(data, { names, style: io.style, limit: options.limit }));
    return fleet.failing > 0 || fleet.broken > 0 ? EXIT.findings : EXIT.clean;
  } finally {
    outputs.discard();
  }
}

function checkPaths(paths: readonly string[], files: readonly string[]): void {
  if (paths.filter((path) => path === '-').length > 1) {
    throw new ShootdownError('usage', '- was given twice: there is one standard input');
  }
  if (new Set(files.map((file) => (file === '-' ? file : resolve(file)))).size < files.length) {
    throw new ShootdownError('usage', 'two of --html, --json and --csv lead to the same place: name another');
  }
}

function nothingRead({ machines, broken }: FleetData, path: JumpPath): ShootdownError {
  if (machines.otherPath > 0) {
    const other = path === 'crash' ? 'normal' : 'crash';
    const message = `no audit for a ${path} jump, and ${machines.otherPath} for the other: --for ${other} reads those`;
    return new ShootdownError('not-found', message);
  }
  const [first] = broken;
  if (!first) return new ShootdownError('not-found', 'no audits: shootdown audit --ndjson prints one');
  const more = machines.broken > 1 ? ` (the first of ${machines.broken})` : '';
  return new ShootdownError('bad-input', `nothing could be read: ${first.place}: ${first.problem}${more}`);
}

interface Reading {
  readonly io: Io;
  readonly csv: FleetOutput | undefined;
  /** Broken audits that were said on standard error; `null` if the text says them in the end. */
  readonly said: { lines: number } | null;
  readonly isOutput: (path: string) => boolean;
}

async function readAll(fleet: Fleet, paths: readonly string[], reading: Reading): Promise<void> {
  const { io, csv, isOutput } = reading;
  csv?.write(CSV_HEADER);
  const progress = { bytes: 0, said: 0 };
  for (const source of fleetSources(paths, isOutput)) {
    if ('problem' in source) {
      take([fleet.reject(source.place, source.problem)], reading);
      continue;
    }
    if (source.terminal) io.status(`reading ${source.name}: Ctrl-D ends it, Ctrl-C stops`);
    const failure = await readSource(fleet, source, reading, progress);
    if (io.signal.aborted) {
      const message = `stopped after ${fleet.machines} machines: incomplete, and no file was written`;
      throw new ShootdownError('io', message);
    }
    if (failure !== null) take([fleet.reject(source.name, failure)], reading);
  }
  io.status('');
}

/** What is wrong with the source as a whole, or `null`. */
async function readSource(
  fleet: Fleet,
  source: FleetSource,
  reading: Reading,
  progress: { bytes: number; said: number },
): Promise<string | null> {
  const { io } = reading;
  const one = source.machine === undefined ? null : new FileSplitter();
  const splitter = one ?? new RecordSplitter();
  let any = false;
  const add = ({ line, text }: FleetRecord): MachineRow | null => {
    const place = `${source.name}:${line}`;
    const name = any ? place : (source.machine ?? place);
    any = true;
    return text === null ? fleet.reject(place, TOO_LONG) : fleet.add(text, place, name);
  };
  const chunks = source.bytes(io.signal)[Symbol.asyncIterator]();
  for (;;) {
    const next = await chunks.next().catch((error: unknown) => {
      if (error instanceof ShootdownError) return error;
      throw error;
    });
    // What has been begun when a source breaks off is cut off, too.
    if (next instanceof ShootdownError) {
      if (one) take(Array.from(one.broken(), add), reading);
      return problemOf(source.name, next);
    }
    const records = next.done ? splitter.end() : splitter.push(next.value);
    take(Array.from(records, add), reading);
    if (next.done) return any ? null : 'no audit in it';
    progress.bytes += next.value.length;
    if (progress.bytes - progress.said >= PROGRESS_BYTES) {
      progress.said = progress.bytes;
      io.status(`${fleet.machines} machines, ${(progress.bytes / 1e6).toFixed(0)} MB`);
    }
  }
}

function take(rows: readonly (MachineRow | null)[], { io, csv, said }: Reading): void {
  const some = rows.filter((row) => row !== null);
  if (some.length === 0) return;
  csv?.write(csvLines(some));
  if (!said) return;
  for (const { outcome, place, problem } of some) {
    if (outcome === 'broken' && said.lines++ < SAID_MAX) io.err(`${place}: ${problem}\n`);
  }
}

const TOO_LONG = `longer than an audit can be (${RECORD_BYTES_MAX / 1024 / 1024} MiB)`;
