/**
 * The ways in which a text means modules, as in peft 0.21: a name in a list (tuners_utils.check_target_module_exists), a
 * regular expression of whole paths (the same), a key of rank_pattern or alpha_pattern (utils/other.get_pattern_key).
 */
import { runInNewContext } from 'node:vm';
import { ExitCode, MftError, messageOf } from '../base/errors.ts';

/** Patterns come from files of others too: one that backtracks without end must not hang mft. */
const MATCH_MS = 1000;
const MAX_PATTERN = 4096;

/** A name in a list of targets: the whole path, or its end behind a dot. */
export function isNamed(path: string, name: string): boolean {
  return path === name || path.endsWith(`.${name}`);
}

/** Whether a text is a name or a path, not a regular expression. */
export function isPlainName(text: string): boolean {
  return /^[\w.-]+$/.test(text);
}

/** Of each path whether the expression matches it from end to end. @throws MftError model.bad-pattern. */
export function matchWhole(source: string, paths: readonly string[]): boolean[] {
  return evaluate(source, `^(?:${source})$`, paths);
}

/**
 * Of each path the first key that means it, if any does: a key is an expression for a path or for its end behind a dot.
 *
 * @throws MftError model.bad-pattern.
 */
export function patternKeys(keys: readonly string[], paths: readonly string[]): (string | undefined)[] {
  const matches = keys.map((key) =>
    isPlainName(key) ? paths.map((path) => isNamed(path, key)) : evaluate(key, `^(.*\\.)?(${key})$`, paths),
  );
  return paths.map((_, i) => keys.find((_key, k) => matches[k]?.[i]));
}

/**
 * `u` makes JavaScript refuse what it does not know (Python's own syntax among it) instead of reading it as something
 * else; what both know means the same for names of modules.
 */
function evaluate(source: string, wrapped: string, paths: readonly string[]): boolean[] {
  const bad = (why: string) =>
    new MftError(`"${source.slice(0, 200)}" is no regular expression that mft can use: ${why}`, {
      code: 'model.bad-pattern',
      exit: ExitCode.usage,
      suggestions: ['Give names of modules in place of the expression.'],
    });
  if (source.length > MAX_PATTERN) throw bad(`it has over ${MAX_PATTERN} characters`);
  try {
    new RegExp(source, 'u'); // by itself: the brackets around it must not complete it
    new RegExp(wrapped, 'u');
  } catch (cause) {
    throw bad(messageOf(cause));
  }
  const script = 'const expression = new RegExp(wrapped, "u"); paths.map((path) => expression.test(path));';
  try {
    return [...runInNewContext(script, { wrapped, paths }, { timeout: MATCH_MS })];
  } catch {
    throw bad('to match it takes too long');
  }
}
