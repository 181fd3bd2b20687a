/** The families that mft knows, by `model_type`. */
import { ExitCode, MftError } from '../../base/errors.ts';
import { nearest } from '../../base/nearest.ts';
import { gpt2 } from './gpt2.ts';
import type { Family } from './types.ts';

const families = new Map<string, Family>([gpt2].map((family) => [family.modelType, family]));

export const familyNames: readonly string[] = [...families.keys()];

/** @throws MftError model.unknown-family naming it. `place`: where the name was read. */
export function familyOf(modelType: unknown, place: string): Family {
  const family = typeof modelType === 'string' ? families.get(modelType) : undefined;
  if (family !== undefined) return family;
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
