import { ShootdownError } from '../pci/error.js';
import { type CommandOptions, command } from './command.js';

/** On a slow line; apt itself gives up a server that says nothing. */
const DOWNLOAD_TIMEOUT_MS = 3_600_000;

/** A Debian package as apt's signed index describes it. */
export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  readonly sha256: string;
  readonly bytes: number;
}

/** A kernel itself: neither a package that names the newest of a series, nor one without a signature. */
const KERNEL_NAME = /^linux-image-(?<series>\d+\.\d+)\.\d[^-]*(?:-\d+)?(?<flavour>-cloud|-rt)?-amd64$/;

/** The newest kernel package of each series and flavour that apt knows: `6.1-rt` → `linux-image-6.1.0-56-rt-amd64`. */
export async function kernelPackages(options: CommandOptions = {}): Promise<ReadonlyMap<string, string>> {
  const found = await command('apt-cache', ['search', '--names-only', '^linux-image-[0-9]'], options);
  return newestKernels(
    found
      .toString('utf8')
      .split('\n')
      .map((line) => line.split(' ', 1)[0] ?? ''),
  );
}

/** Pure part of `kernelPackages`: signed kernels, the newest of each series and flavour, series in order. */
export function newestKernels(names: readonly string[]): ReadonlyMap<string, string> {
  const newest = new Map<string, string>();
  const order = [...names].sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
  for (const name of order) {
    const { series, flavour = '' } = KERNEL_NAME.exec(name)?.groups ?? {};
    if (series !== undefined) newest.set(`${series}${flavour}`, name);
  }
  return newest;
}

/** What apt would install under these names, in their order. */
export async function describePackages(
  names: readonly string[],
  options: CommandOptions = {},
): Promise<readonly DebianPackage[]> {
  const shown = await command('apt-cache', ['show', '--no-all-versions', ...names], options).catch(
    (cause) => {
      if (cause instanceof ShootdownError && cause.code === 'not-found') throw cause;
      throw unknownPackage(names.join(' '), cause);
    },
  );
  const known = new Map(parsePackages(shown.toString('utf8')).map((one) => [one.name, one]));
  return names.map((name) => {
    const found = known.get(name);
    if (found === undefined) throw unknownPackage(name, undefined);
    return found;
  });
}

/** Packages in the form in which `apt-cache show` prints them; one that lacks a field is left out. */
export function parsePackages(text: string): readonly DebianPackage[] {
  return text.split(/\n\n+/).flatMap((stanza) => {
    const [name, version, sha256, size] = ['Package', 'Version', 'SHA256', 'Size'].map(
      (key) => new RegExp(`^${key}: (.*)$`, 'm').exec(stanza)?.[1],
    );
    if (name === undefined || version === undefined || sha256 === undefined || size === undefined) return [];
    return [{ name, version, sha256, bytes: Number(size) }];
  });
}

function unknownPackage(name: string, cause: unknown): ShootdownError {
  return new ShootdownError('not-found', `apt knows no package ${name}: apt-get update may help`, { cause });
}

/** The packages with libraries that a package needs, directly or not; itself not among them. */
export async function libraryPackages(
  name: string,
  options: CommandOptions = {},
): Promise<readonly string[]> {
  const found = new Set<string>();
  let ask = [name];
  while (ask.length > 0) {
    const shown = (await command('apt-cache', ['depends', '--important', ...ask], options)).toString('utf8');
    const needed = [...shown.matchAll(/^ *\|?(?:Pre)?Depends: (lib[\w.+-]+)$/gm)].map(
      (match) => match[1] ?? '',
    );
    ask = [...new Set(needed)].filter((library) => !found.has(library));
    for (const library of ask) found.add(library);
  }
  return [...found].sort();
}

/** Ends a program with the one that started it, however that ends: nobody goes on writing to a folder of another run. */
const WITH_US = ['setpriv', '--pdeathsig', 'KILL'] as const;

/** Puts the packages' .deb files into a folder, through apt, which verifies them. */
export async function downloadPackages(
  packages: readonly DebianPackage[],
  folder: string,
  options: CommandOptions = {},
): Promise<void> {
  // apt gives up root for downloads, and its own user may not write to a private folder.
  const apt = ['apt-get', '-q', '-o', 'APT::Sandbox::User=root', 'download'];
  const wanted = packages.map(({ name, version }) => `${name}=${version}`);
  const [program, ...args] = [...WITH_US, ...apt, ...wanted];
  const where = { timeoutMs: DOWNLOAD_TIMEOUT_MS, ...options, cwd: folder };
  try {
    await command(program, args, where);
  } catch (cause) {
    if (!(cause instanceof ShootdownError) || cause.code === 'not-found') throw cause;
    const said = cause.message.replace(`${WITH_US.join(' ')} `, '').replace(/^setpriv:/, 'apt-get:');
    throw new ShootdownError(cause.code, said, { cause });
  }
}
