/**
 * The tokenizer of a GGUF file as the `tokenizer.json` and `tokenizer_config.json` that it was made of, as far as they decide
 * tokens. GGUF names the pre-tokenizer instead of describing it (llama.cpp, src/llama-vocab.cpp), and keeps scores instead of
 * the merges of a SentencePiece model.
 */
import { ExitCode, MftError } from '../../base/errors.ts';
import type { JsonObject } from '../json.ts';
import { type PreTokenizerName, SPACE_MARK } from '../tokenizer/format.ts';
import { type GgufValue, malformedGguf } from './header.ts';

/** llama_token_type */
export const TokenType = {
  normal: 1,
  unknown: 2,
  control: 3,
  userDefined: 4,
  unused: 5,
  byte: 6,
} as const;
export type TokenType = (typeof TokenType)[keyof typeof TokenType];

/** Sum of the squares of the tokens' lengths; Gemma's 262 thousand have 16 million. */
const MAX_SPLITTING = 1 << 28;
const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|";
const REST = '| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';

const byteLevel = (useRegex: boolean) => ({
  type: 'ByteLevel',
  add_prefix_space: false,
  trim_offsets: true,
  use_regex: useRegex,
});

const splitting = (digits: string) => ({
  type: 'Sequence',
  pretokenizers: [
    {
      type: 'Split',
      pattern: { Regex: `${CONTRACTIONS}${digits}${REST}` },
      behavior: 'Isolated',
      invert: false,
    },
    byteLevel(false),
  ],
});

interface PreTokenizer {
  /** What tokenizer.bin calls it. */
  kind: PreTokenizerName;
  pre: JsonObject;
  nfc?: boolean;
  ignoreMerges?: boolean;
}

/** By tokenizer.ggml.pre. */
const PRETOKENIZERS: Record<string, PreTokenizer> = {
  'gpt-2': { kind: 'gpt2', pre: byteLevel(true) },
  qwen2: { kind: 'qwen2', pre: splitting('\\p{N}'), nfc: true },
  'llama-bpe': { kind: 'llama3', pre: splitting('\\p{N}{1,3}'), ignoreMerges: true },
  smollm: {
    kind: 'digits',
    pre: { type: 'Sequence', pretokenizers: [{ type: 'Digits', individual_digits: true }, byteLevel(true)] },
  },
};

/** tokenizer.ggml.pre of a byte-level tokenizer; undefined: llama.cpp has no name for it. */
export function preTokenizerName(wanted: {
  kind: PreTokenizerName;
  nfc: boolean;
  ignoreMerges: boolean;
}): string | undefined {
  return Object.entries(PRETOKENIZERS).find(
    ([, { kind, nfc = false, ignoreMerges = false }]) =>
      kind === wanted.kind && nfc === wanted.nfc && ignoreMerges === wanted.ignoreMerges,
  )?.[0];
}

export interface GgufTokenizer {
  tokenizerJson: JsonObject;
  tokenizerConfig: JsonObject;
}

/** undefined: the file has none. @throws MftError model.gguf-malformed, tokenizer.unsupported */
export function tokenizerOf(
  metadata: ReadonlyMap<string, GgufValue>,
  path: string,
): GgufTokenizer | undefined {
  const model = metadata.get('tokenizer.ggml.model');
  if (model === undefined || model === 'none' || model === 'no_vocab') return undefined;
  const vocabulary = readVocabulary(metadata, path);
  const config = configOf(metadata, vocabulary.tokens);
  if (model === 'gpt2')
    return { tokenizerJson: byteLevelJson(metadata, vocabulary, path), tokenizerConfig: config };
  if (model === 'llama')
    return { tokenizerJson: sentencePieceJson(metadata, vocabulary, path), tokenizerConfig: config };
  throw unsupported(path, `tokenizer.ggml.model = ${JSON.stringify(model)}`);
}

interface Vocabulary {
  tokens: readonly string[];
  types: readonly number[];
}

function readVocabulary(metadata: ReadonlyMap<string, GgufValue>, path: string): Vocabulary {
  const tokens = strings(metadata, 'tokenizer.ggml.tokens', path);
  const types = numbers(metadata, 'tokenizer.ggml.token_type', path) ?? tokens.map(() => TokenType.normal);
  if (types.length !== tokens.length)
    throw malformedGguf(path, `${tokens.length} tokens have ${types.length} types`);
  return { tokens, types };
}

/** tokenizer_config.json: what begins and ends a text. */
function configOf(metadata: ReadonlyMap<string, GgufValue>, tokens: readonly string[]): JsonObject {
  const token = (name: string) => tokens[Number(metadata.get(`tokenizer.ggml.${name}_token_id`))] ?? null;
  const template = metadata.get('tokenizer.chat_template');
  return {
    bos_token: token('bos'),
    eos_token: token('eos'),
    unk_token: token('unknown'),
    pad_token: token('padding'),
    ...(typeof template === 'string' ? { chat_template: template } : {}),
  };
}

/**
 * What llama.cpp puts around a text, as tokenizer.json says it: by the file's flags; where it has none, SentencePiece models
 * and Llama 3 begin with their BOS token (src/llama-vocab.cpp).
 */
function templateOf(
  metadata: ReadonlyMap<string, GgufValue>,
  tokens: readonly string[],
  beginsByDefault: boolean,
): JsonObject {
  const pieceOf = (name: string, byDefault: boolean): { token: string; id: number }[] => {
    const id = Number(metadata.get(`tokenizer.ggml.${name}_token_id`));
    const token = tokens[id];
    const asked = metadata.get(`tokenizer.ggml.add_${name}_token`) ?? byDefault;
    return asked === true && token !== undefined ? [{ token, id }] : [];
  };
  const before = pieceOf('bos', beginsByDefault);
  const behind = pieceOf('eos', false);
  const special = ({ token }: { token: string }) => ({ SpecialToken: { id: token, type_id: 0 } });
  return {
    type: 'TemplateProcessing',
    single: [...before.map(special), { Sequence: { id: 'A', type_id: 0 } }, ...behind.map(special)],
    pair: [],
    special_tokens: Object.fromEntries(
      [...before, ...behind].map(({ token, id }) => [token, { id: token, ids: [id], tokens: [token] }]),
    ),
  };
}

function addedTokens({ tokens, types }: Vocabulary, contentOf: (token: string) => string): JsonObject[] {
  const added: JsonObject[] = [];
  for (const [id, type] of types.entries()) {
    if (type !== TokenType.control && type !== TokenType.userDefined && type !== TokenType.unknown) continue;
    const content = contentOf(tokens[id] ?? '');
    const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false };
    added.push({ id, content, ...flags, special: type !== TokenType.userDefined });
  }
  return added;
}

function byteLevelJson(
  metadata: ReadonlyMap<string, GgufValue>,
  vocabulary: Vocabulary,
  path: string,
): JsonObject {
  const name = String(metadata.get('tokenizer.ggml.pre') ?? 'missing');
  const kind = Object.hasOwn(PRETOKENIZERS, name) ? PRETOKENIZERS[name] : undefined;
  if (kind === undefined) throw unsupported(path, `tokenizer.ggml.pre = "${name.slice(0, 80)}"`);
  const { tokens, types } = vocabulary;
  return {
    version: '1.0',
    added_tokens: addedTokens(vocabulary, (token) => token),
    normalizer: kind.nfc === true ? { type: 'NFC' } : null,
    pre_tokenizer: kind.pre,
    post_processor: templateOf(metadata, tokens, name === 'llama-bpe'),
    decoder: byteLevel(true),
    model: {
      type: 'BPE',
      byte_fallback: false,
      ignore_merges: kind.ignoreMerges ?? false,
      vocab: Object.fromEntries(
        tokens.map((token, id) => [token, id] as const).filter(([, id]) => types[id] !== TokenType.unused),
      ),
      merges: strings(metadata, 'tokenizer.ggml.merges', path),
    },
  };
}

/** A SentencePiece BPE model without a space in front, as Gemma's. */
function sentencePieceJson(
  metadata: ReadonlyMap<string, GgufValue>,
  vocabulary: Vocabulary,
  path: string,
): JsonObject {
  if (metadata.get('tokenizer.ggml.add_space_prefix') !== false)
    throw unsupported(path, 'a SentencePiece tokenizer that puts a space in front (add_space_prefix)');
  const scores = numbers(metadata, 'tokenizer.ggml.scores', path);
  const { tokens, types } = vocabulary;
  if (scores?.length !== tokens.length)
    throw malformedGguf(path, `${tokens.length} tokens have ${scores?.length ?? 0} scores`);
  // The converter writes user-defined runs of spaces with spaces; the vocabulary has them with marks.
  const named = tokens.map((token, id) =>
    types[id] === TokenType.userDefined ? token.replaceAll(' ', SPACE_MARK) : token,
  );
  const unknown = metadata.get('tokenizer.ggml.unknown_token_id');
  return {
    version: '1.0',
    added_tokens: addedTokens({ tokens: named, types }, (token) => token),
    normalizer: { type: 'Replace', pattern: { String: ' ' }, content: SPACE_MARK },
    pre_tokenizer: {
      type: 'Split',
      pattern: { String: ' ' },
      behavior: 'MergedWithPrevious',
      invert: false,
    },
    post_processor: templateOf(metadata, named, true),
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: SPACE_MARK }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
      ],
    },
    model: {
      type: 'BPE',
      unk_token: named[Number(unknown)] ?? null,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      vocab: Object.fromEntries(named.map((token, id) => [token, id])),
      merges: mergesOf(named, types, scores, path),
    },
  };
}

/**
 * The merges behind the scores: every split of a token into two others, best token first (as transformers'
 * convert_slow_tokenizer.generate_merges makes tokenizer.json of a SentencePiece model). User-defined tokens come before all.
 */
export function mergesOf(
  tokens: readonly string[],
  types: readonly number[],
  scores: readonly number[],
  path: string,
): string[][] {
  // Every split of every token is looked up, and looking up takes as long as the token.
  const work = tokens.reduce((sum, token) => sum + token.length ** 2, 0);
  if (work > MAX_SPLITTING) throw malformedGguf(path, 'the tokens in tokenizer.ggml.tokens are too long');
  const known = new Set(tokens.filter((_, id) => types[id] !== TokenType.byte));
  const merges: { pair: string[]; score: number; left: number; right: number }[] = [];
  for (const [id, token] of tokens.entries()) {
    const type = types[id];
    if (type !== TokenType.normal && type !== TokenType.userDefined) continue;
    const characters = [...token];
    let left = '';
    for (let at = 1; at < characters.length; at += 1) {
      left += characters[at - 1];
      const right = token.slice(left.length);
      if (!known.has(left) || !known.has(right)) continue;
      const score = type === TokenType.userDefined ? Number.POSITIVE_INFINITY : (scores[id] ?? 0);
      merges.push({ pair: [left, right], score, left: at, right: characters.length - at });
    }
  }
  // Infinity minus itself is no number, so scores are compared, not subtracted.
  merges.sort((a, b) =>
    a.score === b.score ? b.left - a.left || b.right - a.right : a.score > b.score ? -1 : 1,
  );
  return merges.map(({ pair }) => pair);
}

function strings(metadata: ReadonlyMap<string, GgufValue>, key: string, path: string): string[] {
  const value = metadata.get(key);
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'string'))
    throw malformedGguf(path, `${key} is no list of strings`);
  return value;
}

function numbers(metadata: ReadonlyMap<string, GgufValue>, key: string, path: string): number[] | undefined {
  const value = metadata.get(key);
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || !value.every((item) => typeof item === 'number'))
    throw malformedGguf(path, `${key} is no list of numbers`);
  return value;
}

function unsupported(path: string, what: string): MftError {
  return new MftError(`${path}: mft can't read ${what}`, {
    code: 'tokenizer.unsupported',
    exit: ExitCode.usage,
    suggestions: ['Take the tokenizer from the Hugging Face folder of this model: --tokenizer DIR'],
  });
}
