import { type FlightRecord, parseFlight } from '../image/flight.js';
import { flightFinds, flightResults } from '../image/flight-results.js';
import { BOOT_PARAMS, RECORD } from '../image/layout.js';
import { ShootdownError } from '../pci/error.js';
import { type Check, counted, ok, type Said, some, warning } from './doctor-check.js';
import type { DoctorView } from './doctor-view.js';
import { PLACES_OF } from './places.js';
import { readTextOf, type System } from './system.js';

/** What the last jump left to read. */
export const JUMP_CHECKS: readonly Check[] = [
  { id: 'jump.dump', look: lookAtDump },
  { id: 'jump.flight', look: lookAtFlight },
  { id: 'jump.now', live: true, look: lookAtThisBoot },
  { id: 'jump.hook', look: lookAtHookLog },
];

interface Saved {
  readonly folder: string;
  readonly names: readonly string[];
}

/** As kdump-tools names them, by the minute: the newest that has such a file. */
function newestWith({ system, settings }: DoctorView, name: RegExp, below = ''): Saved | undefined {
  const stamps = system.list(`${settings.coredir}${below}`).filter((stamp) => /^[12]\d{11}$/.test(stamp));
  return stamps
    .toReversed()
    .map((stamp) => `${settings.coredir}${below}/${stamp}`)
    .map((folder) => ({ folder, names: system.list(folder) }))
    .find(({ names }) => names.some((each) => name.test(each)));
}

/** What `save-flight` saved, be it beside a dump or not (yet). */
function newestSaved(view: DoctorView, name: RegExp): Saved | undefined {
  const both = ['', '/shootdown-pending'].flatMap((below) => newestWith(view, name, below) ?? []);
  return both.sort((a, b) => stampOf(a).localeCompare(stampOf(b))).at(-1);
}

const stampOf = ({ folder }: Saved) => folder.slice(-12);

function lookAtDump(view: DoctorView): readonly Said[] {
  // Of a dump that went to another machine only what we saved is here.
  const newest = newestWith(view, view.settings.remote ? /^(?!\.?shootdown-)/ : /./);
  if (!newest) return [];
  const { folder, names } = newest;
  if (names.some((name) => /^(dump|vmcore)\.\d+/.test(name)))
    return [ok(`the last crash left a dump in ${folder}`)];
  const why = names.some((name) => name.includes('incomplete'))
    ? 'was not saved to its end'
    : 'was not saved';
  return [
    warning(
      `the last crash has a folder, ${folder}, and its dump ${why}`,
      'look at the space left there and at the console log; remove the folder once it is understood',
    ),
  ];
}

/** What has been saved would be said for ever. */
const MOVE_AWAY = '; move it elsewhere once it is understood';

const FLIGHT = /^shootdown-flight\..*\.bin$/;

function lookAtFlight(view: DoctorView): readonly Said[] {
  const newest = newestSaved(view, FLIGHT);
  if (!newest) return [];
  return newest.names
    .filter((name) => FLIGHT.test(name))
    .map((name) =>
      recordSays(
        view.system,
        `${newest.folder}/${name}`,
        'the last crash',
        `shootdown flight ${newest.folder}/${name}`,
        MOVE_AWAY,
      ),
    );
}

/** A record of the jump that this kernel was started by. */
function lookAtThisBoot({ system }: DoctorView): readonly Said[] {
  const folder = '/sys/kernel/boot_params';
  for (const node of system.list(`${folder}/setup_data`)) {
    const type = Number(readTextOf(system, `${folder}/setup_data/${node}/type`)?.trim());
    if (type === RECORD.setupDataType)
      return [
        recordSays(
          system,
          `${folder}/setup_data/${node}/data`,
          'the jump to this kernel',
          'shootdown flight',
        ),
      ];
  }
  const page = system.read(`${folder}/data`);
  const short =
    page && page.length >= BOOT_PARAMS.pad9 + 4 && page.readUInt32LE(BOOT_PARAMS.pad9) === RECORD.magic;
  return short ? [recordSays(system, `${folder}/data`, 'the jump to this kernel', 'shootdown flight')] : [];
}

function recordSays(system: System, path: string, jump: string, more: string, after = ''): Said {
  const bytes = system.read(path);
  // A summary lies within a copy of boot_params.
  const start =
    bytes?.length === BOOT_PARAMS.size && bytes.readUInt32LE(0) !== RECORD.magic ? BOOT_PARAMS.pad9 : 0;
  let record: FlightRecord;
  try {
    record = parseFlight(bytes?.subarray(start) ?? new Uint8Array(), path);
  } catch (error) {
    if (!(error instanceof ShootdownError)) throw error;
    return warning(
      error.message,
      `keep it; ${more} of the shootdown that wrapped the kernel may read it${after}`,
    );
  }
  const live = flightResults(record).filter(
    ({ verdict, outcome }) => verdict === 'live' && outcome !== 'exempt',
  );
  const words = [
    record.observe ? 'only observed' : `${record.counts.gated} stopped`,
    ...(live.length > 0
      ? [`stayed live: ${some(live.map(({ slot, outcome }) => `${slot} (${outcome})`))}`]
      : []),
    ...(record.end === 'complete' ? [] : [`the walk ended early: ${record.end}`]),
    ...(record.counts.failed > 0 ? [`${record.counts.failed} failed`] : []),
  ];
  const text = `${jump}: ${words.join('; ')}`;
  return flightFinds(record) ? warning(text, `${more} says what to do${after}`) : ok(text);
}

/** Lines of `gate` that it gives the kernel's log as warnings. */
const TROUBLE =
  /not reset|by \S+ failed|vanished|stays live|nothing keeps it off|cannot be|could not be|is missing|not done after|nothing is gated/;
const SUM = /^after the jump: \S+ \S+.*left live$/;

function lookAtHookLog(view: DoctorView): readonly Said[] {
  const newest = newestSaved(view, /^shootdown-hook\.log$/);
  const logs = [
    ...(newest
      ? [{ path: `${newest.folder}/shootdown-hook.log`, jump: 'the last crash', after: MOVE_AWAY }]
      : []),
    ...(view.system.live
      ? [{ path: '/run/shootdown/hook.log', jump: 'the start of this kernel', after: '' }]
      : []),
  ];
  return [...missingLog(view, newest), ...logs.flatMap((log) => logSays(view, log))];
}

/** Minutes that a log may be older than its dump. */
const APART = 15;

/** A hook that did not run says nothing itself. */
function missingLog(view: DoctorView, newest: Saved | undefined): readonly Said[] {
  const dump = newestWith(view, /^(dump|vmcore)\.\d+/);
  const file = dump?.names.find((name) => /^(dump|vmcore)\.\d+/.test(name));
  if (!view.has('hook') || !dump || !file) return [];
  const isOld = !view.isNewer(`${dump.folder}/${file}`, PLACES_OF.install);
  if (isOld || (newest && minuteOf(newest) >= minuteOf(dump) - APART)) return [];
  const text = `the last crash (${dump.folder}) left no log of the hook: it did not run, or not to its end`;
  return [
    warning(
      text,
      'whether it is in the initramfs is said by hook.initramfs; the rest, by the console of the capture kernel',
    ),
  ];
}

function minuteOf(saved: Saved): number {
  const [, year, month, day, hour, minute] =
    /^(....)(..)(..)(..)(..)$/.exec(stampOf(saved))?.map(Number) ?? [];
  return Date.UTC(year ?? 0, (month ?? 1) - 1, day, hour, minute) / 60_000;
}

interface HookLog {
  readonly path: string;
  readonly jump: string;
  readonly after: string;
}

function logSays({ system }: DoctorView, { path, jump, after }: HookLog): readonly Said[] {
  const lines = (readTextOf(system, path) ?? '').split('\n').filter((line) => line !== '');
  if (lines.length === 0) return [];
  const trouble = lines.filter((line) => TROUBLE.test(line));
  const sum = lines.find((line) => SUM.test(line))?.replace('after the jump: ', '');
  const text = `the hook at ${jump}: ${sum ?? 'it did not come to its end'}`;
  const advice = `read ${path}${after}`;
  if (trouble.length > 0)
    return [warning(`${text}; ${counted(trouble.length, 'line')} of trouble: ${trouble[0] ?? ''}`, advice)];
  return [sum === undefined ? warning(text, advice) : ok(text)];
}
