import { failureText } from './change-apply.js';
import { PLACES_OF } from './places.js';
import { hasProgram, readTextOf, type System } from './system.js';

/** It may have to make an initramfs first. */
const LOAD_MS = 900_000;
/** Where kdump-tools notes how it loaded the kernel. */
const KEXEC_COMMAND = '/var/crash/kexec_cmd';

/** What waits for a crash. */
export interface CrashKernel {
  readonly loaded: boolean;
  /** Its file as kdump-tools noted it; `null` where that is not known. */
  readonly kernel: string | null;
}

export function crashKernel(system: Pick<System, 'read'>): CrashKernel {
  const loaded = readTextOf(system, PLACES_OF.crashLoaded)?.trim() === '1';
  const command = loaded ? readTextOf(system, KEXEC_COMMAND)?.trim() : undefined;
  return { loaded, kernel: command?.split(/\s+/).at(-1) || null };
}

/** In words, for people. */
export function crashKernelText({ loaded, kernel }: CrashKernel): string {
  if (!loaded) return 'no kernel is loaded for a crash: no dump would be saved';
  return `loaded for a crash: ${kernel ?? 'a kernel (kdump-config show)'}`;
}

/** kdump-tools is installed and not switched off. */
export function kdumpIsOn(system: Pick<System, 'read' | 'exists'>): boolean {
  if (!hasProgram(system, 'kdump-config')) return false;
  const settings = readTextOf(system, PLACES_OF.kdumpDefaults) ?? '';
  const value = [...settings.matchAll(/^[ \t]*USE_KDUMP=["']?(\w*)/gm)].at(-1)?.[1];
  return value !== undefined && value !== '0' && value !== '';
}

/**
 * Has kdump-tools load its kernel anew, and the plain one if that fails. Returns what is loaded now, and what went
 * wrong in one line each.
 */
export async function reloadKdump(
  system: System,
): Promise<{ readonly now: CrashKernel; readonly problems: readonly string[] }> {
  // With nothing loaded it fails, and that is as well.
  await system.run('kdump-config', ['unload'], { timeoutMs: LOAD_MS });
  const result = await system.run('kdump-config', ['load'], { timeoutMs: LOAD_MS });
  if (crashKernel(system).loaded) return { now: crashKernel(system), problems: [] };
  const problems = [`kdump-config load: ${failureText(result)}`];
  const plain = { timeoutMs: LOAD_MS, env: { SHOOTDOWN_PLAIN: '1' } };
  await system.run('kdump-config', ['load'], plain);
  return { now: crashKernel(system), problems };
}
