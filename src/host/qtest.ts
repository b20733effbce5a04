import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { ShootdownError } from '../pci/error.js';
import type { Slot } from '../pci/slot.js';
import { checkAccess, type Host, unknownSlot } from './port.js';
import { QtestClient, type QtestOptions } from './qtest-client.js';
import { openConfig } from './qtest-config.js';
import { enumerate, type QtestFunction } from './qtest-enumerate.js';

export interface OpenQtestOptions extends QtestOptions {
  /** `ports` keeps to 0xCF8/0xCFC and 256 bytes even where there is more. Default `auto`. */
  readonly access?: 'auto' | 'ports' | undefined;
}

/** The machine behind a qtest socket. */
export interface QtestHost extends Host {
  /** For what lies beyond configuration space: ports, memory, registers of devices. */
  readonly client: QtestClient;
  readonly access: 'ports' | 'ecam';
}

/**
 * Opens a QEMU machine whose firmware has numbered its buses. It has device models and no operating system, so no
 * driver is bound to anything and nothing can be asked to unbind or reset. Rejects with `not-found`, `no-permission`,
 * `usage`, `timeout` or `io`. Once the connection has failed, so does everything else.
 */
export async function openQtest(path: string, options: OpenQtestOptions = {}): Promise<QtestHost> {
  if (path === '')
    throw new ShootdownError('usage', 'qtest: needs the path of a socket, as in qtest:/tmp/qtest');
  const client = await QtestClient.connect(path, options);
  try {
    const { config, note } = await openConfig(client, options.access);
    return hostOf(client, path, config, note === undefined ? [] : [note]);
  } catch (error) {
    client.close();
    throw error;
  }
}

function hostOf(
  client: QtestClient,
  path: string,
  config: Awaited<ReturnType<typeof openConfig>>['config'],
  notes: readonly string[],
): QtestHost {
  let functions: Promise<ReadonlyMap<Slot, QtestFunction>> | undefined;
  const all = () => {
    functions ??= enumerate(config);
    return functions;
  };
  const need = async (slot: Slot): Promise<QtestFunction> => {
    // Nobody shall take a machine that is gone for one whose functions are.
    if (client.failure) throw client.failure;
    const fn = (await all()).get(slot);
    if (!fn) throw unknownSlot(client.name, slot);
    return fn;
  };
  return {
    name: client.name,
    client,
    access: config.kind,
    writable: true,
    notes,
    slots: async () => [...(await all()).keys()],
    visibleBytes: async (slot) => (await need(slot)).visible,
    read: async (slot, offset, width) => {
      const { id, visible } = await need(slot);
      checkAccess(slot, offset, width, visible);
      return config.read({ id, offset }, width);
    },
    write: async (slot, offset, width, value) => {
      const { id, visible } = await need(slot);
      checkAccess(slot, offset, width, visible);
      await config.write({ id, offset }, width, value);
    },
    readRange: async (slot, offset, length) => {
      const { id, visible } = await need(slot);
      if (offset % 2 !== 0 || length % 2 !== 0 || length < 0) checkAccess(slot, offset, 2, 64);
      if (offset >= visible) return new Uint8Array(0);
      return config.range({ id, offset }, Math.min(length, visible - offset));
    },
    facts: async (slot) => {
      const { ids, physfn, numVfs } = await need(slot);
      const virtual = ids.vendor === 0xffff;
      return {
        ...(virtual ? {} : { ids }),
        driver: null,
        physfn,
        ...(numVfs === undefined ? {} : { numVfs }),
      };
    },
    machineFacts: async () => {
      // A scan asks for this last: one during which QEMU ended is no scan.
      if (client.failure) throw client.failure;
      return { liveKernel: false };
    },
    lockName: `qtest-${createHash('sha256').update(realpathSync(path)).digest('hex').slice(0, 16)}`,
    close: async () => client.close(),
  };
}
