import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { openDump } from '../src/host/dump.js';
import { scan } from '../src/host/scan.js';
import { seen } from '../src/pci/function.js';
import * as regs from '../src/pci/regs.js';
import { audit } from '../src/quiesce/audit.js';
import { defaultPolicy } from '../src/quiesce/default-policy.js';
import { auditJson } from '../src/report/audit-json.js';
import { askLspci, haveLspci, type LspciAnswer, type LspciFunction } from './support/lspci.js';
import { slotOf } from './support/memory-host.js';

const own = join(import.meta.dirname, '..', 'dumps');
const outside = process.env['SHOOTDOWN_DUMPS'];
const outsideFiles = outside === undefined ? [] : dumpsBelow(outside);

/** Every text below a folder, but not what is a copied sysfs tree. */
function dumpsBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory())
      return ['bus', 'devices'].some((name) => existsSync(join(path, name))) ? [] : dumpsBelow(path);
    return entry.isFile() && !entry.name.endsWith('.md') ? [path] : [];
  });
}

/** What `audit --json` says of a function, as far as lspci says it, too. */
interface JsonFunction {
  readonly slot: string;
  readonly vendor: string;
  readonly device: string;
  readonly class: string;
  readonly presence: string;
  readonly headerType: number;
  readonly busMaster: boolean | null;
  readonly intxDisable: boolean | null;
  readonly msi: { readonly enable: boolean } | null;
  readonly msix: { readonly enable: boolean; readonly masked: boolean } | null;
  readonly transactionsPending: boolean | null;
  readonly powerState: string | null;
}

function asLspci(fn: JsonFunction): LspciFunction {
  // lspci prints no registers behind a header type that it does not know.
  const shown = fn.headerType <= regs.PCI_HEADER_TYPE_CARDBUS;
  return {
    slot: fn.slot,
    vendor: Number.parseInt(fn.vendor, 16),
    device: Number.parseInt(fn.device, 16),
    class: Number.parseInt(fn.class, 16) >>> 8,
    busMaster: shown ? fn.busMaster : null,
    intxDisable: shown ? fn.intxDisable : null,
    msiEnable: fn.msi?.enable ?? null,
    msixEnable: fn.msix?.enable ?? null,
    msixMasked: fn.msix?.masked ?? null,
    transactionsPending: fn.transactionsPending,
    powerState: fn.powerState,
  };
}

async function compare(path: string): Promise<void> {
  const reference = await askAbout(path);
  const host = await openDump(path);
  const machine = await scan(host);
  const json = JSON.stringify(auditJson(audit(machine, defaultPolicy(), 'crash')));
  const { functions } = JSON.parse(json) as { functions: JsonFunction[] };
  expect(functions.length).toBeGreaterThan(0);
  if (reference.refusal !== undefined) {
    expect(machine.notes, `lspci refuses this: ${reference.refusal}`).not.toEqual([]);
    return;
  }
  expect(functions.map((fn) => fn.slot).sort()).toEqual([...reference.functions.keys()].sort());
  for (const fn of functions) {
    const candidates = reference.functions.get(fn.slot) ?? [];
    const last = candidates.at(-1);
    if (!last) continue;
    const express = seen(machine.topology.nodes.get(slotOf(fn.slot))?.function.express ?? null);
    // lspci decodes the bits of a register that was not answered.
    const notAnswered = express?.deviceStatus === 0xffff ? { transactionsPending: true } : {};
    const ours = { ...asLspci(fn), ...notAnswered };
    // Of one that comes again the last complete one counts, which lspci does not tell from others.
    if (!candidates.some((candidate) => isDeepStrictEqual(candidate, ours))) expect(ours).toEqual(last);
  }
}

/** lspci does not read what is quoted or indented; then it gets the text without that. */
async function askAbout(path: string): Promise<LspciAnswer> {
  const answer = askLspci(path);
  if (answer.refusal !== undefined || answer.functions.size > 0) return answer;
  const copy = join(mkdtempSync(join(tmpdir(), 'shootdown-')), 'dump');
  writeFileSync(copy, readFileSync(path, 'latin1').replaceAll(/^[> \t]+/gm, ''), 'latin1');
  try {
    return askLspci(copy);
  } finally {
    rmSync(dirname(copy), { recursive: true });
  }
}

describe.skipIf(!haveLspci())('we read what lspci reads', () => {
  describe('in the dumps of the project', () => {
    const files = dumpsBelow(own);
    it('has them', () => expect(files.length).toBeGreaterThanOrEqual(12));
    for (const path of files) it(path.slice(own.length + 1), () => compare(path));
  });

  describe('in outside dumps', () => {
    it('are there if a folder is named', () => {
      if (outside !== undefined) expect(outsideFiles.length).toBeGreaterThan(0);
    });
    afterAll(() => console.log(`${outsideFiles.length} outside dumps were tried (SHOOTDOWN_DUMPS)`));
    for (const path of outsideFiles) it(path.slice((outside ?? '').length), () => compare(path));
  });
});
