/**
 * From a Hugging Face folder to the runtime's logits: every folder and adapter that transformers and peft wrote
 * (scripts/oracle/hf_families.py, hf_gpt2.py), imported and run, gives what transformers computes; and so does what is
 * exported and imported again.
 */
import { cp, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { exportResult, openAdapter } from '../../src/model/export/index.ts';
import { openResult } from '../../src/model/export/result.ts';
import { importSource } from '../../src/model/import.ts';
import { type ModelPack, openPack } from '../../src/model/index.ts';
import { runtimeLogits } from '../support/logits-tool.ts';
import { temporaryFolder, writeResult } from '../support/model-folders.ts';

const fixtures = join(import.meta.dirname, '../fixtures');
const dir = await temporaryFolder();
let serial = 0;
const fresh = () => join(dir, `${serial++}`);

async function imported(folder: string): Promise<ModelPack> {
  const target = fresh();
  await importSource(folder, target, { tokenizer: 'none' });
  return openPack(target);
}

interface Expected {
  tokens: number[][];
  logits: Record<string, number[][][]>;
}
const expectedOf = async (family: string): Promise<Expected> =>
  JSON.parse(await readFile(join(fixtures, family, 'expected.json'), 'utf8'));

/** The largest difference from what transformers computes, over all rows. */
async function worst(family: string, name: string, pack: ModelPack, result?: string): Promise<number> {
  const expected = await expectedOf(family);
  const wanted = expected.logits[name] ?? [];
  expect(wanted).toHaveLength(expected.tokens.length);
  const differences = expected.tokens.flatMap((tokens, row) => {
    const logits = runtimeLogits(pack, tokens, result);
    return logits.flatMap((values, t) =>
      values.map((value, v) => Math.abs(value - (wanted[row]?.[t]?.[v] ?? Number.NaN))),
    );
  });
  return Math.max(...differences); // NaN if one is
}

const FAMILIES = ['hf-gpt2', 'hf-qwen2', 'hf-qwen3', 'hf-gemma3', 'hf-llama'];
const NAMES = ['single-f32', 'sharded-bf16', 'single-f16', 'merged-f32'];
const folders = FAMILIES.flatMap((family) => NAMES.map((name) => [family, name] as const));

test.each([...folders, ['hf-llama', 'biased-f32'] as const])(
  '%s/%s computes what transformers computes',
  async (family, name) => {
    expect(await worst(family, name, await imported(join(fixtures, family, name)))).toBeLessThan(1e-5);
  },
);

test.each(FAMILIES)('%s: an adapter of peft computes what peft computes', async (family) => {
  const pack = await imported(join(fixtures, family, 'single-f32'));
  const adapter = await openAdapter(join(fixtures, family, 'peft'), pack.config, join(dir, 'cache'));
  const result = fresh();
  await mkdir(result);
  await cp(adapter.file.path, join(result, 'adapter.seg'));
  await writeResult(result, [adapter.segment], adapter.targets, () => 'adapter.seg');
  expect(await worst(family, 'peft', pack, result)).toBeLessThan(1e-5);
  expect(await worst(family, 'single-f32', pack, result)).toBeGreaterThan(1e-2); // it changes something

  const merged = fresh();
  await exportResult(await openResult(result), pack, { out: merged, format: 'hf' });
  expect(await worst(family, 'merged-f32', await imported(merged))).toBeLessThan(1e-5);
});
