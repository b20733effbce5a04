import { access, readdir, readFile, rename } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { command } from '../../src/lab/command.js';
import { hashOf } from '../../src/lab/hash.js';
import type { Store } from '../../src/lab/store.js';
import type { SystemGuest } from './guest.js';
import { guestImage } from './image.js';
import { FILES_FOLDER, SystemMachine } from './machine.js';
import { type InitramfsTool, kdumpRecipe } from './recipe.js';

/** The Debian packages of this checkout. */
export interface ShootdownPackages {
  /** Of this machine: for `BootOptions.files`. It lives as long as this process. */
  readonly folder: string;
  /** Of all their bytes. */
  readonly hash: string;
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
  const names = (await readdir(folder)).filter((name) => name.endsWith('.deb')).sort();
  const hashes = await Promise.all(names.map(async (name) => hashOf(await readFile(join(folder, name)))));
  return { folder, hash: hashOf(Buffer.from(JSON.stringify([names, hashes]))) };
}

/** The image of `kdumpRecipe` with these packages installed, and nothing else done; from the cache or made now. */
export async function shootdownImage(store: Store, tool: InitramfsTool = 'initramfs-tools'): Promise<string> {
  const plain = await guestImage(store, await kdumpRecipe(tool));
  const { folder, hash } = await shootdownPackages(store);
  const name = `kdump-${tool}-shootdown_`;
  const id = hashOf(Buffer.from(JSON.stringify([basename(plain), hash, INSTALL_PACKAGES]))).slice(0, 16);
  const path = store.path('guests', `${name}${id}`);
  const there = await access(path).then(
    () => true,
    () => false,
  );
  if (there) return path;
  store.options.progress(`installing shootdown in ${basename(plain)}`)(0, 1);
  const machine = await SystemMachine.create({
    store,
    image: plain,
    name: `first-boot-${name.slice(0, -1)}`,
  });
  try {
    const guest = await machine.boot({ files: folder });
    await guest.must(INSTALL_PACKAGES);
    await guest.powerOff();
    await machine.disk.list('/');
    await rename(machine.disk.path, path);
  } finally {
    await machine.close();
  }
  for (const old of await readdir(store.path('guests')))
    if (old.startsWith(name) && old !== basename(path)) await store.discard(store.path('guests', old));
  return path;
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
