import { ShootdownError } from '../pci/error.js';
import type { Slot } from '../pci/slot.js';
import type { HostActions } from './port.js';
import { NEEDS_FLAG, sysfsError } from './sysfs-error.js';
import {
  attempt,
  PROC_SUPER_MAGIC,
  printableName,
  readAttribute,
  SYSFS_MAGIC,
  type SysfsFiles,
} from './sysfs-files.js';

export interface ActionSources {
  readonly files: SysfsFiles;
  readonly root: string;
  /** The folder of a function; throws for a slot that there is not. */
  readonly pathOf: (slot: Slot) => string;
  readonly writeReal: boolean;
  readonly lockdown: () => string | undefined;
}

/** Resets of the function alone, defined to stop it; others reach its neighbours or leave it running. */
const FUNCTION_LEVEL = ['flr', 'af_flr'];

export function sysfsActions(sources: ActionSources): HostActions {
  const { files, root, pathOf } = sources;
  return {
    unbind: async (slot, driver) => {
      const folder = pathOf(slot);
      const bound = attempt(() => files.readlink(`${folder}/driver`))
        ?.split('/')
        .at(-1);
      if (bound !== driver)
        throw refused(
          slot,
          `it is bound to ${bound ? printableName(bound) : 'no driver'}, not to ${printableName(driver)}`,
        );
      await act(
        sources,
        slot,
        `${root}/bus/pci/drivers/${driver}/unbind`,
        slot,
        `cannot be unbound from ${driver}`,
      );
    },
    bind: async (slot, driver) => {
      pathOf(slot);
      // The name comes from a plan or a journal, and becomes part of a path.
      if (driver === '.' || driver === '..' || driver.includes('/') || driver !== printableName(driver))
        throw new ShootdownError('usage', `${slot}: ${printableName(driver)} is no name of a driver`, {
          slot,
        });
      await act(
        sources,
        slot,
        `${root}/bus/pci/drivers/${driver}/bind`,
        slot,
        `cannot be bound to ${driver}`,
      );
    },
    reset: async (slot) => {
      const folder = pathOf(slot);
      const methods = attempt(() => readAttribute(files, `${folder}/reset_method`));
      const first = methods?.split(/\s+/)[0] ?? '';
      if (!FUNCTION_LEVEL.includes(first)) {
        const would = first ? `would reset it by ${first}` : 'does not say how it would reset it';
        throw refused(slot, `the kernel ${would}, which is no function-level reset`);
      }
      await act(sources, slot, `${folder}/reset`, '1', 'cannot be reset');
    },
  };
}

async function act(
  sources: ActionSources,
  slot: Slot,
  path: string,
  text: string,
  what: string,
): Promise<void> {
  const { files, writeReal, lockdown } = sources;
  const call = { slot, what: `it ${what}`, lockdown };
  try {
    if (!writeReal && [SYSFS_MAGIC, PROC_SUPER_MAGIC].includes(files.fileSystem(path)))
      throw refused(slot, NEEDS_FLAG);
    await files.writeText(path, text);
  } catch (error) {
    throw sysfsError(error, call);
  }
}

function refused(slot: Slot, why: string): ShootdownError {
  return new ShootdownError('refused', `${slot}: ${why}`, { slot });
}
