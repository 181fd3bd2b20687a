/**
 * Every family from its Hugging Face folder through the command line on both makes of virtual phone: LoRA and full
 * fine-tuning complete, the result is exported, and every loss equals to the bit what the same engine computes on the host.
 * The models are small, the tokenizer and the text are real.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makes } from '../../src/phone/index.ts';
import { textFolder } from '../support/family-folders.ts';
import { trainOnHost } from '../support/host-engine.ts';
import { type Rig, startRig } from '../support/rig.ts';
import {
  curveBits,
  mftProcess,
  TOKENIZER,
  type Workbench,
  warningCodes,
  workbench,
} from '../support/training.ts';

const SETTINGS = [
  'train.steps=6',
  'train.batch_size=2',
  'train.accumulation=2',
  'train.eval_max_batches=1',
  'train.learning_rate=5e-3',
  'train.warmup_steps=1',
  'train.checkpoint_every=4',
  'data.sequence_length=24',
].flatMap((setting) => ['--set', setting]);

let bench: Workbench;
beforeAll(async () => {
  bench = await workbench();
});
afterAll(() => bench?.remove());

describe.each(makes)('%s phone', (make) => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await startRig({ make });
  });
  afterAll(() => rig?.stop());

  describe.each([
    ['hf-qwen2/single-f32', 'q_proj,v_proj'],
    ['hf-qwen3/single-f32', 'q_proj,k_proj,up_proj'],
    ['hf-llama/single-f32', 'all-linear'],
    ['hf-llama/biased-f32', 'o_proj,down_proj'],
    ['hf-gemma3/single-f32', 'q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj'],
  ])('%s', (family, targets) => {
    let folder: string;
    beforeAll(async () => {
      folder = join(bench.home, family.replace('/', '-'));
      if (!existsSync(folder)) await textFolder(family, TOKENIZER, folder);
    });

    test.each([
      ['lora', '--targets', targets],
      ['full', '--method', 'full'],
    ])('%s', async (_method, ...flags) => {
      const args = ['train', '--model', folder, '--data', bench.data, ...SETTINGS, ...flags, '--json'];
      const { stdout, stderr, exitCode } = await mftProcess(bench, rig, args);
      expect(`${exitCode} ${stderr}`).toMatch(/^0 /);
      const lines = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      const id: string = lines.find(({ type }) => type === 'run').run;
      expect(existsSync(lines.at(-1).export)).toBe(true);

      const bits = curveBits(bench.store, id);
      expect(bits).toHaveLength(6);
      expect(warningCodes(bench.store, id)).toEqual([]);
      const losses = bench.store.curve(id).map(({ loss }) => loss);
      expect(losses.at(-1)).toBeLessThan(losses[0] ?? 0);
      expect(await trainOnHost(rig.phone, id)).toEqual(bits);
    });
  });
});
