import { join } from 'node:path';
import { labFolder } from '../../src/cli/lab-options.js';
import { systemClock as clock } from '../../src/host/clock.js';
import { Store } from '../../src/lab/store.js';

/** Beside the lab's, which removes packages that it does not know. What killed runs left behind is removed. */
export async function systemStore(): Promise<Store> {
  const store = new Store({
    folder: join(labFolder(process.env), '..', 'system'),
    clock,
    offline: false,
    progress: (what) => {
      console.error(what);
      return () => {};
    },
  });
  await store.sweep();
  return store;
}
