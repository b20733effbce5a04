import { existsSync, realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ShootdownError } from '../pci/error.js';
import { acquireLock } from '../quiesce/lock.js';
import { whyApart } from '../system/apart.js';
import { sha256Of } from '../system/change.js';
import type { Surroundings } from '../system/install.js';
import type { Integration } from '../system/integration.js';
import { openSystem, type System } from '../system/system.js';
import { VERSION } from '../version.js';
import type { Io } from './io.js';
import { readText } from './options.js';
import { machineForWrap } from './wrap-machine.js';

export interface RootOption {
  readonly root?: string;
}

/** What the commands that change a system work with. `root`: a folder that holds one. */
export function surroundings(io: Io, { root }: RootOption): Surroundings {
  const folder = root === undefined ? '' : rootFolder(root);
  const system = folder === '' ? thisSystem(io) : openSystem(folder, false);
  return {
    system,
    integration: integrationOf(io.env),
    isRoot: folder !== '' || process.getuid?.() === 0,
    tool: VERSION,
    now: new Date().toISOString(),
    machine: () => machineForWrap('this', io),
  };
}

/** The system at /. Where it is only an image that is worked on, that is said. */
export function thisSystem(io: Pick<Io, 'env' | 'err'>): System {
  const why = whyApart(io.env);
  if (why !== undefined)
    io.err(
      `shootdown: ${why}: as of a folder only files count; /sys and the programs are of another system\n`,
    );
  return openSystem('', why === undefined);
}

function rootFolder(root: string): string {
  const path = resolve(root);
  if (path === '/') return '';
  if (!existsSync(path)) throw new ShootdownError('not-found', `${root}: no such folder`);
  return realpathSync(path);
}

/** The Debian package says where its launcher is; else it is this file, run by this Node. */
function integrationOf(env: NodeJS.ProcessEnv): Integration {
  const folder = integrationsFolder();
  const launcher = env['SHOOTDOWN_PROGRAM'];
  const script = realpathSync(process.argv[1] ?? fileURLToPath(import.meta.url));
  return {
    read: (name) => readText(join(folder, name)),
    lib: join(folder, 'lib'),
    program: launcher === undefined ? [process.execPath, script] : [launcher],
    fleeting: launcher === undefined ? whyFleeting(script) : null,
  };
}

const SHARED = '/usr/share/shootdown/integrations';

/** In the package; beside a checkout's `src`, too. */
function integrationsFolder(): string {
  let at = dirname(fileURLToPath(import.meta.url));
  for (let level = 0; level < 4; level++, at = dirname(at)) {
    const folder = join(at, 'integrations');
    if (existsSync(join(folder, 'lib'))) return folder;
  }
  return SHARED;
}

/** A project's dependency, or a checkout, is moved and removed as its owner likes. */
function whyFleeting(script: string): string | null {
  const project = /^(.*)\/node_modules\/[^/]+\/dist\//.exec(script)?.[1];
  if (script.includes('/_npx/')) return "is in npx's cache";
  if (project !== undefined && existsSync(join(project, 'package.json')))
    return `belongs to the project in ${project}`;
  return existsSync(join(dirname(script), '../src/cli/main.ts')) ? 'is in a checkout of its source' : null;
}

const LOCK_MS = 30_000;

/** Runs alone among those that change this system; waits for another that does, for a while. */
export async function alone<T>(system: System, signal: AbortSignal, action: () => Promise<T>): Promise<T> {
  const until = performance.now() + LOCK_MS;
  for (;;) {
    let release: () => Promise<void>;
    try {
      // The name of a socket has 107 bytes at most.
      release = await acquireLock(`system-${sha256Of(system.root).slice(0, 16)}`);
    } catch (error) {
      const busy = error instanceof ShootdownError && error.code === 'busy';
      if (!busy || performance.now() > until || signal.aborted) throw error;
      await sleep(200);
      continue;
    }
    try {
      return await action();
    } finally {
      await release();
    }
  }
}
