/**
 * Tokenizers as GGUF files describe them, with the metadata that llama.cpp's converter writes for the same models, against the
 * `tokenizers` library (fixture of scripts/oracle/tokenizer_models.py).
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import type { GgufValue } from '../../src/model/gguf/header.ts';
import { GgufMetadata } from '../../src/model/gguf/metadata.ts';
import { tokenizerOf } from '../../src/model/gguf/tokenizer.ts';
import { writeTokenizer } from '../../src/model/gguf/tokenizer-metadata.ts';
import { compileTokenizer, describeTokenizer } from '../../src/model/tokenizer/index.ts';
import type { ModelConfig } from '../../src/model/types.ts';
import { mft } from '../../src/protocol/index.ts';
import { modelFolder } from './models.ts';
import { sha256, textTool } from './support.ts';
import { parityTexts } from './texts.ts';

const fixture = z
  .object({
    models: z.record(
      z.string(),
      z.looseObject({
        package: z.string(),
        patch: z.record(z.string(), z.unknown()),
        texts: z.record(z.string(), z.looseObject({ sha256: z.string() })),
      }),
    ),
  })
  .parse(JSON.parse(readFileSync(join(import.meta.dirname, '../fixtures/tokenizer/models.json'), 'utf8')));

const file = z.looseObject({
  added_tokens: z.array(z.looseObject({ id: z.int(), content: z.string(), special: z.boolean() })),
  model: z.looseObject({
    vocab: z.record(z.string(), z.int()),
    merges: z.array(z.union([z.string(), z.tuple([z.string(), z.string()])])),
  }),
});

const Type = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;
const texts = parityTexts();
const names = ['hostile', 'scripts', 'code', 'spaces', 'line'];
let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mft-gguf-tokenizers-'));
  for (const name of names) writeFileSync(join(folder, name), texts.get(name) ?? '');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Tokens and types by id, in a vocabulary of `size` rows; rows without a token are padding. */
function vocabularyOf(json: z.infer<typeof file>, size: number): { tokens: string[]; types: number[] } {
  const tokens = Array.from({ length: size }, (_, id) => `[PAD${id}]`);
  const types: number[] = tokens.map(() => Type.unused);
  for (const [token, id] of Object.entries(json.model.vocab)) {
    tokens[id] = token;
    types[id] = /^<0x[0-9A-F]{2}>$/.test(token) ? Type.byte : Type.normal;
  }
  for (const { id, content, special } of json.added_tokens) {
    if (id >= size) continue;
    // Runs of spaces are written as spaces.
    tokens[id] = special ? content : content.replaceAll('\u2581', ' ');
    types[id] = content === '<unk>' ? Type.unknown : special ? Type.control : Type.userDefined;
  }
  return { tokens, types };
}

/** Tokens that are made by merging, best first. */
function scoreOrder(values: ReadonlyMap<string, GgufValue>): string[] {
  const [tokens, scores] = [
    values.get('tokenizer.ggml.tokens') as string[],
    values.get('tokenizer.ggml.scores') as number[],
  ];
  const types = values.get('tokenizer.ggml.token_type') as number[];
  const ids = tokens.flatMap((token, id) => (types[id] === Type.normal && [...token].length > 1 ? [id] : []));
  return ids.sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0)).map((id) => tokens[id] ?? '');
}

describe.each([
  ['smollm2', 50_273, { model: 'gpt2', pre: 'smollm', bos_token_id: 50_257, eos_token_id: 50_258 }, []],
  ['gpt2', 50_257, { model: 'gpt2', pre: 'gpt-2', bos_token_id: 50_256, eos_token_id: 50_256 }, []],
  [
    'qwen2.5',
    151_936,
    { model: 'gpt2', pre: 'qwen2', bos_token_id: 151_643, eos_token_id: 151_645, add_bos_token: false },
    [],
  ],
  [
    'llama3',
    128_256,
    { model: 'gpt2', pre: 'llama-bpe', bos_token_id: 128_000, eos_token_id: 128_001 },
    [128_000],
  ],
  [
    'gemma3',
    262_144,
    {
      model: 'llama',
      pre: 'default',
      add_space_prefix: false,
      bos_token_id: 2,
      eos_token_id: 1,
      unknown_token_id: 3,
      add_bos_token: true,
    },
    [2],
  ],
] as const)('%s', (name, size, metadata, prefix) => {
  let tables = '';
  let written: GgufMetadata;
  const values = new Map<string, GgufValue>();
  beforeAll(async () => {
    const model = fixture.models[name];
    const path = join(await modelFolder(model?.package ?? ''), 'tokenizer.json');
    const json = file.parse({ ...JSON.parse(readFileSync(path, 'utf8')), ...model?.patch });
    const { tokens, types } = vocabularyOf(json, size);
    for (const [key, value] of Object.entries(metadata)) values.set(`tokenizer.ggml.${key}`, value);
    values.set('tokenizer.ggml.tokens', tokens);
    values.set('tokenizer.ggml.token_type', types);
    if (metadata.model === 'llama') {
      // As in Gemma's SentencePiece model: the later a piece, the worse.
      const scores = types.map((type, id) => (type === Type.normal ? -id : 0));
      values.set('tokenizer.ggml.scores', scores);
    } else {
      const merges = json.model.merges.map((merge) => (typeof merge === 'string' ? merge : merge.join(' ')));
      values.set('tokenizer.ggml.merges', merges);
    }
    const made = tokenizerOf(values, 'model.gguf');
    const encode = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
    const compiled = compileTokenizer(encode(made?.tokenizerJson), {
      tokenizerConfig: encode(made?.tokenizerConfig),
    });
    tables = join(folder, `${name}.bin`);
    writeFileSync(tables, compiled);
    written = new GgufMetadata();
    const files = new Map([
      ['tokenizer.json', encode(made?.tokenizerJson)],
      ['tokenizer_config.json', encode(made?.tokenizerConfig)],
    ]);
    const { bos_token_id: bosToken, eos_token_id: eosToken } = metadata;
    const config = mft.v1.ModelConfig.create({ vocabSize: size, bosToken, eosToken }) as ModelConfig;
    writeTokenizer(written, { compiled, files }, config);
  }, 600_000);

  test('begins a text as the model does', () => {
    expect(describeTokenizer(readFileSync(tables))).toMatchObject({
      prefix,
      suffix: [],
      eos: metadata.eos_token_id,
    });
  });

  test('leaves as it came', () => {
    for (const [key, value] of values) {
      const found = written.values.get(key);
      // Scores are an order, and what is never merged needs none.
      if (key === 'tokenizer.ggml.scores') {
        expect(scoreOrder(written.values)).toEqual(scoreOrder(values));
      } else if (key === 'tokenizer.ggml.token_type') {
        const tokens = values.get('tokenizer.ggml.tokens') as string[];
        const wrong = (value as number[]).flatMap((type, id) => {
          // The converter takes whatever looks like a control token for one.
          const meant = type === Type.unknown || /^<(\||unused)/.test(tokens[id] ?? '') ? Type.control : type;
          const own = (found as number[])[id];
          return own === type ||
            (own === meant && type !== Type.unused) ||
            (own === Type.control && tokens[id] === '<mask>')
            ? []
            : [[id, tokens[id], type, own]];
        });
        expect(wrong.slice(0, 5)).toEqual([]);
      } else if (Array.isArray(value)) {
        const wrong = value.flatMap((item, i) =>
          item === (found as string[])[i] ? [] : [[i, item, (found as string[])[i]]],
        );
        expect(wrong.slice(0, 5), key).toEqual([]);
      } else expect(found, key).toBe(value);
    }
    expect(written.values.get('tokenizer.ggml.add_bos_token')).toBe(prefix.length > 0);
  });

  // Gemma's text models have no row for one of the tokens of the fixture: its name is text to them.
  const readable = names.filter(
    (text) => name !== 'gemma3' || texts.get(text)?.includes('<image_soft_token>') === false,
  );
  test.each(readable)('encodes %s', (text) => {
    expect(sha256(textTool('encode', tables, join(folder, text)))).toBe(
      fixture.models[name]?.texts[text]?.sha256,
    );
  });
});
