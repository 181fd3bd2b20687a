/** Text functions that differ between JavaScript and Python, as lm-evaluation-harness's prompts are made by Python. */

// str.isspace: White_Space and U+001C to U+001F; JavaScript's \s lacks U+0085 and these, and has U+FEFF.
const SPACE = '[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';
const ENDS = new RegExp(`^${SPACE}+|${SPACE}+$`, 'gu');

/** str.strip */
export function strip(text: string): string {
  return text.replace(ENDS, '');
}

/** str.capitalize: the first character in title case, all others in lower case. */
export function capitalize(text: string): string {
  const [first = ''] = text;
  const [head = '', ...tail] = first.toUpperCase();
  return head + tail.join('').toLowerCase() + text.slice(first.length).toLowerCase();
}
