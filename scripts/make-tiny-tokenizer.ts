/**
 * Writes test/fixtures/tokenizer/tiny.json and tiny.bin: a byte-level BPE small enough to know by heart, for unit tests.
 *
 *     node scripts/make-tiny-tokenizer.ts
 *
 * Ids 0..255 are the bytes, in order; then one a merge, in the order below; then the added tokens.
 */
import { writeFileSync } from 'node:fs';
import { charForByte } from '../src/model/tokenizer/byte-level.ts';
import { compileTokenizer } from '../src/model/tokenizer/index.ts';

const merges = [
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
for (const [i, [left, right]] of merges.entries()) vocab[left + right] = 256 + i;
const first = 256 + merges.length;
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
  model: { type: 'BPE', dropout: null, vocab, merges: merges.map((pair) => pair.join(' ')) },
};
const text = `${JSON.stringify(json)}\n`;
const folder = new URL('../test/fixtures/tokenizer/', import.meta.url);
writeFileSync(new URL('tiny.json', folder), text);
writeFileSync(new URL('tiny.bin', folder), compileTokenizer(new TextEncoder().encode(text)));
