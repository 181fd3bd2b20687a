/** The tokenizer of a model folder: its compiled tables for the phone, its files for exports. */
import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ExitCode, MftError } from '../base/errors.ts';
import { readBounded } from './json.ts';
import { compileTokenizer, describeTokenizer, type TokenizerDescription } from './tokenizer/index.ts';

const MAX_TOKENIZER_BYTES = 256 << 20;

/** Files that say how text becomes tokens, kept for exports. */
export const TOKENIZER_SIDE_FILES: readonly string[] = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  'chat_template.jinja',
];

/** All files of a model folder that mft keeps beside its pack. */
export const SIDE_FILES: readonly string[] = [
  'config.json',
  'generation_config.json',
  ...TOKENIZER_SIDE_FILES,
];

export interface Tokenizer {
  compiled: Uint8Array;
  description: TokenizerDescription;
  files: Map<string, Uint8Array>;
}

/**
 * Compiles the tokenizer of `place`: a folder with tokenizer.json, that file itself, or the files by name; `shown` is what
 * errors call it.
 * @throws MftError model.tokenizer-missing, model.tokenizer-mismatch, tokenizer.*.
 */
export async function readTokenizer(
  place: string | ReadonlyMap<string, Uint8Array>,
  limit?: { vocabSize: number },
  shown = typeof place === 'string' ? place : 'the model',
): Promise<Tokenizer> {
  const files = typeof place === 'string' ? await readTokenizerFiles(place) : new Map(place);
  const json = files.get('tokenizer.json');
  if (json === undefined) throw missing(shown, files);
  const compiled = inPlace(shown, () =>
    compileTokenizer(json, { tokenizerConfig: files.get('tokenizer_config.json') }),
  );
  const description = describeTokenizer(compiled);
  if (limit !== undefined && description.textVocabSize > limit.vocabSize)
    throw new MftError(
      `the tokenizer of ${shown} has ids up to ${description.textVocabSize - 1}, the model's vocabulary ends at ${limit.vocabSize - 1}`,
      {
        code: 'model.tokenizer-mismatch',
        exit: ExitCode.usage,
        suggestions: ['Use the tokenizer that the model was trained with.'],
      },
    );
  return { compiled, description, files };
}

/** The tokenizer's files of a folder, or tokenizer.json (and its neighbours) by its own path. */
export async function readTokenizerFiles(place: string): Promise<Map<string, Uint8Array>> {
  const isFile = (await stat(place).catch(() => undefined))?.isFile() === true;
  const dir = isFile ? dirname(place) : place;
  const files = new Map<string, Uint8Array>();
  for (const name of TOKENIZER_SIDE_FILES) {
    const path = isFile && name === 'tokenizer.json' ? place : join(dir, name);
    if (isFile && name !== 'tokenizer.json' && basename(place) !== 'tokenizer.json') continue;
    const found = await stat(path).catch(() => undefined);
    if (found?.isFile()) files.set(name, await readBounded(path, MAX_TOKENIZER_BYTES));
  }
  return files;
}

/** The compiler reads bytes and knows no file: whoever does puts its name in front. */
function inPlace<T>(shown: string, compile: () => T): T {
  try {
    return compile();
  } catch (error) {
    if (!(error instanceof MftError)) throw error;
    const { code, exit, suggestions, ref } = error;
    throw new MftError(`${shown}: ${error.message}`, {
      code,
      exit,
      suggestions,
      cause: error,
      ...(ref === undefined ? {} : { ref }),
    });
  }
}

function missing(shown: string, files: ReadonlyMap<string, Uint8Array>): MftError {
  return new MftError(`${shown} has no tokenizer.json`, {
    code: 'model.tokenizer-missing',
    exit: ExitCode.usage,
    suggestions: [
      ...(files.has('vocab.json')
        ? ['Save it in the new form: AutoTokenizer.from_pretrained(DIR).save_pretrained(DIR)']
        : []),
      'Name a folder that has one: --tokenizer DIR',
    ],
  });
}
