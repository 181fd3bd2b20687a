/**
 * Trains every family on a virtual phone, LoRA and full, and leaves what check_export.py --all compares:
 *
 *     node scripts/oracle/export-families.ts OUT
 *     python scripts/oracle/check_export.py --all OUT --tool build/host/models/logits_tool
 *
 * OUT/FAMILY-METHOD/ has base (a Hugging Face folder), pack, result (what the phone made), and what mft exported of it: peft
 * and merged, or full. OUT/FAMILY-TYPE/, made of new models stored as TYPE, have GGUF files beside: base.*.gguf, merged.*.gguf
 * and adapter.gguf; base is what mft exported of the pack.
 */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createModel, modelsFolder, openModel } from '../../src/model/index.ts';
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
/** New models, whose rows are whole blocks of Q8_0. */
const NEW_FAMILIES = ['gpt2', 'qwen2', 'qwen3', 'gemma3_text', 'llama'];
const SIZES = { hidden: 64, layers: 2, heads: 4, inner: 96, positions: 64, seed: 3, tokenizer: TOKENIZER };
const TYPES = ['f32', 'int8', 'int4'] as const;
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

/** Trains and exports into `folder`. `exports`: name, format, type. */
async function exportRun(
  folder: string,
  model: string,
  flags: string[],
  exports: readonly (readonly [string, string, string?])[],
): Promise<void> {
  const lines = await mft('train', '--model', model, '--data', bench.data, ...SETTINGS, ...flags, '--json');
  const { run } = JSON.parse(lines[0] ?? '');
  for (const [name, format, dtype] of exports) {
    const type = dtype === undefined ? [] : ['--dtype', dtype];
    await mft('runs', 'pull', run, '--out', join(folder, name), '--format', format, ...type);
  }
  const pack = await openModel(model, { home: bench.home });
  cpSync(pack.dir, join(folder, 'pack'), { recursive: true });
  cpSync(collectedPaths(bench.store, run).result, join(folder, 'result'), { recursive: true });
  console.log(`${folder}: ${run}`);
}

function newFolder(name: string): string {
  const folder = join(out, name);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** A fixture with a vocabulary, and the files that an export has to carry along. */
async function fixtureFolder(fixture: string, folder: string): Promise<string> {
  const base = await textFolder(fixture, TOKENIZER, join(folder, 'base'));
  writeFileSync(join(base, 'generation_config.json'), '{"temperature": 0.7, "top_k": 20, "do_sample": true}');
  writeFileSync(join(base, 'chat_template.jinja'), '{% for m in messages %}{{ m.content }}{% endfor %}');
  return base;
}

async function exportNew(family: string, type: (typeof TYPES)[number]): Promise<void> {
  const name = `${family}-${type}`;
  const folder = newFolder(name);
  const more = family === 'gpt2' ? {} : { kvHeads: 2, headDim: 32 };
  const pack = await createModel(name, { home: bench.home, ...SIZES, ...more, family, dtype: type });
  // A file that came with a model is kept beside its pack.
  writeFileSync(join(modelsFolder({ home: bench.home }), pack.name, 'chat_template.jinja'), '{{ messages }}');
  await mft('model', 'export', name, '--out', join(folder, 'base'));
  for (const dtype of ['f32', 'f16', 'bf16', 'q8_0'])
    await mft(
      ...['model', 'export', name, '--format', 'gguf', '--dtype', dtype],
      ...['--out', join(folder, `base.${dtype}.gguf`)],
    );
  await exportRun(
    folder,
    name,
    ['--targets', 'all-linear'],
    [
      ['peft', 'peft'],
      ['merged', 'hf'],
      ['merged.f32.gguf', 'gguf', 'f32'],
      ['merged.q8_0.gguf', 'gguf', 'q8_0'],
      ['adapter.gguf', 'gguf-adapter'],
    ],
  );
}

try {
  for (const family of NEW_FAMILIES) for (const type of TYPES) await exportNew(family, type);
  for (const [family, [fixture, targets]] of Object.entries(FAMILIES)) {
    const [lora, full] = [newFolder(`${family}-lora`), newFolder(`${family}-full`)];
    await exportRun(
      lora,
      await fixtureFolder(fixture, lora),
      ['--targets', targets],
      [
        ['peft', 'peft'],
        ['merged', 'hf'],
      ],
    );
    await exportRun(full, await fixtureFolder(fixture, full), ['--method', 'full'], [['full', 'hf']]);
  }
} finally {
  await rig.stop();
  bench.remove();
}
