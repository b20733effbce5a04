/** Control characters, line separators, direction marks and what has no width would reach a terminal and do something there. */
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;

/** Text from outside, fit for a terminal: each character that would act on it becomes `?`. */
export function printable(text: string): string {
  return text.replace(UNPRINTABLE, '?');
}
