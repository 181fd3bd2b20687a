/**
 * GPT-2 124M at its true size (random weights, real tokenizer, real text) on both makes of virtual phone: LoRA and full
 * fine-tuning complete, and every loss equals to the bit what the same engine computes on the host.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { resolveConfig, setLayer } from '../../src/config/index.ts';
import { createModel } from '../../src/model/index.ts';
import { makes } from '../../src/phone/index.ts';
import { collect, DevicePhone, planTraining } from '../../src/session/index.ts';
import { trainOnHost } from '../support/host-engine.ts';
import { type Rig, startRig } from '../support/rig.ts';
import { curveBits, drive, TOKENIZER, type Workbench, warningCodes, workbench } from '../support/training.ts';

const SETTINGS = ['train.steps=5', 'train.batch_size=1', 'train.accumulation=2', 'train.eval_max_batches=1'];
let bench: Workbench;
beforeAll(async () => {
  bench = await workbench();
  await createModel('gpt2-124m', {
    home: bench.home,
    family: 'gpt2',
    size: 'gpt2',
    seed: 3,
    tokenizer: TOKENIZER,
  });
});
afterAll(() => bench?.remove());

describe.each(makes)('%s phone', (make) => {
  let rig: Rig;
  beforeAll(async () => {
    rig = await startRig({ make });
  });
  afterAll(() => rig?.stop());

  test.each(['lora', 'full'])('%s', async (method) => {
    const { store, data } = bench;
    const settings = [
      ...SETTINGS,
      `method=${method}`,
      'data.sequence_length=64',
      'train.checkpoint_every=1000',
    ];
    const config = resolveConfig([setLayer(settings)]);
    const plan = { store, device: rig.device, model: 'gpt2-124m', data, config };
    const { id } = await planTraining(plan);
    const end = await drive(bench, rig, id);
    if (end.kind !== 'finished') throw new Error(`the run ended as ${end.kind}`);
    const bits = curveBits(store, id);
    expect(bits).toHaveLength(5);
    expect(warningCodes(store, id)).toEqual([]);
    expect(await trainOnHost(rig.phone, id)).toEqual(bits);
    const paths = await collect(store, new DevicePhone(rig.device), id, end.finished);
    expect(paths?.export).toBeDefined();
  });
});
