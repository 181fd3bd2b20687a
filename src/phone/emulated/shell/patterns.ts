/** Shell patterns: `*`, `?`, `[...]`, `[!...]`; a backslash makes the next character plain. */

function bracket(pattern: string, at: number): { source: string; next: number } | undefined {
  let end = at + 1;
  if (pattern[end] === '!' || pattern[end] === '^') end += 1;
  if (pattern[end] === ']') end += 1;
  while (end < pattern.length && pattern[end] !== ']') end += 1;
  if (end >= pattern.length) return undefined;
  const inner = pattern.slice(at + 1, end);
  const negated = /^[!^]/.test(inner);
  const characters = (negated ? inner.slice(1) : inner)
    .replace(/\[:(alnum|alpha|digit|lower|upper|space):\]/g, '')
    .replace(/[\\\]^[]/g, '\\$&');
  return { source: `[${negated ? '^' : ''}${characters}]`, next: end + 1 };
}

/** The regular expression source of a pattern. @param slash whether `*` and `?` match a slash */
export function patternSource(pattern: string, slash: boolean, greedy = true): string {
  let source = '';
  for (let at = 0; at < pattern.length; ) {
    const character = pattern[at] ?? '';
    const set = character === '[' ? bracket(pattern, at) : undefined;
    if (set !== undefined) {
      source += set.source;
      at = set.next;
      continue;
    }
    if (character === '*') source += `${slash ? '[\\s\\S]' : '[^/]'}*${greedy ? '' : '?'}`;
    else if (character === '?') source += slash ? '[\\s\\S]' : '[^/]';
    else {
      const plain = character === '\\' ? (pattern[++at] ?? '\\') : character;
      source += plain.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
    }
    at += 1;
  }
  return source;
}

/** For `case`. */
export function matches(pattern: string, text: string): boolean {
  return new RegExp(`^${patternSource(pattern, true)}$`).test(text);
}

/** For `${x#p}`, `${x##p}`, `${x%p}`, `${x%%p}`. */
export function strip(value: string, operator: string, pattern: string): string {
  const longest = operator.length === 2;
  const ends = Array.from({ length: value.length + 1 }, (_, length) => length);
  const suffix = operator.startsWith('%');
  const whole = new RegExp(`^${patternSource(pattern, true)}$`);
  const order = longest ? ends.reverse() : ends;
  for (const length of order) {
    const part = suffix ? value.slice(value.length - length) : value.slice(0, length);
    if (whole.test(part)) return suffix ? value.slice(0, value.length - length) : value.slice(length);
  }
  return value;
}

/** Makes every character of quoted text stand for itself in a pattern. */
export function escapePattern(text: string): string {
  return text.replace(/[*?[\]\\!^-]/g, '\\$&');
}

export function hasPattern(pattern: string): boolean {
  return /(^|[^\\])(\\\\)*[*?[]/.test(pattern);
}

export function unescapePattern(pattern: string): string {
  return pattern.replace(/\\([\s\S])/g, '$1');
}
