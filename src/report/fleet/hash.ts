// Hashes that group what is alike within one report. Not for secrets: who forges a collision gets two machines shown as
// one.

/** Stirs a number into a 32-bit hash (the finaliser of MurmurHash3, https://github.com/aappleby/smhasher). */
export function mix(hash: number, value: number): number {
  let h = Math.imul(hash ^ value, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

/** FNV-1a over UTF-16 units, stirred. */
export function textHash(text: string, seed = 0): number {
  let h = 0x811c9dc5 ^ seed;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return mix(h, text.length);
}

/** Two 32-bit hashes as one number that is exact: 53 bits of them. */
export const wide = (high: number, low: number): number => (high & 0x1fffff) * 0x1_0000_0000 + (low >>> 0);

/** 53 bits of a text. */
export const wideTextHash = (text: string): number => wide(textHash(text, 0x5bd1e995), textHash(text));

/** As 14 hexadecimal digits. */
export const hashText = (hash: number): string => hash.toString(16).padStart(14, '0');
