import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { MftError } from '../../base/errors.ts';
import { charForByte } from './byte-level.ts';
import { compileTokenizer } from './compile.ts';
import { describeTokenizer } from './describe.ts';
import { HEADER_BYTES } from './format.ts';

const fixtures = new URL('../../../test/fixtures/tokenizer/', import.meta.url);
const tinyText = readFileSync(new URL('tiny.json', fixtures), 'utf8');
const encode = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

const shape = z.looseObject({
  added_tokens: z.array(z.record(z.string(), z.unknown())),
  model: z.looseObject({ vocab: z.record(z.string(), z.int()), merges: z.array(z.unknown()) }),
});
type Json = z.infer<typeof shape>;
const tiny = (): Json => shape.parse(JSON.parse(tinyText));

/** The error of compiling the small tokenizer after a change. */
function errorOf(change: (json: Json) => void, config?: unknown): MftError {
  const json = tiny();
  change(json);
  try {
    compileTokenizer(encode(json), config === undefined ? {} : { tokenizerConfig: encode(config) });
  } catch (error) {
    if (error instanceof MftError) return error;
    throw error;
  }
  throw new Error('it compiled');
}

test('writes the tables that the runtime is tested with, byte for byte', () => {
  const bin = compileTokenizer(new TextEncoder().encode(tinyText));
  expect(Buffer.from(bin).equals(readFileSync(new URL('tiny.bin', fixtures)))).toBe(true);
  expect(describeTokenizer(bin)).toEqual({
    preTokenizer: 'gpt2',
    vocabSize: 282,
    textVocabSize: 279,
    merges: 23,
    added: [
      { id: 279, content: '<|endoftext|>', special: true },
      { id: 280, content: '<|end', special: false },
      { id: 281, content: '<|pad|>', special: true },
    ],
    prefix: [],
    suffix: [],
    bos: 279,
    eos: 279,
    bytes: bin.length,
  });
});

test('merges may be pairs as well as strings', () => {
  const json = tiny();
  json.model.merges = json.model.merges.map((merge) => String(merge).split(' '));
  expect(compileTokenizer(encode(json))).toEqual(compileTokenizer(new TextEncoder().encode(tinyText)));
});

describe('which tokens begin and end a text', () => {
  const endsOf = (config: unknown) => {
    const { bos, eos } = describeTokenizer(
      compileTokenizer(encode(tiny()), { tokenizerConfig: encode(config) }),
    );
    return [bos, eos];
  };
  test('comes from tokenizer_config.json, as names or objects', () => {
    expect(endsOf({ bos_token: null, eos_token: '<|pad|>' })).toEqual([undefined, 281]);
    expect(endsOf({ bos_token: { content: '<|pad|>', lstrip: false }, eos_token: '<|endoftext|>' })).toEqual([
      281, 279,
    ]);
    expect(endsOf({ model_max_length: 1024 })).toEqual([undefined, undefined]);
  });
  test('must be tokens', () => {
    const error = errorOf(() => {}, { eos_token: '<eos>' });
    expect(error.code).toBe('tokenizer.invalid');
    expect(error.message).toContain('eos_token is "<eos>"');
  });
  test('and which of them stand around one', () => {
    const around = (config: unknown, change: (json: Json) => void = () => {}) => {
      const json = tiny();
      change(json);
      const options = config === undefined ? {} : { tokenizerConfig: encode(config) };
      const { prefix, suffix } = describeTokenizer(compileTokenizer(encode(json), options));
      return [prefix, suffix];
    };
    const ends = { bos_token: '<|pad|>', eos_token: '<|endoftext|>' };
    expect(around(ends)).toEqual([[], []]);
    const withTemplate = (json: Json) => Object.assign(json, { post_processor: template('<|pad|>', 281) });
    expect(around(undefined, withTemplate)).toEqual([[281], [281]]);
    // tokenizer.json alone decides, as in transformers 5.
    expect(around({ ...ends, add_bos_token: false }, withTemplate)).toEqual([[281], [281]]);
    expect(around({ ...ends, add_bos_token: true, add_eos_token: true })).toEqual([[], []]);
    const inSequence = (json: Json) =>
      Object.assign(json, {
        post_processor: { type: 'Sequence', processors: [{ type: 'ByteLevel' }, template('<|end', 280)] },
      });
    expect(around(undefined, inSequence)).toEqual([[280], [280]]);
  });
});

const piece = (id: string) => ({ SpecialToken: { id, type_id: 0 } });
const template = (name: string, id: number) => ({
  type: 'TemplateProcessing',
  single: [piece(name), { Sequence: { id: 'A', type_id: 0 } }, piece(name)],
  pair: [],
  special_tokens: { [name]: { id: name, ids: [id], tokens: [name] } },
});

test('writes the tables of marks that the runtime is tested with, byte for byte', () => {
  const bin = compileTokenizer(readFileSync(new URL('tiny-marks.json', fixtures)));
  expect(Buffer.from(bin).equals(readFileSync(new URL('tiny-marks.bin', fixtures)))).toBe(true);
  expect(describeTokenizer(bin)).toMatchObject({
    preTokenizer: 'whole',
    prefix: [299],
    suffix: [],
    bos: 299,
    eos: 300,
  });
});

test('reads the same in a sequence of one', () => {
  const marks: unknown = JSON.parse(readFileSync(new URL('tiny-marks.json', fixtures), 'utf8'));
  const { normalizer, ...rest } = z.looseObject({ normalizer: z.unknown() }).parse(marks);
  const same = { ...rest, normalizer: { type: 'Sequence', normalizers: [normalizer] }, pre_tokenizer: null };
  expect(compileTokenizer(encode(same))).toEqual(compileTokenizer(encode(marks)));
});

test.each<[string, (json: Record<string, unknown>) => void]>([
  ['decoder Sequence (Replace', (json) => Object.assign(json, { normalizer: null })],
  ['without model.byte_fallback', (json) => Object.assign(json.model ?? {}, { byte_fallback: false })],
  ['model.ignore_merges', (json) => Object.assign(json.model ?? {}, { ignore_merges: true })],
  [
    'with model.byte_fallback',
    (json) => Object.assign(json, { pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false } }),
  ],
  [
    'normalizer Replace with decoder ByteLevel',
    (json) => Object.assign(json, { decoder: { type: 'ByteLevel' } }),
  ],
  ['content is "_"', (json) => Object.assign(json.normalizer ?? {}, { content: '_' })],
  ['the token <0xab>', (json) => renameToken(json, '<0xAB>', '<0xab>')],
  ['a token for byte 10', (json) => renameToken(json, '<0x0A>', 'newline')],
  [
    'the token ▁ for spaces',
    (json) => Object.assign(json.model ?? {}, { merges: [] }, renameToken(json, '▁', '_')),
  ],
  [
    'the normalizer changes it',
    (json) => Object.assign(json, { added_tokens: [marked({ content: 'a b', normalized: true })] }),
  ],
  [
    'is the token of a byte',
    (json) => Object.assign(json, { added_tokens: [marked({ content: '<0x01>', id: 1 })] }),
  ],
])('names what it does not support beside byte fallback: %s', (name, change) => {
  const json = z
    .looseObject({})
    .parse(JSON.parse(readFileSync(new URL('tiny-marks.json', fixtures), 'utf8')));
  change(json);
  expect(() => compileTokenizer(encode(json))).toThrow(
    expect.objectContaining({ code: 'tokenizer.unsupported', message: expect.stringContaining(name) }),
  );
});

function renameToken(json: Record<string, unknown>, from: string, to: string): void {
  const { model } = z
    .looseObject({ model: z.looseObject({ vocab: z.record(z.string(), z.int()) }) })
    .parse(json);
  const { [from]: id, ...rest } = model.vocab;
  Object.assign(json.model ?? {}, { vocab: { ...rest, [to]: id } });
}

function marked(token: Record<string, unknown>): Record<string, unknown> {
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: false };
  return { id: 299, ...flags, ...token };
}

test.each<[string, (json: Json) => void]>([
  ['model.type is "WordPiece"', (json) => Object.assign(json.model, { type: 'WordPiece' })],
  ['model.dropout is 0.1', (json) => Object.assign(json.model, { dropout: 0.1 })],
  [
    'model.byte_fallback with decoder ByteLevel',
    (json) => Object.assign(json.model, { byte_fallback: true }),
  ],
  ['model.end_of_word_suffix is "</w>"', (json) => Object.assign(json.model, { end_of_word_suffix: '</w>' })],
  ['model.brand_new', (json) => Object.assign(json.model, { brand_new: 1 })],
  ['brand_new', (json) => Object.assign(json, { brand_new: 1 })],
  ['normalizer.type is "NFKC"', (json) => Object.assign(json, { normalizer: { type: 'NFKC' } })],
  ['truncation', (json) => Object.assign(json, { truncation: { max_length: 512 } })],
  ['padding', (json) => Object.assign(json, { padding: { strategy: 'BatchLongest' } })],
  ['post_processor', (json) => Object.assign(json, { post_processor: { type: 'TemplateProcessing' } })],
  ['decoder', (json) => Object.assign(json, { decoder: { type: 'Metaspace' } })],
  ['pre_tokenizer null', (json) => Object.assign(json, { pre_tokenizer: null })],
  ['model.merges[23]', (json) => json.model.merges.push('a b c')],
  ['model.vocab.hello is "x"', (json) => Object.assign(json.model.vocab, { hello: 'x' })],
  ['Metaspace', (json) => Object.assign(json, { pre_tokenizer: { type: 'Metaspace' } })],
  [
    'pre_tokenizer.pretokenizers[0].type is "Whitespace"',
    (json) =>
      Object.assign(json, {
        pre_tokenizer: {
          type: 'Sequence',
          pretokenizers: [{ type: 'Whitespace' }, { type: 'ByteLevel', add_prefix_space: false }],
        },
      }),
  ],
  [
    'pre_tokenizer.add_prefix_space is true',
    (json) => Object.assign(json, { pre_tokenizer: { type: 'ByteLevel', add_prefix_space: true } }),
  ],
  [
    'the pattern \\w+',
    (json) =>
      Object.assign(json, {
        pre_tokenizer: {
          type: 'Sequence',
          pretokenizers: [
            { type: 'Split', pattern: { Regex: '\\w+' }, behavior: 'Isolated', invert: false },
            { type: 'ByteLevel', add_prefix_space: false, use_regex: false },
          ],
        },
      }),
  ],
  ['added_tokens[0].single_word', (json) => Object.assign(json.added_tokens[0] ?? {}, { single_word: 1 })],
  [
    'the normalizer changes it',
    (json) => {
      Object.assign(json, { normalizer: { type: 'NFC' } });
      Object.assign(json.added_tokens[1] ?? {}, { content: 'e\u0301' });
    },
  ],
  [
    'two templates',
    (json) =>
      Object.assign(json, {
        post_processor: {
          type: 'Sequence',
          processors: [template('<|pad|>', 281), template('<|pad|>', 281)],
        },
      }),
  ],
  [
    'byte 97',
    (json) => {
      delete json.model.vocab.a;
      json.model.merges = [];
      json.added_tokens = [];
    },
  ],
  ['"\\u0000", is not byte-level', (json) => Object.assign(json.model.vocab, { '\0': 400 })],
])('names what it does not support: %s', (name, change) => {
  const error = errorOf(change);
  expect(error.code).toBe('tokenizer.unsupported');
  expect(error.message).toContain(name);
});

test.each<[string, (json: Json) => void]>([
  ['two tokens have id 5', (json) => Object.assign(json.model.vocab, { hello: 5 })],
  ['has id 90000 in a vocabulary', (json) => Object.assign(json.model.vocab, { zz: 90000 })],
  ['names a token that is not in the vocabulary', (json) => json.model.merges.push('z z')],
  ['is there twice', (json) => json.model.merges.push('h e')],
  ['"<|pad|>" is there twice', (json) => json.added_tokens.push({ ...json.added_tokens[2], id: 282 })],
  [
    'has another id in the vocabulary',
    (json) => Object.assign(json, { post_processor: template('<|pad|>', 5) }),
  ],
  ['by the vocabulary it is 279', (json) => Object.assign(json.added_tokens[0] ?? {}, { id: 300 })],
])('refuses a file that contradicts itself: %s', (message, change) => {
  const error = errorOf(change);
  expect(error.code).toBe('tokenizer.invalid');
  expect(error.message).toContain(message);
});

test('refuses what is not JSON', () => {
  for (const bytes of [new Uint8Array(), new TextEncoder().encode('{'), Uint8Array.of(0x22, 0xff, 0x22)]) {
    expect(() => compileTokenizer(bytes)).toThrow(expect.objectContaining({ code: 'tokenizer.invalid' }));
  }
});

test('describing damaged tables is an error, never a crash', () => {
  const bin = compileTokenizer(encode(tiny()));
  const damaged = [bin.subarray(0, 50), bin.subarray(0, bin.length - 1), new Uint8Array(4096)];
  for (let at = 8; at < HEADER_BYTES; at += 4) {
    const copy = bin.slice();
    new DataView(copy.buffer).setUint32(at, 0xfffffff0, true);
    damaged.push(copy);
  }
  let refused = 0;
  for (const bytes of damaged) {
    try {
      describeTokenizer(bytes);
    } catch (error) {
      expect(error).toMatchObject({ code: 'tokenizer.invalid' });
      refused += 1;
    }
  }
  expect(refused).toBeGreaterThan(6);
});

test('stand-ins of bytes are those of GPT-2', () => {
  expect([...'Ġ ĊéÄ'].filter((char) => char !== ' ')).toEqual([0x20, 0x0a, 0xe9, 0xc4].map(charForByte));
  expect(new Set(Array.from({ length: 256 }, (_, byte) => charForByte(byte))).size).toBe(256);
});
