import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  bitsOf,
  FIXTURES,
  failureOf,
  fileNameIn,
  readAll,
  temporaryFolder,
  writeResult,
} from '../../../test/support/model-folders.ts';
import { mft } from '../../protocol/index.ts';
import { importSource } from '../import.ts';
import { type JsonObject, parseJsonObject } from '../json.ts';
import { openPack } from '../pack/read.ts';
import { openSharded } from '../safetensors/reader.ts';
import { writeSafetensors } from '../safetensors/writer.ts';
import { narrow } from '../tensors/float.ts';
import { elementsOf } from '../tensors/stream.ts';
import type { LoraTarget } from '../types.ts';
import { exportResult, openAdapter } from './index.ts';
import { targetModules } from './peft-write.ts';
import { openResult } from './result.ts';

const dir = await temporaryFolder();
const single = join(FIXTURES, 'single-f32');
const packDir = join(dir, 'pack');
await importSource(single, packDir, { tokenizer: 'none' });
const pack = await openPack(packDir);
const cache = join(dir, 'cache');
let serial = 0;
const fresh = () => join(dir, `out-${serial++}`);

/** The pack's own weights as the result of a full fine-tuning. */
const full = join(dir, 'full');
await cp(packDir, full, { recursive: true });
await writeResult(full, pack.manifest.segments, [], fileNameIn(pack));

/** The adapter of the fixture as the result of a LoRA run. */
const lora = join(dir, 'lora');
await mkdir(lora);
const adapter = await openAdapter(join(FIXTURES, 'peft'), pack.config, cache);
await cp(adapter.file.path, join(lora, 'adapter.seg'));
await writeResult(lora, [adapter.segment], adapter.targets, () => 'adapter.seg');

const json = async (path: string) => parseJsonObject(await readFile(path, 'utf8'), path);

test('import then export gives back the tensors of transformers to the bit', async () => {
  const out = fresh();
  const report = await exportResult(await openResult(full), pack, { out, format: 'hf' });
  expect(report).toMatchObject({ path: out, tensors: 28 });
  expect(report.files.map(({ name }) => name)).toEqual([
    'config.json',
    'generation_config.json',
    'model.safetensors',
  ]);
  const [exported, source] = [
    await readAll(join(out, 'model.safetensors')),
    await readAll(join(single, 'model.safetensors')),
  ];
  expect(bitsOf(exported)).toEqual(bitsOf(source));
  expect(await json(join(out, 'config.json'))).toEqual(await json(join(single, 'config.json')));
  const again = fresh();
  await importSource(out, again, { tokenizer: 'none' });
  expect((await openPack(again)).files.map(({ sha256 }) => sha256)).toEqual(
    pack.files.map(({ sha256 }) => sha256),
  );
});

test('bf16 and f16 are rounded as torch rounds them', async () => {
  const sharded = await openSharded(join(FIXTURES, 'sharded-bf16'), 'model.safetensors.index.json');
  const half = await readAll(join(FIXTURES, 'single-f16', 'model.safetensors'));
  for (const dtype of ['bf16', 'f16'] as const) {
    const out = fresh();
    await exportResult(await openResult(full), pack, { out, format: 'hf', dtype });
    for (const [name, { values }] of await readAll(join(out, 'model.safetensors'))) {
      const expected = dtype === 'f16' ? half.get(name)?.values : await sharded.read(name, 0, values.length);
      expect([...values], name).toEqual([...(expected ?? [])]);
    }
    expect((await json(join(out, 'config.json'))).dtype).toBe(dtype === 'f16' ? 'float16' : 'bfloat16');
  }
  await sharded.close();
});

test('an adapter of peft is read: names, ranks, alphas, values', async () => {
  expect(adapter.targets.map(({ tensor, r, alpha }) => [tensor, r, alpha])).toEqual([
    ['blocks.0.attn.qkv.weight', 2, 5],
    ['blocks.1.attn.qkv.weight', 3, 6],
    ['blocks.1.attn.out.weight', 3, 6],
    ['blocks.1.mlp.up.weight', 3, 6],
    ['blocks.1.mlp.down.weight', 3, 6],
  ]);
  expect(adapter.segment.tensors.map(({ name, shape }) => [name, ...shape])).toContainEqual([
    'blocks.1.mlp.down.weight.lora_A',
    3,
    52,
  ]);
  expect(adapter.file.path).toBe(join(cache, `${adapter.file.sha256}.seg`));
  expect(await openAdapter(join(FIXTURES, 'peft'), pack.config, cache)).toEqual(adapter); // and again
  const fromResult = await openAdapter(lora, pack.config, cache);
  expect(fromResult.file.sha256).toBe(adapter.file.sha256);
  const fields = (targets: LoraTarget[]) =>
    targets.map(({ tensor, rowBegin, rowEnd, r, alpha, module }) => ({
      tensor,
      rowBegin,
      rowEnd,
      r,
      alpha,
      module,
    }));
  expect(fields(fromResult.targets)).toEqual(fields(adapter.targets));
});

test('a LoRA result becomes the adapter that peft wrote, and is read back the same', async () => {
  const out = fresh();
  await exportResult(await openResult(lora), pack, { out, format: 'peft', base: 'gpt2' });
  expect(await readdir(out)).toEqual(['adapter_config.json', 'adapter_model.safetensors']);
  const peft = join(FIXTURES, 'peft');
  expect(bitsOf(await readAll(join(out, 'adapter_model.safetensors')))).toEqual(
    bitsOf(await readAll(join(peft, 'adapter_model.safetensors'))),
  );
  expect(await json(join(out, 'adapter_config.json'))).toMatchObject({
    peft_type: 'LORA',
    task_type: 'CAUSAL_LM',
    base_model_name_or_path: 'gpt2',
    fan_in_fan_out: true,
    r: 3,
    lora_alpha: 6,
    rank_pattern: { '0.attn.c_attn': 2 },
    alpha_pattern: { '0.attn.c_attn': 5 },
    target_modules: ['c_attn', '1.attn.c_proj', '1.mlp.c_fc', '1.mlp.c_proj'],
  });
  const back = await openAdapter(out, pack.config, cache);
  expect(back.file.sha256).toBe(adapter.file.sha256);
  expect(back.targets).toEqual(adapter.targets);
});

test('base and adapter merged are what peft merges', async () => {
  const out = fresh();
  await exportResult(await openResult(lora), pack, { out, format: 'hf' });
  const [mine, theirs] = [
    await readAll(join(out, 'model.safetensors')),
    await readAll(join(FIXTURES, 'merged-f32', 'model.safetensors')),
  ];
  const base = await readAll(join(single, 'model.safetensors'));
  expect([...mine.keys()].sort()).toEqual([...theirs.keys()].sort());
  let changed = 0;
  for (const [name, { values }] of mine) {
    const expected = theirs.get(name)?.values ?? new Float32Array();
    const worst = values.reduce(
      (worst, value, i) => Math.max(worst, Math.abs(value - (expected[i] ?? Number.NaN))),
      0,
    );
    expect(worst, name).toBeLessThan(1e-6);
    const before = base.get(name)?.values ?? new Float32Array();
    if (Buffer.compare(narrow(values, 'f32'), narrow(before, 'f32')) !== 0) changed += 1;
  }
  expect(changed).toBe(5);
});

test('the shortest names that mean exactly the chosen modules', () => {
  const all = [
    'h.0.attn.c_attn',
    'h.0.attn.c_proj',
    'h.0.mlp.c_proj',
    'h.10.attn.c_attn',
    'h.10.attn.c_proj',
    'h.10.mlp.c_proj',
  ];
  expect(targetModules(all, all)).toEqual(['c_attn', 'c_proj']);
  expect(targetModules(['h.0.attn.c_attn', 'h.10.attn.c_attn'], all)).toEqual(['c_attn']);
  expect(targetModules(['h.0.attn.c_proj', 'h.10.attn.c_proj'], all)).toEqual(['attn.c_proj']);
  expect(targetModules(['h.0.attn.c_proj'], all)).toEqual(['0.attn.c_proj']);
});

test('what can not be exported says why, and an existing folder is left alone', async () => {
  const error = await failureOf(exportResult(await openResult(full), pack, { out: fresh(), format: 'peft' }));
  expect(error.code).toBe('export.no-adapter');
  const taken = fresh();
  await mkdir(taken);
  const refusal = await failureOf(exportResult(await openResult(full), pack, { out: taken, format: 'hf' }));
  expect(refusal.code).toBe('file.exists');
  expect(await readdir(taken)).toEqual([]);
});

test('a damaged result is found before anything is written', async () => {
  const copy = fresh();
  await cp(lora, copy, { recursive: true });
  const bytes = await readFile(join(copy, 'adapter.seg'));
  bytes[100] = (bytes[100] ?? 0) ^ 1;
  await writeFile(join(copy, 'adapter.seg'), bytes);
  const out = fresh();
  expect(
    (await failureOf(exportResult(await openResult(copy), pack, { out, format: 'peft' }))).message,
  ).toMatch(/its SHA-256 is/);
  await expect(readdir(out)).rejects.toThrow();
  expect((await failureOf(openAdapter(copy, pack.config, cache))).message).toMatch(/its SHA-256 is/);

  type Manifest = mft.v1.CheckpointManifest;
  const cases: [string, (manifest: Manifest) => void, RegExp][] = [
    [
      'a path outside',
      (m) => Object.assign(m.files, { adapter: '../lora/adapter.seg' }),
      /no proper file name/,
    ],
    ['an absolute path', (m) => Object.assign(m.files, { adapter: '/etc/passwd' }), /no proper file name/],
    ['no file', (m) => Object.assign(m, { files: {} }), /no proper file name/],
    ['no weights', (m) => Object.assign(m, { weights: [] }), /no weights/],
    ['a target twice', (m) => m.loraTargets.push(...m.loraTargets.slice(0, 1)), /two adapters/],
    ['a rank of 0', (m) => Object.assign(m.loraTargets[0] ?? {}, { r: 0 }), /impossible sizes/],
    [
      'alpha that is no number',
      (m) => Object.assign(m.loraTargets[0] ?? {}, { alpha: Number.NaN }),
      /impossible sizes/,
    ],
    ['another format', (m) => Object.assign(m, { format: 9 }), /format 9/],
  ];
  for (const [what, change, message] of cases) {
    const manifest = mft.v1.CheckpointManifest.decode(await readFile(join(lora, 'manifest.pb')));
    change(manifest);
    await writeFile(join(copy, 'manifest.pb'), mft.v1.CheckpointManifest.encode(manifest).finish());
    const error = await failureOf(openResult(copy));
    expect(error.message, what).toMatch(message);
    expect(error.code).toBe('result.damaged');
  }
});

test('an adapter of another model is refused', async () => {
  const error = await failureOf(
    openAdapter(lora, { ...pack.config, hiddenSize: 24, headDim: 6, toJSON: () => ({}) }, cache),
  );
  expect(error.message).toMatch(/fits no module/);
});

test('an adapter_config.json that asks for more than LoRA is refused by field', async () => {
  const peft = join(FIXTURES, 'peft');
  const config = await json(join(peft, 'adapter_config.json'));
  const attempt = async (change: JsonObject) => {
    const copy = fresh();
    await cp(peft, copy, { recursive: true });
    await writeFile(join(copy, 'adapter_config.json'), JSON.stringify({ ...config, ...change }));
    return openAdapter(copy, pack.config, cache);
  };
  for (const [change, message] of [
    [{ use_dora: true }, /use_dora = true/],
    [{ modules_to_save: ['wte'] }, /modules_to_save/],
    [{ peft_type: 'IA3' }, /"IA3"/],
    [{ bias: 'all' }, /bias "all"/],
    [{ init_lora_weights: 'pissa' }, /"pissa" changes the base model/],
    [{ r: 4 }, /lora_A of transformer.h.1.attn.c_attn has shape \[3, 20\], \[4, 20\] is expected/],
    [{ lora_alpha: '6' }, /lora_alpha = "6"/],
    [{ rank_pattern: { 'h.0.attn.c_attn': 2.5 } }, /bad entry/],
    [{ trainable_token_indices: [1] }, /trainable_token_indices/],
  ] as const) {
    const error = await failureOf(attempt(change));
    expect(error.message).toMatch(message);
    expect(error.code).toBe('model.bad-adapter');
  }
  const scaled = await attempt({ use_rslora: true });
  expect(scaled.targets[1]).toMatchObject({ alpha: 6, r: 3, rslora: true });
});

test('tensors of an adapter must be those of the model', async () => {
  const peft = join(FIXTURES, 'peft');
  const source = await readAll(join(peft, 'adapter_model.safetensors'));
  const attempt = async (rename: (name: string) => string | undefined) => {
    const copy = fresh();
    await mkdir(copy);
    await cp(join(peft, 'adapter_config.json'), join(copy, 'adapter_config.json'));
    const plans = [...source].flatMap(([name, { shape }]) => {
      const renamed = rename(name);
      return renamed === undefined ? [] : [{ name: renamed, from: name, shape, type: 'f32' as const }];
    });
    const from = new Map(plans.map((plan) => [plan.name, plan.from]));
    await writeSafetensors(join(copy, 'adapter_model.safetensors'), plans, ({ name }) => [
      source.get(from.get(name) ?? '')?.values ?? new Float32Array(),
    ]);
    return openAdapter(copy, pack.config, cache);
  };
  const bare = await attempt((name) => name.replace('transformer.', ''));
  expect(bare.file.sha256).toBe(adapter.file.sha256);
  expect((await failureOf(attempt((name) => name.replace('h.1.mlp', 'h.7.mlp')))).message).toMatch(
    /h\.7\.mlp.*no linear module/,
  );
  expect(
    (await failureOf(attempt((name) => (name.includes('c_fc.lora_B') ? undefined : name)))).message,
  ).toMatch(/lora_B of transformer.h.1.mlp.c_fc has shape \[missing\]/);
  expect((await failureOf(attempt(() => undefined))).message).toMatch(/no tensors/);
});

test('a large model leaves in shards that transformers would cut, and is read back from them', async () => {
  const out = fresh();
  const report = await exportResult(await openResult(full), pack, {
    out,
    format: 'hf',
    maxShardBytes: 12_000,
  });
  const names = report.files.map(({ name }) => name);
  const shards = names.filter((name) => /^model-0000\d-of-0000\d\.safetensors$/.test(name));
  expect(shards.length).toBeGreaterThan(2);
  expect(names).toContain('model.safetensors.index.json');
  expect(names).not.toContain('model.safetensors');
  for (const { name, bytes } of report.files)
    if (shards.includes(name)) expect(bytes, name).toBeLessThan(12_000 + 3000); // its header
  const index = await json(join(out, 'model.safetensors.index.json'));
  const elements = [...pack.manifest.segments]
    .flatMap(({ tensors }) => tensors)
    .map(({ shape }) => elementsOf(shape));
  const total = elements.reduce((sum, count) => sum + count, 0);
  expect(index.metadata).toEqual({ total_parameters: total, total_size: 4 * total });
  const again = fresh();
  await importSource(out, again, { tokenizer: 'none' });
  expect((await openPack(again)).files.map(({ sha256 }) => sha256)).toEqual(
    pack.files.map(({ sha256 }) => sha256),
  );
});
