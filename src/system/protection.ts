import type { Machine } from '../host/scan.js';
import { ShootdownError } from '../pci/error.js';
import { VERSION } from '../version.js';
import { hookIsLoaded } from './doctor-hook.js';
import { isWrapped, loadedWord, mayAct } from './doctor-loaded.js';
import { DoctorView } from './doctor-view.js';
import { openSystem, type System } from './system.js';

/**
 * Whether what waits for a crash of this machine stops what is live then: its kernel is wrapped, or the hook is in its
 * initramfs, and neither is told to leave it. `undefined` where nothing is loaded, or it cannot be told what, or the hook
 * in it is not as it would be made now.
 */
export async function captureIsProtected(
  machine: Machine,
  system: System = openSystem('', true),
): Promise<boolean | undefined> {
  const view = new DoctorView({ system, tool: VERSION, machine: async () => machine });
  try {
    const kernel = view.loadedKernel;
    if (kernel === undefined) return undefined;
    if (!mayAct(loadedWord(view))) return false;
    return isWrapped(view, kernel) || (await hookIsLoaded(view));
  } catch (error) {
    // Kernels are for root to read.
    if (error instanceof ShootdownError) return undefined;
    throw error;
  }
}
