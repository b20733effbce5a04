// What packaging/debian/changelog says: version, maintainer, date.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../install.mjs';

export const changelogText = () => readFileSync(join(root, 'packaging/debian/changelog'), 'utf8');

/** The last entry, which comes first. Throws if it is not about the version in package.json. */
export function lastEntry() {
  const text = changelogText();
  const version = /^shootdown \(([^)]+)\) /.exec(text)?.[1];
  const [, maintainer, date] = /^ -- (.+>) {2}(.+)$/m.exec(text) ?? [];
  const time = Date.parse(date ?? '');
  if (version === undefined || maintainer === undefined || Number.isNaN(time))
    throw new Error('packaging/debian/changelog: its first entry cannot be read');
  const wanted = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version;
  if (version !== wanted)
    throw new Error(
      `packaging/debian/changelog: its first entry is about ${version}, package.json about ${wanted}`,
    );
  return { version, maintainer, date, seconds: time / 1000 };
}

/** Seconds since 1970: the date of everything in a package. */
export function sourceDate() {
  const epoch = process.env.SOURCE_DATE_EPOCH;
  if (epoch === undefined || epoch === '') return lastEntry().seconds;
  if (!/^\d+$/.test(epoch)) throw new Error(`SOURCE_DATE_EPOCH is ${epoch}: it must be seconds since 1970`);
  return Number(epoch);
}
