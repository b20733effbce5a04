import { stringify } from 'csv-stringify/sync';
import type { MachineRow } from './fleet.js';

/** In this order. New ones are added at the end. */
const COLUMNS: readonly { readonly key: keyof MachineRow; readonly header: string }[] = [
  { key: 'machine', header: 'machine' },
  { key: 'place', header: 'place' },
  { key: 'outcome', header: 'outcome' },
  { key: 'functions', header: 'functions' },
  { key: 'live', header: 'live' },
  { key: 'exposed', header: 'exposed' },
  { key: 'curable', header: 'curable' },
  { key: 'errors', header: 'errors' },
  { key: 'warnings', header: 'warnings' },
  { key: 'infos', header: 'infos' },
  { key: 'findings', header: 'findings' },
  { key: 'topology', header: 'topology' },
  { key: 'state', header: 'state' },
  { key: 'kernel', header: 'kernel' },
  { key: 'lockdown', header: 'lockdown' },
  { key: 'iommu', header: 'iommu' },
  { key: 'captureKernel', header: 'capture_kernel' },
  { key: 'policy', header: 'policy' },
  { key: 'problem', header: 'problem' },
  { key: 'unread', header: 'unread' },
];

export const CSV_HEADER = `${COLUMNS.map(({ header }) => header).join(',')}\n`;

/**
 * Machines as lines of CSV (RFC 4180, but lines end in a newline alone). A cell that a spreadsheet would take for a
 * formula begins with an apostrophe: names come from the machines.
 */
export function csvLines(rows: readonly MachineRow[]): string {
  return stringify([...rows], { columns: [...COLUMNS], escape_formulas: true });
}
