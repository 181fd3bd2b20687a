/**
 * Writes test/fixtures/tokenizer/tiny.json and tiny.bin: a byte-level BPE small enough to know by heart, for unit tests.
 * And tiny-marks.json and tiny-marks.bin: the same in the make of SentencePiece, with byte fallback, marks for
 * spaces, and a token that begins every text.
 *
 *     node scripts/make-tiny-tokenizer.ts
 *
 * Ids 0..255 are the bytes, in order; then (marks) the characters; then one a merge, in the order below; then the added
 * tokens.
 */
import { writeFileSync } from 'node:fs';
import { charForByte } from '../src/model/tokenizer/byte-level.ts';
import { compileTokenizer } from '../src/model/tokenizer/index.ts';

const byteMerges = [
  ['h', 'e'], // 256
  ['l', 'l'], // 257
  ['he', 'll'], // 258
  ['hell', 'o'], // 259
  ['Ġ', 'w'], // 260
  ['o', 'r'], // 261
  ['Ġw', 'or'], // 262
  ['l', 'd'], // 263
  ['Ġwor', 'ld'], // 264
  ['a', 'a'], // 265
  ['aa', 'aa'], // 266
  ['aaaa', 'aaaa'], // 267
  ['Ġ', 'Ġ'], // 268
  ['ĠĠ', 'ĠĠ'], // 269
  ['t', 'he'], // 270
  ['Ġ', 'the'], // 271
  ["'", 's'], // 272
  ['Ã', '©'], // 273: é
  ['a', 'b'], // 274
  ['b', 'a'], // 275
  ['ab', 'ab'], // 276
  ['aa', 'b'], // 277
  ['b', 'b'], // 278
] as const;

const added = [
  { content: '<|endoftext|>', special: true, normalized: false }, // 279
  { content: '<|end', special: false, normalized: true }, // 280
  { content: '<|pad|>', special: true, normalized: false }, // 281
];

const vocab: Record<string, number> = {};
for (let byte = 0; byte < 256; byte += 1) vocab[charForByte(byte)] = byte;
for (const [i, [left, right]] of byteMerges.entries()) vocab[left + right] = 256 + i;
const first = 256 + byteMerges.length;
const json = {
  version: '1.0',
  truncation: null,
  padding: null,
  added_tokens: added.map((token, i) => ({
    id: first + i,
    single_word: false,
    lstrip: false,
    rstrip: false,
    ...token,
  })),
  normalizer: null,
  pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true },
  post_processor: null,
  decoder: { type: 'ByteLevel' },
  model: { type: 'BPE', dropout: null, vocab, merges: byteMerges.map((pair) => pair.join(' ')) },
};

const characters = [..."▁abdehlorstw'é日<>/."];
const markMerges = [
  ['▁', '▁'],
  ['▁▁', '▁▁'],
  ['h', 'e'],
  ['l', 'l'],
  ['he', 'll'],
  ['hell', 'o'],
  ['▁', 'w'],
  ['o', 'r'],
  ['▁w', 'or'],
  ['l', 'd'],
  ['▁wor', 'ld'],
  ['a', 'a'],
  ['aa', 'aa'],
  ['aaaa', 'aaaa'],
  ['t', 'he'],
  ['▁', 'the'],
  ['a', 'b'],
  ['b', 'a'],
  ['ab', 'ab'],
  ['aa', 'b'],
  ['b', 'b'],
  ['>', '▁'],
  ['>▁', '</'],
  ['<', '/'],
] as const;
const markVocab: Record<string, number> = {};
for (let byte = 0; byte < 256; byte += 1) {
  markVocab[`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`] = byte;
}
const add = (token: string) => {
  markVocab[token] ??= Object.keys(markVocab).length;
};
for (const character of characters) add(character);
for (const [left, right] of markMerges) add(left + right);
const markAdded = [
  { content: '<bos>', special: true, normalized: false },
  { content: '<eos>', special: true, normalized: false },
  { content: '\n\n', special: false, normalized: false },
  { content: '<mask>', special: true, normalized: false, lstrip: true },
  { content: '<right>', special: true, normalized: false, rstrip: true },
  { content: 'word', special: false, normalized: true, single_word: true },
];
const firstAdded = Object.keys(markVocab).length;
const marks = {
  ...json,
  added_tokens: markAdded.map((token, i) => ({
    id: firstAdded + i,
    single_word: false,
    lstrip: false,
    rstrip: false,
    ...token,
  })),
  normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
  pre_tokenizer: {
    type: 'Split',
    pattern: { String: ' ' },
    behavior: 'MergedWithPrevious',
    invert: false,
  },
  post_processor: {
    type: 'TemplateProcessing',
    single: [{ SpecialToken: { id: '<bos>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
    pair: [],
    special_tokens: { '<bos>': { id: '<bos>', ids: [firstAdded], tokens: ['<bos>'] } },
  },
  decoder: {
    type: 'Sequence',
    decoders: [
      { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
      { type: 'ByteFallback' },
      { type: 'Fuse' },
    ],
  },
  model: {
    type: 'BPE',
    unk_token: null,
    fuse_unk: true,
    byte_fallback: true,
    vocab: markVocab,
    merges: markMerges,
  },
};

const folder = new URL('../test/fixtures/tokenizer/', import.meta.url);
for (const [name, tokenizer] of Object.entries({ tiny: json, 'tiny-marks': marks })) {
  const text = `${JSON.stringify(tokenizer)}\n`;
  writeFileSync(new URL(`${name}.json`, folder), text);
  writeFileSync(new URL(`${name}.bin`, folder), compileTokenizer(new TextEncoder().encode(text)));
}
