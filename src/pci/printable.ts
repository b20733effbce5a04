/** Control characters, line separators, direction marks and what has no width would reach a terminal and do something there. */
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

/** Of what is quoted from a file. */
const QUOTED_MAX = 120;

/** A text that may be of any length, so that it fits into a message: its beginning. */
export function brief(text: string): string {
  return text.length > QUOTED_MAX ? `${text.slice(0, QUOTED_MAX)}…` : text;
}

/** A message that quotes such a text: its beginning and its end. */
export function briefMiddle(text: string): string {
  if (text.length <= 4 * QUOTED_MAX) return text;
  return `${brief(text)}${text.slice(-2 * QUOTED_MAX)}`;
}

/** Text from outside, fit for a terminal: each character that would act on it becomes `?`. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, '?');
}
