import { ShootdownError } from '../pci/error.js';
import { generatorFor, loadsOtherAdvice } from './checks.js';
import { type Check, note, ok, problem, type Said, some, warning } from './doctor-check.js';
import { RELOAD, RESTART } from './doctor-loaded.js';
import type { DoctorView } from './doctor-view.js';
import { gateDecisions, isWholeTable } from './gate-decide.js';
import { compileGateTable } from './gate-table.js';
import { initramfsFiles } from './initramfs-file.js';
import { initrdToLoad, loadedInitrd } from './kdump.js';
import { hookImages } from './parts.js';
import { PLACES_OF } from './places.js';
import { type Hook, kdumpInitrd } from './state.js';
import { readTextOf } from './system.js';

/** The hook that works in the next kernel's initramfs. */
export const HOOK_CHECKS: readonly Check[] = [
  { id: 'hook.generator', look: lookAtGenerator },
  { id: 'hook.initramfs', look: lookAtImages },
  { id: 'hook.loaded', live: true, look: lookWhichIsLoaded },
];

const TABLE = 'usr/lib/shootdown/table';
const GATE = 'usr/lib/shootdown/gate';
/** What starts it. */
const STARTS = [
  'conf/conf.d/shootdown',
  'usr/lib/dracut/hooks/pre-udev/00-gate-hook.sh',
  'var/lib/dracut/hooks/pre-udev/00-gate-hook.sh',
  'lib/dracut/hooks/pre-udev/00-gate-hook.sh',
];

function lookAtGenerator({ system, install }: DoctorView): readonly Said[] {
  const hook = install?.parts.hook;
  if (!hook) return [];
  try {
    const now = generatorFor(system, hook.when);
    if (now === hook.generator) return [ok(`${now} makes the initramfs that the hook goes into`)];
    return [
      warning(
        `the hook was installed for ${hook.generator}, and now ${now} makes the initramfs`,
        'shootdown install hook',
      ),
    ];
  } catch (error) {
    if (!(error instanceof ShootdownError)) throw error;
    return [problem(error.message, `apt install ${hook.generator}`)];
  }
}

async function lookAtImages(view: DoctorView): Promise<readonly Said[]> {
  const hook = view.install?.parts.hook;
  if (!hook) return [];
  const said: Said[] = [];
  for (const version of view.versions)
    for (const image of imagesOf(view, hook, version))
      said.push(await lookAtImage(view, hook, version, image));
  if (said.length === 0)
    said.push(problem('there is no initramfs that the hook could be in', 'shootdown install hook'));
  return said;
}

/** The hook may be in an initramfs that kdump does not load. */
function lookWhichIsLoaded(view: DoctorView): readonly Said[] {
  const { system, running } = view;
  const hook = view.install?.parts.hook;
  if (!hook || running === undefined || !view.hasKdumpTools) return [];
  const ours = hookImages(system, hook, running);
  const isOther = (image: string | null | undefined): image is string | null =>
    image === null || (image !== undefined && !ours.includes(image));
  const loaded = view.isLoaded ? loadedInitrd(system, running) : undefined;
  const next = initrdToLoad(system, running);
  if (isOther(loaded)) {
    const what =
      loaded === null
        ? 'a kernel without an initramfs, and the hook is of use only in one'
        : `${loaded}, which the hook does not go into`;
    const set = isOther(next) || next === undefined ? `${loadsOtherAdvice(hook, loaded)}; then ` : '';
    return [problem(`loaded for a crash is ${what}`, `${set}${RESTART}`)];
  }
  if (isOther(next)) {
    const what =
      next === null
        ? `no initramfs (KDUMP_INITRD is empty in ${PLACES_OF.kdumpDefaults}), and the hook is of use only in one`
        : `${next}, which the hook does not go into`;
    return [problem(`kdump-tools loads ${what}`, `${loadsOtherAdvice(hook, next)}; then ${RESTART}`)];
  }
  const image = loaded ?? next;
  return [
    image === undefined
      ? note(
          `which initramfs kdump-tools loads is computed in ${PLACES_OF.kdumpDefaults}, and not known here`,
        )
      : ok(`the hook goes into ${image}, which kdump loads`),
  ];
}

/**
 * The hook is in the initramfs that waits for a crash. `undefined` where it is another one than that of now, or the file
 * is not any more what was loaded.
 */
export async function hookIsLoaded(view: DoctorView): Promise<boolean | undefined> {
  const { system, running } = view;
  const hook = view.install?.parts.hook;
  if (!hook) return false;
  const loaded = running === undefined ? undefined : loadedInitrd(system, running);
  if (running === undefined || loaded === undefined) return undefined;
  if (loaded === null || !hookImages(system, hook, running).includes(loaded)) return false;
  const image = imagesOf(view, hook, running).find(({ path }) => path === loaded);
  if (!image || view.isNewer(loaded, view.kexecCommandPath)) return undefined;
  const { state } = await lookAtImage(view, hook, running, image);
  if (state === 'problem') return false;
  return state === 'ok' ? true : undefined;
}

interface Image {
  readonly path: string;
  readonly remake: string;
  /** It is loaded beside the kernel that waits for a crash. */
  readonly kdump: boolean;
}

/** What `install` made with the hook in it, as far as it is there. */
function imagesOf({ system }: DoctorView, hook: Hook, version: string): readonly Image[] {
  const own = (path: string) =>
    hook.generator === 'dracut' ? `dracut --force ${path} ${version}` : `update-initramfs -u -k ${version}`;
  return hookImages(system, hook, version)
    .filter((path) => system.exists(path))
    .map((path) => ({
      path,
      remake: path === kdumpInitrd(version) ? `${PLACES_OF.kdumpHook} ${version}` : own(path),
      kdump: path === initrdToLoad(system, version),
    }));
}

async function lookAtImage(view: DoctorView, hook: Hook, version: string, image: Image): Promise<Said> {
  const { path } = image;
  const reload = image.kdump && view.isLoaded && version === view.running;
  const again = `${image.remake}${reload ? `, then ${RELOAD}` : ''}`;
  let files: ReadonlyMap<string, Buffer> | undefined;
  try {
    files = await initramfsFiles(view.system, path, [TABLE, GATE, ...STARTS]);
  } catch (error) {
    if (!(error instanceof ShootdownError) || error.code !== 'bad-input') throw error;
    return problem(error.message, again);
  }
  const table = files?.get(TABLE);
  if (!files?.has(GATE) || !table || !STARTS.some((start) => files.has(start)))
    return problem(`the hook is not in ${path}`, `${again}; what it says tells why`);
  if (!isWholeTable(table.toString('utf8')))
    return problem(`the table of the hook in ${path} is not whole: nothing is stopped`, again);
  const gate = gateOf(view);
  if (gate && !files.get(GATE)?.equals(gate))
    return warning(`the hook in ${path} is not the one of this version`, again);
  const differs = await difference(view, hook, table.toString('utf8'));
  if (differs !== undefined) return warning(`the hook in ${path} ${differs}`, again);
  if (reload && view.isNewer(path, view.kexecCommandPath))
    return warning(`${path} is newer than what is loaded of it for a crash`, RELOAD);
  return ok(`the hook is in ${path}, with the policy of now`);
}

/** As the installed hook copies it into an initramfs. */
function gateOf({ system, changes }: DoctorView): Buffer | undefined {
  const hooks = (changes?.entries ?? []).filter((entry) => entry.kind === 'file' && !entry.generated);
  const paths = hooks.flatMap((entry) =>
    entry.kind === 'file'
      ? (/^(?:shootdown_)?gate=(\/\S+)$/m.exec(readTextOf(system, entry.path) ?? '')?.[1] ?? [])
      : [],
  );
  return paths[0] === undefined ? undefined : system.read(paths[0]);
}

/**
 * In what the table of the image is not the one that would be made now. What was bound then, and who was there, counts as
 * far as it decides: kdump-tools makes its initramfs early in the first boot of a kernel.
 */
async function difference(view: DoctorView, hook: Hook, text: string): Promise<string | undefined> {
  const { policy, tool } = view;
  if (!policy) return undefined;
  const machine = await view.machineIfSeen();
  const made = compileGateTable(policy, { machine, when: hook.when, tool }).text;
  const [now, then] = [split(made), split(text)];
  if (then.version !== now.version) return 'has a table of another version';
  if (then.when !== now.when) return `has "${then.when}", and installed is "${now.when}"`;
  if (then.policy !== now.policy) return `has another policy than that of now (${policy.name})`;
  if (then.rules !== now.rules) return 'has other rules than this version makes of the policy';
  if (!machine) return undefined;
  const decided = gateDecisions(text, machine);
  const others = [...gateDecisions(made, machine)].flatMap(([slot, { action }]) => {
    const before = decided.get(slot);
    return before && before.action !== action ? [{ slot, action, before }] : [];
  });
  const added = others.filter(({ before }) => !before.known);
  if (added.length > 0) return `does not know ${some(added.map(({ slot }) => slot))}`;
  const bound = others.map(({ slot, action, before }) => `${slot} (${before.action}, now ${action})`);
  return bound.length === 0 ? undefined : `decides by what was bound when it was made: ${some(bound)}`;
}

function split(text: string) {
  const lines = text.split('\n');
  const of = (word: string) => lines.filter((line) => line.startsWith(`${word} `));
  return {
    version: lines[0] ?? '',
    when: of('when')[0] ?? '',
    policy: of('policy')[0] ?? '',
    rules: ['on-failure', 'rule', 'otherwise'].flatMap(of).join('\n'),
  };
}
