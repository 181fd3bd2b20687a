/** The tokens that end a text: a model may have several (a chat model's end of turn beside its end of text). */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ExitCode, MftError } from '../base/errors.ts';
import { readJsonObject } from './json.ts';
import type { ModelPack } from './types.ts';

const LIMIT = 4 << 20;

/**
 * `eos_token_id` of the model's generation_config.json, or else of its config.json, as transformers' GenerationConfig
 * takes it; none where neither is beside the pack. The tokenizer's own end of text is not among them unless they name it.
 *
 * @throws MftError model.json-malformed, model.bad-config-field.
 */
export async function readEndTokens({ dir, config }: Pick<ModelPack, 'dir' | 'config'>): Promise<number[]> {
  for (const name of ['generation_config.json', 'config.json']) {
    const path = join(dir, name);
    if (!existsSync(path)) continue;
    const { eos_token_id: value } = await readJsonObject(path, LIMIT);
    if (value !== undefined && value !== null) return endTokens(value, path, config.vocabSize);
  }
  return [];
}

function endTokens(value: unknown, path: string, vocabSize: number): number[] {
  const list: unknown[] = Array.isArray(value) ? value : [value];
  const isToken = (id: unknown): id is number => Number.isInteger(id) && Number(id) >= 0;
  if (list.length > 1024 || !list.every(isToken))
    throw new MftError(`${path}: eos_token_id must be a token's id, or a list of them`, {
      code: 'model.bad-config-field',
      exit: ExitCode.usage,
    });
  return [...new Set(list)].filter((id) => id < vocabSize); // another can't be picked
}
