import type { Machine } from '../host/scan.js';
import { inspectImage } from '../image/inspect.js';
import { STUB } from '../image/stub.generated.js';
import { compileTable } from '../image/table.js';
import { wrapImage } from '../image/wrap.js';
import { ShootdownError } from '../pci/error.js';
import { fingerprint } from '../quiesce/fingerprint.js';
import type { Policy } from '../quiesce/policy.js';
import { attemptAsync } from './attempt.js';
import { sha256Of } from './change.js';
import { makeFolders, removeTemporaries } from './change-journal.js';
import { bootVersions, isVersion } from './installed-kernels.js';
import { PLACES_OF } from './places.js';
import { signImage } from './sign.js';
import { type Install, type KernelRecord, kernelFiles, readKernelRecord, stateText } from './state.js';
import { realPath, type System } from './system.js';

/** Room for a record of about 2,000 functions, as `wrap` gives it. */
const TAIL_BYTES = 64 * 1024;

export interface RefreshOptions {
  readonly install: Install;
  readonly policy: Policy;
  /** Reads the machine that kernels are wrapped for; throws where the stub cannot run on it. */
  readonly machine: () => Promise<{ readonly machine: Machine; readonly tscKhz: number | undefined }>;
  /** The version of this program. */
  readonly tool: string;
  /** The time now, in ISO 8601. */
  readonly now: string;
  /** Only this version; otherwise all that are in /boot, and what is left of those that are not. */
  readonly kernel?: string | undefined;
  /**
   * Drivers are not bound yet and functions may be missing: one that was made for another machine is fresh, and one that
   * has to be made now is made again once all are there.
   */
  readonly early?: boolean | undefined;
  /** Only says what would be done. */
  readonly dryRun?: boolean | undefined;
}

/** What became of the kernel of one version. */
export interface Refreshed {
  readonly version: string;
  readonly status: 'fresh' | 'wrapped' | 'removed' | 'failed';
  /** Of one that failed: why. The one of before is loaded then if it still fits, else the plain kernel. */
  readonly message: string | null;
}

/** What wrapped kernels are made with; the same for all of them. */
interface Making {
  readonly table: Uint8Array;
  readonly policy: KernelRecord['policy'];
  readonly machine: string;
  readonly cert: string | null;
}

/**
 * Brings the wrapped kernels up to date: one for each kernel in /boot, made for this machine, and none else. Where one
 * cannot be made, that of before stays if it was made from this kernel with this policy; otherwise it is taken away, so
 * that the plain kernel is loaded instead of a stale one.
 */
export async function refreshKernels(system: System, options: RefreshOptions): Promise<readonly Refreshed[]> {
  const { install, kernel } = options;
  const wanted = install.parts.kdump || install.parts.kexec ? bootVersions(system) : [];
  const made = wrappedVersions(system);
  const only = (version: string) => kernel === undefined || version === kernel;
  const results = removeKernels(
    system,
    made.filter((version) => only(version) && !wanted.includes(version)),
    options.dryRun,
  );
  const todo = wanted.filter(only);
  if (todo.length === 0) return results;
  const making = await attemptAsync(() => prepare(system, options));
  for (const version of todo) {
    if (making instanceof ShootdownError) {
      // Nothing is known against those of before, but where the stub cannot run they would not start.
      const keep = making.code !== 'unsupported';
      results.push(failed(system, version, making, { keep, dryRun: options.dryRun }));
      continue;
    }
    const result = await attemptAsync(() => refreshOne(system, version, making, options));
    if (result instanceof ShootdownError) {
      const keep = stillFits(system, version, making);
      results.push(failed(system, version, result, { keep, dryRun: options.dryRun }));
    } else results.push(result);
  }
  return results;
}

/** Removes what was made for these versions; of one for which there is nothing, nothing is said. */
export function removeKernels(system: System, versions: readonly string[], dryRun = false): Refreshed[] {
  const results: Refreshed[] = [];
  for (const version of versions) {
    const there = wrappedVersions(system).includes(version);
    if (!dryRun) removeKernel(system, version);
    if (there) results.push({ version, status: 'removed', message: null });
  }
  return results;
}

/** Versions of which anything is in the folder of wrapped kernels, be it half written. */
export function wrappedVersions(system: Pick<System, 'list'>): readonly string[] {
  const versions = system
    .list(PLACES_OF.kernels)
    .map((name) => name.replace(/^\.(.*)\.\d+\.tmp$/, '$1'))
    .map((name) => /^vmlinuz-(.+?)(\.sha256|\.json)?$/.exec(name)?.[1] ?? '')
    .filter(isVersion);
  return [...new Set(versions)];
}

/** The sums go first: from then on nobody loads it. */
function removeKernel(system: System, version: string): void {
  const { sums, wrapped, record } = kernelFiles(version);
  for (const path of [sums, wrapped, record]) {
    system.remove(path);
    removeTemporaries(system, path);
  }
  system.removeFolder(PLACES_OF.kernels);
}

function failed(
  system: System,
  version: string,
  error: ShootdownError,
  { keep, dryRun = false }: { readonly keep: boolean; readonly dryRun?: boolean | undefined },
): Refreshed {
  const gone = (() => {
    if (keep && system.exists(kernelFiles(version).wrapped)) return '; the wrapped kernel of before stays';
    if (dryRun) return '';
    try {
      removeKernel(system, version);
      return '';
    } catch (cause) {
      return `; ${(cause as Error).message}`;
    }
  })();
  return { version, status: 'failed', message: `${error.message}${gone}` };
}

async function prepare(system: System, options: RefreshOptions): Promise<Making> {
  const { policy, tool, install } = options;
  const { machine, tscKhz } = await options.machine();
  const compiled = compileTable(policy, { tool, machine, tscKhz });
  const { sign } = install;
  const cert = sign && system.read(sign.cert);
  if (sign && !cert)
    throw new ShootdownError('not-found', `${sign.cert}: the certificate to sign with is not there`);
  return {
    table: compiled.bytes,
    policy: compiled.table.template.policy,
    // No machine has such a fingerprint.
    machine: `${options.early ? 'early ' : ''}${fingerprint(machine.topology)}`,
    cert: cert ? sha256Of(cert) : null,
  };
}

async function refreshOne(
  system: System,
  version: string,
  making: Making,
  options: RefreshOptions,
): Promise<Refreshed> {
  const files = kernelFiles(version);
  const original = system.read(files.original);
  const entry = system.entry(realPath(system, files.original));
  if (!original || !entry) throw new ShootdownError('not-found', `${files.original}: no such file`);
  const record = {
    schema: 'shootdown.kernel/1',
    original: { path: files.original, sha256: sha256Of(original) },
    tool: options.tool,
    policy: making.policy,
    machine: making.machine,
    cert: making.cert,
  } as const;
  for (const path of [files.wrapped, files.record, files.sums])
    if (!options.dryRun) removeTemporaries(system, path);
  if (isFresh(system, version, record, options.early)) return { version, status: 'fresh', message: null };
  const wrapped = await makeWrapped(system, files, original, making, options);
  if (options.dryRun) return { version, status: 'wrapped', message: null };
  makeFolders(system, PLACES_OF.kernels);
  const sha256 = sha256Of(wrapped);
  // Until the sums fit, nobody loads it.
  system.write(files.wrapped, wrapped, entry.mode);
  const text = stateText({ ...record, wrapped: { sha256 }, made: options.now });
  system.write(files.record, Buffer.from(text), 0o644);
  const sums = sumsText(files, record.original.sha256, sha256);
  system.write(files.sums, Buffer.from(sums), 0o644);
  return { version, status: 'wrapped', message: null };
}

/** Bytes of the wrapped kernel, signed where that was asked for. */
async function makeWrapped(
  system: System,
  files: ReturnType<typeof kernelFiles>,
  original: Buffer,
  { table }: Making,
  { install, dryRun }: RefreshOptions,
): Promise<Uint8Array> {
  try {
    const stub = STUB;
    const wrapped = wrapImage(original, { stub, table, tailBytes: TAIL_BYTES, replace: true });
    const done = install.sign && !dryRun ? await signImage(system, wrapped, install.sign) : wrapped;
    const info = inspectImage(done, STUB).wrapped;
    if (!info?.original?.restorable || info.problems.length > 0)
      throw new ShootdownError('io', `what was made of it is not sound: ${info?.problems[0] ?? 'no stub'}`);
    return done;
  } catch (error) {
    if (!(error instanceof ShootdownError)) throw error;
    throw new ShootdownError(error.code, `${files.original}: ${error.message}`, { cause: error });
  }
}

/** In sha256sum's format, the original first. */
export function sumsText(
  files: { readonly original: string; readonly wrapped: string },
  original: string,
  wrapped: string,
): string {
  return `${original}  ${files.original}\n${wrapped}  ${files.wrapped}\n`;
}

function isFresh(
  system: System,
  version: string,
  now: Omit<KernelRecord, 'wrapped' | 'made'>,
  anyMachine = false,
): boolean {
  const record = soundRecord(system, version);
  if (!record) return false;
  const known = anyMachine ? { ...record, machine: now.machine } : record;
  return (
    JSON.stringify(madeWith(known)) === JSON.stringify(madeWith(now)) && isWhole(system, version, record)
  );
}

/** Of all that a kernel is made with, what has to be so for an older one to be loaded. */
function stillFits(system: System, version: string, { policy, cert }: Making): boolean {
  try {
    const record = soundRecord(system, version);
    const original = system.read(kernelFiles(version).original);
    return (
      record !== undefined &&
      original !== undefined &&
      sha256Of(original) === record.original.sha256 &&
      record.policy.sha256 === policy.sha256 &&
      record.cert === cert &&
      isWhole(system, version, record)
    );
  } catch (error) {
    if (!(error instanceof ShootdownError)) throw error;
    // It cannot be told now; whoever loads it looks at the sums.
    return true;
  }
}

/** The wrapped file and its sums are those that were made. */
function isWhole(system: System, version: string, { original, wrapped }: KernelRecord): boolean {
  const files = kernelFiles(version);
  const bytes = system.read(files.wrapped);
  if (!bytes || sha256Of(bytes) !== wrapped.sha256) return false;
  return system.read(files.sums)?.toString('latin1') === sumsText(files, original.sha256, wrapped.sha256);
}

function soundRecord(system: System, version: string): KernelRecord | undefined {
  try {
    return readKernelRecord(system, version);
  } catch (error) {
    if (error instanceof ShootdownError && error.code !== 'bad-input') throw error;
    return undefined;
  }
}

/** By what it is decided whether a wrapped kernel is what would be made now. */
function madeWith(value: Omit<KernelRecord, 'wrapped' | 'made'>): unknown[] {
  const { original, tool, policy, machine, cert } = value;
  return [original.path, original.sha256, tool, policy.name, policy.sha256, machine, cert];
}
