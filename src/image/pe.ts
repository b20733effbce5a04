import { ShootdownError } from '../pci/error.js';
import type { Reader } from './reader.js';

/** The part of a PE header that matters here. Offsets are from the start of the file. Microsoft, PE Format. */
export interface Pe {
  /** Of the CheckSum field. */
  readonly checksumAt: number;
  /** Of the entry for the certificate table in the data directories; `undefined` if there is no room for one. */
  readonly certificateEntryAt: number | undefined;
  /** The certificate table: signatures. `undefined` for none. */
  readonly certificate: { readonly at: number; readonly bytes: number } | undefined;
  /** SizeOfImage, and where it stands. */
  readonly imageBytes: number;
  readonly imageBytesAt: number;
  readonly sections: readonly PeSection[];
}

export interface PeSection {
  readonly name: string;
  readonly at: number;
  readonly bytes: number;
}

const PE32_PLUS = 0x20b;
const SECTION_BYTES = 40;
const SECTIONS_MAX = 96;
const CERTIFICATE = 4;

/** The file's PE header; `undefined` for a file that begins in another way. */
export function parsePe(file: Reader): Pe | undefined {
  if (!file.has(0, 'MZ') || file.length < 0x40) return undefined;
  const at = file.u32(0x3c);
  if (!file.has(at, 'PE\0\0')) return undefined;
  const optional = at + 24;
  const plus = file.u16(optional) === PE32_PLUS;
  const directories = optional + (plus ? 112 : 96);
  const entryAt = directories + CERTIFICATE * 8;
  const optionalBytes = file.u16(at + 20);
  const hasEntry = file.u32(directories - 4) > CERTIFICATE && entryAt + 8 <= optional + optionalBytes;
  const certificate = hasEntry ? { at: file.u32(entryAt), bytes: file.u32(entryAt + 4) } : undefined;
  return {
    checksumAt: optional + 64,
    certificateEntryAt: hasEntry ? entryAt : undefined,
    certificate: certificate && (certificate.at !== 0 || certificate.bytes !== 0) ? certificate : undefined,
    imageBytes: file.u32(optional + 56),
    imageBytesAt: optional + 56,
    sections: parseSections(file, optional + optionalBytes, file.u16(at + 6)),
  };
}

function parseSections(file: Reader, at: number, count: number): readonly PeSection[] {
  if (count > SECTIONS_MAX) {
    throw new ShootdownError('bad-input', `its PE header names ${count} sections: the file is damaged`);
  }
  return Array.from({ length: count }, (_, i) => {
    const section = at + i * SECTION_BYTES;
    const name = Buffer.from(file.slice(section, 8)).toString('latin1').replace(/\0.*$/s, '');
    return { name, at: file.u32(section + 20), bytes: file.u32(section + 16) };
  });
}
