import { join } from 'node:path';
import { command } from '../../src/lab/command.js';
import type { Store } from '../../src/lab/store.js';
import type { SystemGuest } from './guest.js';
import { guestImage } from './image.js';
import { FILES_FOLDER } from './machine.js';
import { preparedImage } from './prepared.js';
import { type InitramfsTool, kdumpRecipe } from './recipe.js';

/** The Debian packages of this checkout. */
export interface ShootdownPackages {
  /** Of this machine: for `BootOptions.files`. It lives as long as this process. */
  readonly folder: string;
}

const BUILD_TIMEOUT_MS = 900_000;
/** What the administrator types, with the packages in `FILES_FOLDER`. */
export const INSTALL_PACKAGES = `dpkg -i ${FILES_FOLDER}/shootdown*.deb`;

let built: Promise<ShootdownPackages> | undefined;

/** Builds the packages as a release is built, once in a process; or those in the folder SHOOTDOWN_DEBS, built before. */
export function shootdownPackages(store: Store): Promise<ShootdownPackages> {
  built ??= build(store);
  return built;
}

async function build(store: Store): Promise<ShootdownPackages> {
  const given = process.env['SHOOTDOWN_DEBS'];
  const folder = given ?? store.path('temporary', `${process.pid}-debs`);
  const script = join(import.meta.dirname, '../../scripts/deb.mjs');
  if (given === undefined)
    await command(process.execPath, [script, '--out', folder], { timeoutMs: BUILD_TIMEOUT_MS });
  return { folder };
}

/** The image of `kdumpRecipe` with these packages installed, and nothing else done; from the cache or made now. */
export async function shootdownImage(store: Store, tool: InitramfsTool = 'initramfs-tools'): Promise<string> {
  const image = await guestImage(store, await kdumpRecipe(tool));
  const { folder: files } = await shootdownPackages(store);
  return preparedImage(store, { name: `shootdown-${tool}`, image, files, script: INSTALL_PACKAGES });
}

/** Where the wrapped kernel of a release is. */
export function wrappedKernel(release: string): string {
  return `/var/lib/shootdown/kernels/vmlinuz-${release}`;
}

/** kdump-tools' link to the kernel that runs, as it is. */
export const PLAIN_KERNEL = '/var/lib/kdump/vmlinuz';

/** The kernel that waits for a crash, as kdump-tools loaded it; `null` if none does. */
export async function crashKernelOf(guest: SystemGuest): Promise<string | null> {
  const shown = await guest.must('kdump-config show; echo "loaded $(cat /sys/kernel/kexec_crash_loaded)"');
  if (!/^current state: +ready to kdump$/m.test(shown) || !/^loaded 1$/m.test(shown)) return null;
  return /^ *\S*kexec -p .* (\S+)$/m.exec(shown)?.[1] ?? null;
}

/** What `doctor` found; a line each that is not ok, `STATE ID: TEXT`. */
export interface Diagnosis {
  readonly status: number;
  readonly findings: readonly string[];
}

interface DoctorJson {
  readonly schema: string;
  readonly results: readonly { readonly id: string; readonly state: string; readonly text: string }[];
}

export async function doctorOf(guest: SystemGuest): Promise<Diagnosis> {
  const { status, output } = await guest.run(
    'shootdown doctor --json 2>/run/doctor.err; s=$?; cat /run/doctor.err >&2; exit $s',
  );
  const start = output.indexOf('{');
  if (start < 0) throw new Error(`shootdown doctor, status ${status}: ${output}`);
  const { results } = JSON.parse(output.slice(start, output.lastIndexOf('}') + 1)) as DoctorJson;
  const findings = results
    .filter(({ state }) => state !== 'ok')
    .map(({ id, state, text }) => `${state} ${id}: ${text}`);
  return { status, findings };
}

/** Those that an administrator has to act on. */
export function problemsOf({ findings }: Diagnosis): readonly string[] {
  return findings.filter((line) => /^(problem|warning|unknown) /.test(line));
}
