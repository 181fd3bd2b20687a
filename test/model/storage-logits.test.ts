/**
 * Packs of every storage type: the runtime computes from the stored bytes what plain float64 computes from the values that they
 * stand for, as the host reads them back. Writer and reader here, reader and kernels there, agree on every byte.
 */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createRandom } from '../../src/model/create.ts';
import { importSource } from '../../src/model/import.ts';
import { type ModelPack, openPack, STORAGE_TYPES } from '../../src/model/index.ts';
import { runtimeLogits } from '../support/logits-tool.ts';
import { temporaryFolder } from '../support/model-folders.ts';
import { referenceLogits } from '../support/reference-decoder.ts';

const fixtures = join(import.meta.dirname, '../fixtures');
const dir = await temporaryFolder();
let serial = 0;

/** Largest difference, relative to the largest logit. */
async function difference(pack: ModelPack, tokens: readonly number[]): Promise<number> {
  const [mine, exact] = [runtimeLogits(pack, tokens), await referenceLogits(pack, tokens)];
  const largest = Math.max(...exact.flat().map(Math.abs));
  return Math.max(
    ...exact.flatMap((row, t) =>
      row.map((value, v) => Math.abs(value - (mine[t]?.[v] ?? Number.NaN)) / largest),
    ),
  );
}

const tokens = [3, 50, 0, 17, 17, 42, 9, 1, 33];
const FAMILIES = ['hf-gpt2', 'hf-qwen2', 'hf-qwen3', 'hf-gemma3', 'hf-llama'];

test.each(FAMILIES.flatMap((family) => STORAGE_TYPES.map((dtype) => [family, dtype] as const)))(
  '%s as %s',
  async (family, dtype) => {
    const target = join(dir, `${serial++}`);
    await importSource(join(fixtures, family, 'single-f32'), target, { tokenizer: 'none', dtype });
    expect(await difference(await openPack(target), tokens)).toBeLessThan(1e-5);
  },
);

test.each(STORAGE_TYPES)('rows of several blocks, the last one short, as %s', async (dtype) => {
  const target = join(dir, `${serial++}`);
  const sizes = {
    vocab: 77,
    hidden: 100,
    layers: 2,
    heads: 5,
    kvHeads: 1,
    headDim: 22,
    inner: 130,
    positions: 16,
  };
  await createRandom(target, { family: 'qwen2', ...sizes, seed: 4, dtype });
  expect(await difference(await openPack(target), tokens)).toBeLessThan(1e-5);
});
