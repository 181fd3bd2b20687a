/**
 * The arm64 runtime under qemu-user, as the oldest and the newest core qemu plays: the same losses as on x86-64, to the
 * bit, for LoRA and full fine-tuning with dropout, accumulation and clipping.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Make, makes, type PhoneOptions } from '../../src/phone/index.ts';
import { startRig } from '../support/rig.ts';
import { curveBits, drive, plan, type Workbench, warningCodes, workbench } from '../support/training.ts';

const METHODS = ['lora', 'full'];
let bench: Workbench;
const reference = new Map<string, string[]>();
beforeAll(async () => {
  bench = await workbench();
  for (const method of METHODS) reference.set(method, await train(method, { make: 'emulated' }));
});
afterAll(() => bench?.remove());

const phones: [Make, string][] = makes.flatMap((make) => [
  [make, 'cortex-a53'],
  [make, 'max'],
]);

async function train(method: string, options: PhoneOptions): Promise<string[]> {
  const rig = await startRig(options);
  try {
    const settings = [`method=${method}`, 'train.steps=6', 'train.eval_every=0', 'train.warmup_steps=2'];
    const id = await plan(bench, rig, settings);
    const end = await drive(bench, rig, id);
    expect(end.kind).toBe('finished');
    expect(warningCodes(bench.store, id)).toEqual([]);
    return curveBits(bench.store, id);
  } finally {
    await rig.stop();
  }
}

test.each(phones)('%s phone with an arm64 %s', async (make, cpu) => {
  for (const method of METHODS) {
    const bits = await train(method, { make, abi: 'arm64-v8a', cpu });
    expect(bits).toHaveLength(6);
    expect(bits).toEqual(reference.get(method));
  }
});
