import { ShootdownError } from '../pci/error.js';

/** The word that stands for a number of the layout. Throws `bad-input` for a number that none stands for. */
export function wordOf<T extends Readonly<Record<string, number>>>(
  words: T,
  value: number,
  what: string,
  name: string,
): keyof T & string {
  for (const word of Object.keys(words)) if (words[word] === value) return word;
  throw new ShootdownError('bad-input', `${name}: ${what} ${value} is not known in this version`);
}
