/** Files of models: safetensors, GGUF, config.json, tokenizer.json, adapters. */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readPeft } from '../../../src/model/export/peft-read.ts';
import { openGgufModel } from '../../../src/model/gguf/model.ts';
import { tokenizerOf } from '../../../src/model/gguf/tokenizer.ts';
import { importSource, readModelConfig } from '../../../src/model/import.ts';
import { openSafetensors } from '../../../src/model/safetensors/reader.ts';
import { elementsOf } from '../../../src/model/tensors/stream.ts';
import { readTokenizer } from '../../../src/model/tokenizer-files.ts';
import type { FuzzTarget } from '../target.ts';

const fixtures = join(import.meta.dirname, '../../fixtures');
const fixture = (path: string) => readFileSync(join(fixtures, path));
const GPT2 = join(fixtures, 'hf-gpt2/single-f32');

const safetensors: FuzzTarget = {
  name: 'safetensors',
  codes: /^model\.(safetensors-malformed|json-malformed|unsupported-dtype)$/,
  seeds: [fixture('hf-gpt2/peft/adapter_model.safetensors'), fixture('hf-gpt2/single-f32/model.safetensors')],
  place: (folder) => join(folder, 'model.safetensors'),
  async run(bytes, folder) {
    writeFileSync(this.place(folder), bytes);
    const reader = await openSafetensors(this.place(folder));
    try {
      for (const [name, { shape }] of reader.entries) await reader.read(name, 0, elementsOf(shape));
    } finally {
      await reader.close();
    }
  },
};

/** The whole way: configuration, tokenizer, values, a pack. */
const gguf: FuzzTarget = {
  name: 'gguf',
  codes: /^(model|tokenizer)\./,
  seeds: ['gpt2', 'llama', 'qwen2', 'gemma3'].map((name) => fixture(`gguf/${name}.gguf`)),
  place: (folder) => join(folder, 'model.gguf'),
  async run(bytes, folder) {
    const path = this.place(folder);
    writeFileSync(path, bytes);
    const model = await openGgufModel(path);
    await model.close();
    const tokenizer = tokenizerOf(model.metadata, path) === undefined ? 'none' : undefined;
    await importSource(path, join(folder, 'pack'), { tokenizer });
  },
};

const config: FuzzTarget = {
  name: 'config',
  codes: /^model\./,
  seeds: ['gpt2', 'llama', 'gemma3', 'qwen2', 'qwen3'].map((family) =>
    fixture(`hf-${family}/single-f32/config.json`),
  ),
  json: true,
  place: (folder) => join(folder, 'config.json'),
  async run(bytes, folder) {
    writeFileSync(this.place(folder), bytes);
    await readModelConfig(folder);
  },
};

/** A folder whose configuration may ask for anything, with the tensors of a small GPT-2. */
const folder: FuzzTarget = {
  name: 'folder',
  codes: /^(model|tokenizer)\./,
  seeds: [fixture('hf-gpt2/single-f32/config.json')],
  json: true,
  place: (dir) => dir,
  async run(bytes, dir) {
    writeFileSync(join(dir, 'config.json'), bytes);
    copyFileSync(join(GPT2, 'model.safetensors'), join(dir, 'model.safetensors'));
    await importSource(dir, join(dir, 'pack'), { tokenizer: 'none' });
  },
};

const tokenizer: FuzzTarget = {
  name: 'tokenizer',
  codes: /^tokenizer\./,
  seeds: [fixture('tokenizer/tiny.json'), fixture('tokenizer/tiny-marks.json')],
  json: true,
  place: (dir) => dir,
  async run(bytes, dir) {
    writeFileSync(join(dir, 'tokenizer.json'), bytes);
    await readTokenizer(dir);
  },
};

const adapterConfig: FuzzTarget = {
  name: 'adapter-config',
  codes: /^model\./,
  seeds: [fixture('hf-gpt2/peft/adapter_config.json')],
  json: true,
  place: (dir) => dir,
  async run(bytes, dir) {
    writeFileSync(join(dir, 'adapter_config.json'), bytes);
    copyFileSync(
      join(fixtures, 'hf-gpt2/peft/adapter_model.safetensors'),
      join(dir, 'adapter_model.safetensors'),
    );
    mkdirSync(join(dir, 'cache'));
    await readPeft(dir, await readModelConfig(GPT2), join(dir, 'cache'));
  },
};

const adapterWeights: FuzzTarget = {
  name: 'adapter-weights',
  codes: /^model\./,
  seeds: [fixture('hf-gpt2/peft/adapter_model.safetensors')],
  place: (dir) => dir,
  async run(bytes, dir) {
    writeFileSync(join(dir, 'adapter_model.safetensors'), bytes);
    copyFileSync(join(fixtures, 'hf-gpt2/peft/adapter_config.json'), join(dir, 'adapter_config.json'));
    mkdirSync(join(dir, 'cache'));
    await readPeft(dir, await readModelConfig(GPT2), join(dir, 'cache'));
  },
};

export const models: readonly FuzzTarget[] = [
  safetensors,
  gguf,
  config,
  folder,
  tokenizer,
  adapterConfig,
  adapterWeights,
];
