import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { format } from 'node:util';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { FIXTURES, temporaryFolder } from '../../../test/support/model-folders.ts';
import { progressText } from '../shared/progress.ts';
import ModelCreate from './create.ts';
import ModelExport from './export.ts';
import ModelImport from './import.ts';
import ModelInspect from './inspect.ts';
import ModelLs from './ls.ts';
import ModelRm from './rm.ts';

const root = join(import.meta.dirname, '../../..');
const home = await temporaryFolder();
let out = '';
let err = '';

beforeEach(() => {
  vi.stubEnv('MFT_HOME', home);
  [out, err] = ['', ''];
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += String(text);
    return true;
  });
  // oclif's own output; the test runner has replaced the console.
  vi.spyOn(console, 'log').mockImplementation((...words) => {
    out += `${format(...words)}\n`;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += String(text);
    return true;
  });
  process.exitCode = undefined;
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  process.exitCode = undefined;
});

const shape = ['--hidden', '8', '--layers', '1', '--heads', '2', '--positions', '4', '--vocab', '10'];

test('create, import, list, inspect and remove, for people and as JSON', async () => {
  await ModelCreate.run(['--random', ...shape, '--seed', '5'], root);
  expect(out).toContain('gpt2-random-5');
  expect(out).toContain('1 blocks, hidden 8, 2 heads of 4, MLP 32');
  out = '';
  await ModelImport.run(
    [join(FIXTURES, 'single-f32'), '--name', 'tiny', '--tokenizer', 'none', '--json'],
    root,
  );
  expect(JSON.parse(out)).toMatchObject({
    name: 'tiny',
    family: 'gpt2',
    config: { vocab_size: 61 },
    tokenizer: false,
  });
  out = '';
  await ModelLs.run([], root);
  expect(out.split('\n')[0]).toMatch(/^NAME +FAMILY +PARAMETERS +SIZE +TOKENIZER +SOURCE$/);
  expect(out).toMatch(/^gpt2-random-5 +gpt2 +/m);
  out = '';
  await ModelInspect.run(['tiny', '--verify', '--json'], root);
  expect(JSON.parse(out)).toMatchObject({
    name: 'tiny',
    verified: true,
    files: expect.arrayContaining([expect.objectContaining({ name: 'block.1' })]),
  });
  out = '';
  await ModelRm.run(['tiny', 'gpt2-random-5', '--json'], root);
  expect(JSON.parse(out).removed.map(({ name }: { name: string }) => name)).toEqual([
    'tiny',
    'gpt2-random-5',
  ]);
  expect(await readdir(join(home, 'models'))).toEqual([]);
  expect(err).toBe('');
});

test('storage types are chosen and shown', async () => {
  const fixtures = join(FIXTURES, '..');
  await ModelImport.run(
    [join(fixtures, 'hf-qwen2', 'sharded-bf16'), '--name', 'q', '--tokenizer', 'none', '--dtype', 'int4'],
    root,
  );
  expect(out).toMatch(/^shape +2 blocks, hidden 28, 7 heads of 4 \(1 for keys and values\), MLP 36$/m);
  expect(out).toMatch(/^storage .*int4 [\d.]+ [kM]?B in 8 tensors/m);
  expect(out).toMatch(/^storage .*int8 [\d.]+ [kM]?B in 1 tensors/m);
  out = '';
  await ModelCreate.run(
    [
      '--random',
      '--size',
      'smollm2-135m',
      ...shape.slice(0, 4),
      '--vocab',
      '9',
      '--dtype',
      'f16',
      '--heads',
      '1',
      '--kv-heads',
      '1',
      '--json',
    ],
    root,
  );
  expect(JSON.parse(out)).toMatchObject({
    name: 'smollm2-135m-random-0',
    family: 'llama',
    config: { layers: 1, kv_heads: 1, head_dim: 8, intermediate_size: 1536 },
    storage: [{ type: 'f16' }, { type: 'f32', tensors: 3 }],
  });
  await ModelRm.run(['q', 'smollm2-135m-random-0'], root);
  expect(err).toBe('');
});

test('a failure is an error with its code, on stderr or as JSON', async () => {
  await ModelInspect.run(['nothing'], root);
  expect(err).toContain('code: model.unknown');
  expect(process.exitCode).toBe(2);
  await ModelImport.run([join(FIXTURES, 'single-f32'), '--name', 'x', '--json'], root);
  expect(JSON.parse(out).error).toMatchObject({ code: 'model.tokenizer-missing', exit: 2 });
  expect(await readdir(join(home, 'models'))).toEqual([]);
  [out, err] = ['', ''];
  await ModelCreate.run(shape, root);
  expect(err).toMatch(/random/);
  expect(process.exitCode).toBe(2);
});

test('how far an operation is, in words', () => {
  expect(progressText({ phase: 'importing', done: 3_050_000, total: 5_000_000, unit: 'bytes' })).toBe(
    'importing 61 % (3.0 MB of 5.0 MB)',
  );
  expect(progressText({ phase: 'writing', done: 3, total: 14, unit: 'files' })).toBe(
    'writing 21 % (3 of 14 files)',
  );
  expect(progressText({ phase: 'reading', done: 7, total: 0, unit: 'tokens' })).toBe('reading 7');
});

test('a model is written as a GGUF file, which is read again by its path, and as a folder in shards', async () => {
  await ModelCreate.run(['--random', ...shape, '--seed', '6', '--name', 'six'], root);
  out = '';
  const file = join(home, 'six.gguf');
  await ModelExport.run(['six', '--format', 'gguf', '--dtype', 'f32', '--out', file], root);
  expect(out).toMatch(/^Exported as gguf: .*six\.gguf \(\d+\.\d kB\)\nThe model has no tokenizer/);
  await ModelImport.run([file, '--tokenizer', 'none', '--name', 'again'], root);
  const segments = async (name: string) =>
    (await readdir(join(home, 'models', name))).filter((entry) => entry.endsWith('.seg'));
  expect(await segments('again')).toEqual(await segments('six'));

  out = '';
  const folder = join(home, 'six-hf');
  await ModelExport.run([file, '--out', folder, '--max-shard-size', '2 kB', '--json'], root);
  expect(process.exitCode).toBe(2); // the file has no tokenizer, and by its path it is imported with one
  expect(JSON.parse(out).error.code).toBe('model.tokenizer-missing');
  process.exitCode = undefined;
  out = '';
  await ModelExport.run(['again', '--out', folder, '--max-shard-size', '2 kB', '--json'], root);
  expect(JSON.parse(out).exported).toMatchObject({ format: 'hf', path: folder });
  expect(await readdir(folder)).toContain('model.safetensors.index.json');

  for (const [flags, message] of [
    [['--out', join(home, 'other'), '--max-shard-size', '5 apples'], /5 apples is no size/],
    [['--out', join(home, 'other'), '--dtype', 'q8_0'], /has no q8_0/],
    [['--out', folder], /is there already/],
  ] as const) {
    err = '';
    await ModelExport.run(['six', ...flags], root);
    expect(err).toMatch(message);
    expect(process.exitCode).toBe(2);
  }
});
