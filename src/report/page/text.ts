/** What acts without being seen: controls, direction marks, what has no width, halves of pairs, what is no character. */
const UNSEEN = /[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu;
/** More marks than two on one letter cover the lines around it. */
const PILED_MARKS = /(\p{M}{2})\p{M}+/gu;
const LONGEST = 400;

/**
 * Text from outside (a driver, a rule, a file's name), fit for a page: one line, bounded, each character that would
 * act unseen a `?`. Markup is escaped where it is written.
 */
export function shown(text: string): string {
  const clean = text
    .slice(0, LONGEST * 4)
    .replace(UNSEEN, '?')
    .replace(PILED_MARKS, '$1');
  const characters = [...clean];
  return characters.length <= LONGEST ? clean : `${characters.slice(0, LONGEST).join('')}…`;
}
