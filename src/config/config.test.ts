import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MftError } from '../base/errors.ts';
import {
  configKeys,
  flagLayer,
  printConfig,
  resolveConfig,
  setLayer,
  yamlLayer,
  yamlTextLayer,
} from './index.ts';

function failure(run: () => unknown): MftError {
  try {
    run();
  } catch (error) {
    if (error instanceof MftError) return error;
    throw error;
  }
  throw new Error('expected an MftError');
}

const yaml = (text: string) => yamlTextLayer(text, 'a.yaml');

describe('layers', () => {
  test('flags lie over --set, --set over the file, the file over the defaults', () => {
    const config = resolveConfig([
      yaml('train:\n  batch_size: 3\n  accumulation: 5\n  steps: 9\n'),
      setLayer(['train.batch_size=7', 'train.steps=11', 'lora.targets=[c_attn]', 'data.shuffle=false']),
      flagLayer({
        'train.steps': { flag: '--steps', value: 12 },
        seed: { flag: '--seed', value: undefined },
      }),
    ]);
    expect(config.train).toMatchObject({ batch_size: 7, accumulation: 5, steps: 12, learning_rate: 2e-4 });
    expect(config.lora.targets).toEqual(['c_attn']);
    expect(config.data.shuffle).toBe(false);
    expect(config.seed).toBe(42);
  });

  test('a later layer may choose the other of two ways to say the same', () => {
    const config = resolveConfig([
      yaml('train: {epochs: 2, warmup_ratio: 0.5}'),
      setLayer(['train.steps=10']),
    ]);
    expect(config.train.steps).toBe(10);
    expect(config.train.epochs).toBeUndefined();
    expect(config.train.warmup_ratio).toBe(0.5);
    expect(config.train.warmup_steps).toBeUndefined();
    const back = resolveConfig([
      yaml('train: {steps: 10}'),
      setLayer(['train.epochs=2', 'train.warmup_steps=1']),
    ]);
    expect(back.train.steps).toBeUndefined();
    expect(back.train.epochs).toBe(2);
    expect(back.train.warmup_steps).toBe(1);
    expect(back.train.warmup_ratio).toBeUndefined();
  });

  test('targets are a list, or one text with commas; another text is an expression', () => {
    const targets = (text: string) => resolveConfig([yaml(`lora: {targets: ${text}}`)]).lora.targets;
    expect(targets('[q_proj, mlp.up_proj]')).toEqual(['q_proj', 'mlp.up_proj']);
    expect(targets('"q_proj, v_proj,mlp.up_proj "')).toEqual(['q_proj', 'v_proj', 'mlp.up_proj']);
    expect(targets('all-linear')).toEqual(['all-linear']);
    expect(targets('".*[qv]_proj"')).toBe('.*[qv]_proj');
    const flag = flagLayer({ 'lora.targets': { flag: '--targets', value: 'q_proj,v_proj' } });
    expect(resolveConfig([yaml('lora: {targets: [c_attn]}'), flag]).lora.targets).toEqual([
      'q_proj',
      'v_proj',
    ]);
  });

  test('overrides of single modules: names with dots, in YAML and in --set', () => {
    const file = yaml('lora:\n  overrides:\n    mlp.down_proj: {r: 16, alpha: 32}\n    q_proj: {alpha: 1}\n');
    const set = setLayer([
      'lora.overrides.mlp.down_proj.r=4',
      'lora.overrides.v_proj.r=2',
      'lora.rslora=true',
    ]);
    const { lora } = resolveConfig([file, set]);
    expect(lora.overrides).toEqual({
      'mlp.down_proj': { r: 4, alpha: 32 },
      q_proj: { alpha: 1 },
      v_proj: { r: 2 },
    });
    expect(Object.keys(lora.overrides ?? {})).toEqual(['mlp.down_proj', 'q_proj', 'v_proj']);
    expect(lora.rslora).toBe(true);
    expect(resolveConfig([yaml(printConfig(resolveConfig([file, set])))]).lora).toEqual(lora);
  });

  test('with an adapter to go on from, what was not said stays open', () => {
    const config = resolveConfig([yaml('lora: {init_adapter: ./a, r: 4}')]);
    expect(config.lora).toEqual({ init_adapter: './a', r: 4 });
    expect(resolveConfig([yaml(printConfig(config))])).toEqual(config);
    expect(failure(() => resolveConfig([yaml('method: full\nlora: {init_adapter: ./a}')])).code).toBe(
      'config.value',
    );
  });

  test('numeric types: of the arithmetic and of the base weights', () => {
    expect(resolveConfig([yaml('')])).toMatchObject({ compute: 'f32', model: { dtype: 'auto' } });
    expect(resolveConfig([yaml('compute: bf16\nmodel: {dtype: int4}')])).toMatchObject({
      compute: 'bf16',
      model: { dtype: 'int4' },
    });
    const full = failure(() => resolveConfig([yaml('method: full\nmodel: {dtype: int8}')]));
    expect(full.code).toBe('config.value');
    expect(full.message).toContain('int8');
  });

  test('the method decides the learning rate that nobody named', () => {
    expect(resolveConfig([yaml('method: full')]).train.learning_rate).toBe(1e-4);
    expect(resolveConfig([yaml('')]).train.learning_rate).toBe(2e-4);
  });

  test('what is printed resolves to itself', () => {
    const number = fc.double({ min: 1e-6, max: 1, noNaN: true });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e6 }),
        number,
        fc.string(),
        fc.constantFrom('lora', 'full'),
        fc.array(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 3 }),
        (steps, rate, prompt, method, targets) => {
          const config = resolveConfig([
            flagLayer({
              method: { flag: '', value: method },
              'train.steps': { flag: '', value: steps },
              'train.learning_rate': { flag: '', value: rate },
              'sample.prompt': { flag: '', value: prompt },
              'lora.targets': { flag: '', value: targets },
            }),
          ]);
          expect(resolveConfig([yaml(printConfig(config))])).toEqual(config);
        },
      ),
    );
  });
});

describe('mistakes', () => {
  test('any key with one letter wrong is named, with its line and the key that was meant', () => {
    fc.assert(
      fc.property(fc.constantFrom(...configKeys()), fc.nat(), fc.nat(20), (full, at, blank) => {
        const path = full.split('.');
        const key = path.at(-1) as string;
        const index = at % key.length;
        const wrong = `${key.slice(0, index)}Q${key.slice(index + 1)}`;
        const line = (name: string, depth: number) => `${'  '.repeat(depth)}${name}:`;
        const lines = [...path.slice(0, -1), wrong].map(line).join('\n');
        const error = failure(() => resolveConfig([yaml(`${'# c\n'.repeat(blank)}${lines} 1\n`)]));
        expect(error.code).toBe('config.unknown-key');
        expect(error.message).toContain(`a.yaml:${blank + path.length}: unknown key`);
        expect(error.message).toContain([...path.slice(0, -1), wrong].join('.'));
        // One letter of r, eps or seed can be as near to a neighbour; the longer names are unmistakable.
        if (key.length > 5) expect(error.suggestions).toContain(`Did you mean ${full}?`);
      }),
    );
  });

  test('a key in the wrong section is found', () => {
    const error = failure(() => resolveConfig([yaml('seed: 1\nsteps: 10\n')]));
    expect(error.message).toBe('a.yaml:2: unknown key steps');
    expect(error.suggestions).toEqual(['Did you mean train.steps?']);
  });

  test.each([
    [
      'train:\n  steps: ten\n',
      'config.type',
      'a.yaml:2: train.steps: expected a number, found the text "ten"',
    ],
    ['train:\n  steps: 1.5\n', 'config.type', 'a.yaml:2: train.steps: expected a whole number, found 1.5'],
    [
      'seed: 1\nmethod: loar\n',
      'config.type',
      'a.yaml:2: method: expected one of lora, full, found the text "loar"',
    ],
    ['train: 3\n', 'config.type', 'a.yaml:1: train: expected a section with keys, found 3'],
    [
      'lora:\n  targets:\n    - a\n    - 3\n',
      'config.type',
      'a.yaml:4: lora.targets.1: expected a text, found 3',
    ],
    [
      'lora:\n  targets: 3\n',
      'config.type',
      'a.yaml:2: lora.targets: expected a text or a list of texts, found 3',
    ],
    [
      'lora:\n  overrides:\n    mlp.up_proj:\n      rank: 3\n',
      'config.unknown-key',
      'a.yaml:4: unknown key rank of lora.overrides "mlp.up_proj"',
    ],
    [
      'lora:\n  overrides:\n    up_proj: {}\n',
      'config.value',
      'a.yaml:3: lora.overrides.up_proj: expected r, alpha or both',
    ],
    ['lora:\n  overrides: [q]\n', 'config.type', 'a.yaml:2: lora.overrides: expected'],
    ['compute: f16\n', 'config.type', 'a.yaml:1: compute: expected one of f32, bf16, found the text "f16"'],
    [
      'train:\n  steps: 0\n',
      'config.value',
      'a.yaml:2: train.steps: expected a number of at least 1, found 0',
    ],
    ['train:\n  dropout: 1\n', 'config.value', 'a.yaml:2: train.dropout: expected a number below 1, found 1'],
    [
      'train:\n  steps: 5\n  epochs: 1\n',
      'config.value',
      'a.yaml:3: train.steps and train.epochs say the same',
    ],
    ['train:\n  steps: .nan\n', 'config.type', 'a.yaml:2: train.steps: expected a number, found NaN'],
    ['- a\n', 'config.syntax', 'a.yaml:1: expected sections and keys'],
    ['a: [\n', 'config.syntax', 'a.yaml:'],
    ['seed: 1\nseed: 2\n', 'config.syntax', 'a.yaml:2'],
    ['__proto__: {steps: 1}\n', 'config.unknown-key', 'a.yaml:1: unknown key __proto__'],
  ])('%j', (text, code, message) => {
    const error = failure(() => resolveConfig([yaml(text)]));
    expect(error.code).toBe(code);
    expect(error.exit).toBe(2);
    expect(error.message).toContain(message);
  });

  test('--set and flags are named as they were typed', () => {
    expect(failure(() => resolveConfig([setLayer(['train.step=3'])])).message).toBe(
      '--set train.step=3: unknown key train.step',
    );
    expect(failure(() => resolveConfig([setLayer(['train.steps=x'])])).message).toContain(
      '--set train.steps=x: ',
    );
    expect(failure(() => setLayer(['train.steps'])).code).toBe('config.set');
    expect(failure(() => setLayer(['lora.targets=[a'])).code).toBe('config.syntax');
    const flags = flagLayer({ 'train.steps': { flag: '--steps', value: -1 } });
    expect(failure(() => resolveConfig([flags])).message).toContain('--steps: train.steps: ');
  });

  test('several mistakes are told at once', () => {
    const error = failure(() => resolveConfig([yaml('train:\n  stepz: 1\nlora:\n  r: no\n')]));
    expect(error.message).toContain('a.yaml:2: unknown key train.stepz');
    expect(error.message).toContain('a.yaml:4: lora.r: expected a number');
  });

  test('any text is a configuration or an MftError', () => {
    const scalar = fc.oneof(
      fc.string(),
      fc.constantFrom(...configKeys(), '1', 'train:', '*a', '&a', '{', '!!set'),
    );
    fc.assert(
      fc.property(fc.array(scalar, { maxLength: 12 }), (words) => {
        try {
          resolveConfig([yaml(words.join('\n'))]);
        } catch (error) {
          expect(error).toBeInstanceOf(MftError);
        }
      }),
      { numRuns: 300 },
    );
  });

  test('an unreadable file is named', () => {
    const error = failure(() => yamlLayer('/nonexistent/x.yaml'));
    expect(error.code).toBe('config.file');
    expect(error.message).toContain('/nonexistent/x.yaml');
  });
});

test('the configurations that mft ships resolve', () => {
  const folder = new URL('../../configs/', import.meta.url).pathname;
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.yaml'),
  );
  expect(files.length).toBeGreaterThanOrEqual(3);
  for (const name of files) resolveConfig([yamlLayer(join(folder, name))]);
  const scratch = mkdtempSync(join(tmpdir(), 'mft-config-'));
  const own = join(scratch, 'own.yaml');
  writeFileSync(own, 'seed: 3\n');
  expect(resolveConfig([yamlLayer(own)]).seed).toBe(3);
  rmSync(scratch, { recursive: true });
});
