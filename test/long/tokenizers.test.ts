/**
 * Each family with the tokenizer of its published models through the command line on a virtual phone: what the phone makes of
 * half a megabyte of text is, id by id, what Hugging Face's `tokenizers` makes of it, and the model learns from it. The
 * models are narrow; the vocabularies are whole.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { createModel } from '../../src/model/index.ts';
import { type Rig, startRig } from '../support/rig.ts';
import { mftProcess, type Workbench, workbench } from '../support/training.ts';
import { modelFolder } from '../tokenizer/models.ts';
import { sha256 } from '../tokenizer/support.ts';
import { parityTexts } from '../tokenizer/texts.ts';

const TEXT = 'code';
const fixture = z
  .object({
    models: z.record(
      z.string(),
      z.looseObject({ texts: z.record(z.string(), z.looseObject({ count: z.int(), sha256: z.string() })) }),
    ),
  })
  .parse(JSON.parse(readFileSync(join(import.meta.dirname, '../fixtures/tokenizer/models.json'), 'utf8')));

let bench: Workbench;
let rig: Rig;
let data = '';
beforeAll(async () => {
  bench = await workbench();
  rig = await startRig({ make: 'emulated' });
  data = join(bench.home, 'parity.txt');
  writeFileSync(data, parityTexts().get(TEXT) ?? '');
});
afterAll(async () => {
  await rig?.stop();
  bench?.remove();
});

const shape = { hidden: 16, layers: 2, heads: 2, positions: 64, inner: 32, seed: 7 };

describe.each([
  ['gpt2', 'gpt2', 'tokenizer-gpt2', undefined, []],
  ['qwen2', 'qwen2.5', 'tokenizer-qwen2_5', undefined, []],
  ['llama', 'llama3', 'tokenizer-llama3', undefined, []],
  // As the published text models have it: no row for <image_soft_token>.
  ['gemma3_text', 'gemma3', 'tokenizer-gemma3', 262_144, [2]],
] as const)('%s', (family, name, folder, vocab, before) => {
  test('trains on what its tokenizer makes of a text', async () => {
    const tokenizer = await modelFolder(folder);
    const kv = family === 'gpt2' ? {} : { kvHeads: 1, headDim: 8 };
    await createModel(name, { ...shape, ...kv, family, tokenizer, vocab, home: bench.home });
    const settings = [
      'train.steps=8',
      'train.batch_size=2',
      'train.learning_rate=1e-2',
      'data.sequence_length=48',
    ];
    const flags = settings.flatMap((setting) => ['--set', setting]);
    const args = ['train', '--model', name, '--data', data, '--method', 'full', ...flags, '--json'];
    const { stdout, stderr, exitCode } = await mftProcess(bench, rig, args);
    expect(`${exitCode} ${stderr}`).toMatch(/^0 /);
    const first = stdout.split('\n').find((line) => line.includes('"type":"run"')) ?? '{}';
    const { run } = z.looseObject({ run: z.string() }).parse(JSON.parse(first));

    const ids = readTokens(join(rig.phone.root, 'data/local/tmp/mft/runs', run, 'train.tokens'));
    expect([...ids.subarray(0, before.length)]).toEqual(before);
    const text = ids.subarray(before.length);
    const expected = fixture.models[name]?.texts[TEXT];
    expect(text.length).toBe(expected?.count);
    expect(sha256(new Uint8Array(text.buffer, text.byteOffset, text.byteLength))).toBe(expected?.sha256);

    const losses = bench.store.curve(run).map(({ loss }) => loss);
    expect(losses).toHaveLength(8);
    expect(losses.at(-1)).toBeLessThan(losses[0] ?? 0);
  });
});

/** A token file of the phone: a header of 192 bytes, then ids of 2 or 4 bytes (device-runtime/text/token_layout.h). */
function readTokens(path: string): Int32Array {
  const file = readFileSync(path);
  expect(file.toString('latin1', 0, 8)).toBe('MFTTOKS2');
  const width = file.readUInt32LE(8);
  const count = Number(file.readBigUInt64LE(16));
  return Int32Array.from({ length: count }, (_, i) => file.readUIntLE(192 + width * i, width));
}
