/**
 * Trains every family on a virtual phone, LoRA and full, and leaves what check_export.py --all compares:
 *
 *     node scripts/oracle/export-families.ts OUT
 *     python scripts/oracle/check_export.py --all OUT --tool build/host/models/logits_tool
 *
 * OUT/FAMILY-METHOD/ has base (a Hugging Face folder), pack, result (what the phone made), and what mft exported of it: peft
 * and merged, or full.
 */
import { cpSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { openModel } from '../../src/model/index.ts';
import { collectedPaths } from '../../src/session/index.ts';
import { textFolder } from '../../test/support/family-folders.ts';
import { startRig } from '../../test/support/rig.ts';
import { mftProcess, TOKENIZER, workbench } from '../../test/support/training.ts';

/** Folder of test/fixtures, and LoRA targets. */
const FAMILIES = {
  gpt2: ['hf-gpt2/single-f32', 'c_attn,c_fc'],
  qwen2: ['hf-qwen2/single-f32', 'q_proj,v_proj,gate_proj'],
  qwen3: ['hf-qwen3/single-f32', 'q_proj,k_proj,o_proj'],
  llama: ['hf-llama/single-f32', 'all-linear'],
  'llama-biased': ['hf-llama/biased-f32', 'k_proj,o_proj,down_proj'],
  gemma3: ['hf-gemma3/single-f32', 'all-linear'],
} as const;
const SETTINGS = [
  'train.steps=20',
  'train.batch_size=2',
  'train.learning_rate=1e-2',
  'train.warmup_steps=1',
  'train.eval_max_batches=1',
  'data.sequence_length=16',
  'lora.r=4',
  'lora.rslora=true',
].flatMap((setting) => ['--set', setting]);

const out = resolve(process.argv[2] ?? 'build/exports');
const bench = await workbench();
const rig = await startRig({ make: 'emulated' });

async function mft(...args: string[]): Promise<string[]> {
  const { stdout, stderr, exitCode } = await mftProcess(bench, rig, args);
  if (exitCode !== 0) throw new Error(`mft ${args.join(' ')}: ${stderr}`);
  return stdout.trim().split('\n');
}

async function exportOne(
  family: string,
  fixture: string,
  flags: string[],
  formats: string[][],
): Promise<void> {
  const folder = join(out, family);
  mkdirSync(folder, { recursive: true });
  const base = await textFolder(fixture, TOKENIZER, join(folder, 'base'));
  const lines = await mft('train', '--model', base, '--data', bench.data, ...SETTINGS, ...flags, '--json');
  const { run } = JSON.parse(lines[0] ?? '');
  for (const [name = '', format = ''] of formats)
    await mft('runs', 'pull', run, '--out', join(folder, name), '--format', format);
  const pack = await openModel(base, { home: bench.home });
  cpSync(pack.dir, join(folder, 'pack'), { recursive: true });
  cpSync(collectedPaths(bench.store, run).result, join(folder, 'result'), { recursive: true });
  console.log(`${family}: ${run}`);
}

try {
  for (const [family, [fixture, targets]] of Object.entries(FAMILIES)) {
    const adapters = ['--targets', targets];
    await exportOne(`${family}-lora`, fixture, adapters, [
      ['peft', 'peft'],
      ['merged', 'hf'],
    ]);
    await exportOne(`${family}-full`, fixture, ['--method', 'full'], [['full', 'hf']]);
  }
} finally {
  await rig.stop();
  bench.remove();
}
