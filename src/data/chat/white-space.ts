/** What Python's str.isspace says of a character: JavaScript's trim knows U+FEFF in place of U+001C to U+001F and U+0085. */
const SPACE = '\\t-\\r\\u001c-\\u0020\\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';
const AT_START = new RegExp(`^[${SPACE}]+`);
const IS_SPACE = new RegExp(`[${SPACE}]`);

/** Python's str.lstrip. */
export function stripStart(text: string): string {
  return text.replace(AT_START, '');
}

/** Python's str.rstrip. From the end, so that it is linear. */
export function stripEnd(text: string): string {
  let end = text.length;
  while (end > 0 && IS_SPACE.test(text[end - 1] ?? '')) end -= 1;
  return text.slice(0, end);
}

/** Python's str.strip. */
export function strip(text: string): string {
  return stripEnd(stripStart(text));
}
