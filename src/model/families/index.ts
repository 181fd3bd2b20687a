/** The families that mft knows, by `model_type`. */
import { ExitCode, MftError } from '../../base/errors.ts';
import { nearest } from '../../base/nearest.ts';
import { gemma3 } from './gemma3.ts';
import { gpt2 } from './gpt2.ts';
import { llama } from './llama.ts';
import { qwen2 } from './qwen2.ts';
import { qwen3 } from './qwen3.ts';
import type { Family } from './types.ts';

const families = new Map<string, Family>(
  [gpt2, qwen2, qwen3, gemma3, llama].map((family) => [family.modelType, family]),
);

/** Families that hold one of ours, and how to get it out. */
const CONTAINERS: Record<string, { what: string; suggestion: string }> = {
  gemma3: {
    what: 'a Gemma 3 that sees (text and vision); mft trains text models',
    suggestion: 'Save its text part alone, as docs/families.md shows, and give that folder.',
  },
};

export const familyNames: readonly string[] = [...families.keys()];

/** The family that has a published size of this name. */
export function familyOfSize(size: string): Family | undefined {
  return [...families.values()].find((family) => Object.hasOwn(family.sizes, size));
}

/** Names of all published sizes. */
export const sizeNames: readonly string[] = [...families.values()].flatMap(({ sizes }) => Object.keys(sizes));

/** @throws MftError model.unknown-family naming it. `place`: where the name was read. */
export function familyOf(modelType: unknown, place: string): Family {
  const family = typeof modelType === 'string' ? families.get(modelType) : undefined;
  if (family !== undefined) return family;
  const container =
    typeof modelType === 'string' && Object.hasOwn(CONTAINERS, modelType) ? CONTAINERS[modelType] : undefined;
  if (container !== undefined)
    throw new MftError(`${place}: model_type "${modelType}" is ${container.what}`, {
      code: 'model.unknown-family',
      exit: ExitCode.usage,
      suggestions: [container.suggestion],
    });
  const shown = typeof modelType === 'string' ? `"${modelType.slice(0, 80)}"` : 'no model_type';
  const meant = typeof modelType === 'string' ? nearest(modelType, familyNames) : undefined;
  throw new MftError(`${place}: ${shown} is no model family that mft knows`, {
    code: 'model.unknown-family',
    exit: ExitCode.usage,
    suggestions: [
      ...(meant === undefined ? [] : [`Did you mean ${meant}?`]),
      `Known families: ${familyNames.join(', ')}.`,
    ],
  });
}
