import { spawnSync } from 'node:child_process';
import { hasCommand } from './cli.js';

/** What `lspci -vv -F` says about one function; `null` where it prints no such thing. */
export interface LspciFunction {
  readonly slot: string;
  readonly vendor: number;
  readonly device: number;
  /** Base class and subclass. */
  readonly class: number;
  readonly busMaster: boolean | null;
  readonly intxDisable: boolean | null;
  readonly msiEnable: boolean | null;
  readonly msixEnable: boolean | null;
  readonly msixMasked: boolean | null;
  readonly transactionsPending: boolean | null;
  readonly powerState: string | null;
}

export interface LspciAnswer {
  readonly refusal: string | undefined;
  /** By slot; those that are in the file more than once in its order. */
  readonly functions: ReadonlyMap<string, readonly LspciFunction[]>;
}

/** False only where a missing lspci was allowed by SHOOTDOWN_ALLOW_MISSING; throws where it was not. */
export const haveLspci = (): boolean => hasCommand('lspci', 'pciutils');

export function askLspci(file: string, selection: readonly string[] = []): LspciAnswer {
  const result = spawnSync('lspci', ['-D', '-n', '-vv', '-F', file, ...selection], {
    encoding: 'latin1',
    maxBuffer: 1 << 28,
    env: { ...process.env, LC_ALL: 'C' },
  });
  const refusal = /^lspci: (?!Unable to load libkmod)(.*)$/m.exec(result.stderr)?.[1];
  const functions = new Map<string, LspciFunction[]>();
  for (const text of result.stdout.split(/\n\n+/)) {
    const fn = parseOne(text);
    if (fn) functions.set(fn.slot, [...(functions.get(fn.slot) ?? []), fn]);
  }
  return { refusal: result.status === 0 ? undefined : (refusal ?? `status ${result.status}`), functions };
}

/** The slots that lspci selects, or its complaint about the selection. */
export function selectWithLspci(file: string, selection: readonly string[]): string[] | { refusal: string } {
  const result = spawnSync('lspci', ['-D', '-n', '-F', file, ...selection], { encoding: 'latin1' });
  if (result.status !== 0) return { refusal: result.stderr };
  return result.stdout.split('\n').flatMap((line) => (line === '' ? [] : [line.split(' ', 1)[0] ?? '']));
}

function parseOne(text: string): LspciFunction | undefined {
  const head =
    /^([0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]) ([0-9a-f]{4}): ([0-9a-f]{4}):([0-9a-f]{4})/.exec(text);
  if (!head) return undefined;
  const number = (group: number) => Number.parseInt(head[group] ?? '', 16);
  const flag = (pattern: RegExp) => {
    const sign = pattern.exec(text)?.[1];
    return sign === undefined ? null : sign === '+';
  };
  const state = /\] Power Management version.*\n(?:\t\t.*\n)*?\t\tStatus: D([0-3]) /.exec(text)?.[1];
  return {
    slot: head[1] ?? '',
    class: number(2),
    vendor: number(3),
    device: number(4),
    busMaster: flag(/^\tControl: .*BusMaster([+-])/m),
    intxDisable: flag(/^\tControl: .*DisINTx([+-])/m),
    msiEnable: flag(/\] MSI: Enable([+-])/),
    msixEnable: flag(/\] MSI-X: Enable([+-])/),
    msixMasked: flag(/\] MSI-X: .*Masked([+-])/),
    transactionsPending: flag(/^\t\tDevSta:.*TransPend([+-])/m),
    powerState: state === undefined ? null : state === '3' ? 'D3hot' : `D${state}`,
  };
}
