import { openDump } from '../host/dump.js';
import type { Host } from '../host/port.js';
import { openQtest } from '../host/qtest.js';
import { openSysfs } from '../host/sysfs.js';
import { ShootdownError } from '../pci/error.js';
import { createMachine } from '../sim/index.js';

export interface HostOptions {
  readonly host?: string;
  readonly file?: string;
  readonly writeRealPciDevices?: boolean;
}

/** Opens the host that the options name; the real sysfs if they name none. */
export async function openHost(options: HostOptions, use: { write: boolean }): Promise<Host> {
  if (options.file !== undefined && options.host !== undefined) {
    throw new ShootdownError('usage', '-F and --host name two machines: give one of them');
  }
  const file = options.file === '-' ? '/dev/stdin' : options.file;
  const name = file === undefined ? (options.host ?? 'sysfs') : `dump:${file}`;
  const colon = name.indexOf(':');
  const kind = colon < 0 ? name : name.slice(0, colon);
  const rest = colon < 0 ? '' : name.slice(colon + 1);
  switch (kind) {
    case 'dump':
      if (rest === '') throw new ShootdownError('usage', '--host dump: needs a file, as in dump:lspci.txt');
      return openDump(rest);
    case 'sysfs':
      return openSysfs({
        ...(rest === '' ? {} : { root: rest }),
        write: use.write,
        writeRealSys: options.writeRealPciDevices ?? false,
      });
    case 'qtest':
      return openQtest(rest);
    case 'sim':
      return createMachine(rest === '' ? 'server' : rest).host;
    default:
      throw new ShootdownError(
        'usage',
        `no host is called ${name}: sysfs[:ROOT], dump:FILE, sim:NAME, qtest:SOCKET`,
      );
  }
}
