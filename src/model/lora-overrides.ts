/** Ranks and alphas of single modules: `lora.overrides`, in the words and by the rules of peft's patterns. */
import { ExitCode, MftError } from '../base/errors.ts';
import { nearest } from '../base/nearest.ts';
import { patternKeys } from './module-names.ts';
import type { LoraOverride } from './types.ts';

/**
 * What each adapted module has of its own. r and alpha are looked up apart, as peft does in its two maps.
 *
 * @param adapted paths of the modules with an adapter
 * @param all paths of all linear modules
 * @throws MftError model.unknown-module (an override means no adapted module), config.value (one that never counts).
 */
export function overridesOf(
  overrides: Readonly<Record<string, LoraOverride>>,
  adapted: readonly string[],
  all: readonly string[],
): LoraOverride[] {
  const entries = Object.entries(overrides);
  for (const [key] of entries)
    if (!patternKeys([key], adapted).includes(key)) throw unmatched(key, adapted, all);
  const lookUp = (field: 'r' | 'alpha') => {
    const keys = entries.filter(([, override]) => override[field] !== undefined).map(([key]) => key);
    const found = patternKeys(keys, adapted);
    for (const key of keys)
      if (!found.includes(key)) throw hidden(key, field, found[patternKeys([key], adapted).indexOf(key)]);
    return found.map((key) => (key === undefined ? undefined : overrides[key]?.[field]));
  };
  const [ranks, alphas] = [lookUp('r'), lookUp('alpha')];
  return adapted.map((_, i) => ({ r: ranks[i], alpha: alphas[i] }));
}

function unmatched(key: string, adapted: readonly string[], all: readonly string[]): MftError {
  const names = (paths: readonly string[]) => [...new Set(paths.flatMap(ends))];
  const elsewhere = patternKeys([key], all).includes(key);
  const meant = nearest(key, names(adapted));
  const shown = [...new Set(adapted.map((path) => path.split('.').slice(-2).join('.')))];
  return new MftError(
    elsewhere
      ? `lora.overrides: "${key.slice(0, 200)}" is in the model, but has no adapter`
      : `lora.overrides: "${key.slice(0, 200)}" matches no module with an adapter`,
    {
      code: 'model.unknown-module',
      exit: ExitCode.usage,
      suggestions: [
        ...(elsewhere ? ['Add it to lora.targets.'] : meant === undefined ? [] : [`Did you mean ${meant}?`]),
        `Modules with an adapter: ${shown.join(', ')}.`,
      ],
    },
  );
}

/** The last one, two and three parts of a path: what people write. */
function ends(path: string): string[] {
  const parts = path.split('.');
  return [1, 2, 3].map((count) => parts.slice(-count).join('.'));
}

function hidden(key: string, field: string, by: string | undefined): MftError {
  return new MftError(
    `lora.overrides: ${field} of "${key.slice(0, 200)}" never counts: "${(by ?? '').slice(0, 200)}" above it means the same modules`,
    {
      code: 'config.value',
      exit: ExitCode.usage,
      suggestions: ['Put the more special one first: of several the first counts.'],
    },
  );
}
