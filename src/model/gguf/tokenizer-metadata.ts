/**
 * A pack's tokenizer as llama.cpp's converter describes it in a GGUF file (convert_hf_to_gguf.py: set_vocab of the families,
 * get_vocab_base, does_token_look_special; gguf-py's SpecialVocab). GGUF names a pre-tokenizer and keeps scores in place of
 * SentencePiece's merges: a tokenizer that these do not describe exactly is refused.
 */
import { ExitCode, MftError } from '../../base/errors.ts';
import { isObject, type JsonObject, parseJsonObject } from '../json.ts';
import { SPACE_MARK } from '../tokenizer/format.ts';
import {
  describeTokenizer,
  parseTokenizerJson,
  type TokenizerDescription,
  type TokenizerJson,
} from '../tokenizer/index.ts';
import type { ModelConfig } from '../types.ts';
import type { GgufMetadata } from './metadata.ts';
import { mergesOf, preTokenizerName, TokenType } from './tokenizer.ts';

/** What a pack keeps of its tokenizer. */
export interface PackTokenizer {
  /** tokenizer.bin */
  compiled: Uint8Array;
  /** tokenizer.json, tokenizer_config.json, chat_template.jinja, by name. */
  files: ReadonlyMap<string, Uint8Array>;
}

/** Scores of tokens that are never made by merging (convert_hf_to_gguf.py, _create_vocab_sentencepiece). */
const ADDED_SCORE = -1000;
const PADDING_SCORE = -10_000;

/** @throws MftError export.gguf-tokenizer. @returns what GGUF can't say, for people */
export function writeTokenizer(
  metadata: GgufMetadata,
  tokenizer: PackTokenizer | undefined,
  config: ModelConfig,
): string[] {
  if (tokenizer === undefined) {
    metadata.string('tokenizer.ggml.model', 'none');
    metadata.u32('tokenizer.ggml.bos_token_id', config.bosToken);
    metadata.u32('tokenizer.ggml.eos_token_id', config.eosToken);
    return ['The model has no tokenizer, so the file has none: programs that read it need one to read text.'];
  }
  const json = parseTokenizerJson(tokenizer.files.get('tokenizer.json') ?? new Uint8Array());
  const description = describeTokenizer(tokenizer.compiled);
  const vocabulary = vocabularyOf(json, config.vocabSize);
  if (description.preTokenizer === 'whole') writeSentencePiece(metadata, json, vocabulary);
  else writeByteLevel(metadata, json, vocabulary, description);
  const settings = readConfig(tokenizer);
  writeEnds(metadata, json, description, settings, config);
  const template = templateOf(tokenizer, settings);
  if (template !== undefined) metadata.string('tokenizer.chat_template', template);
  return notesOn(json, config.vocabSize);
}

interface Vocabulary {
  /** By id, as many as the model has rows; tokenizer.json's spelling. */
  tokens: string[];
  types: TokenType[];
}

function vocabularyOf({ model, added_tokens: added }: TokenizerJson, size: number): Vocabulary {
  const tokens = Array.from({ length: size }, (_, id) => `[PAD${id}]`);
  const types: TokenType[] = tokens.map(() => TokenType.unused);
  for (const [token, id] of model.vocab) {
    if (id >= size) continue;
    tokens[id] = token;
    const isByte = model.byte_fallback === true && /^<0x[0-9A-F]{2}>$/.test(token);
    types[id] = isByte ? TokenType.byte : TokenType.normal;
  }
  for (const { id, content, special } of added) {
    if (id >= size) continue;
    tokens[id] = content;
    types[id] = special || looksSpecial(content) ? TokenType.control : TokenType.userDefined;
  }
  return { tokens, types };
}

/** llama.cpp takes such tokens out of text only where it is told to, whatever a tokenizer says of them. */
function looksSpecial(token: string): boolean {
  return (
    ['<pad>', '<mask>', '<2mass>', '[@BOS@]'].includes(token) ||
    /^(<\|.*\|>|<｜.*｜>|<unused.*>)$/s.test(token)
  );
}

function writeByteLevel(
  metadata: GgufMetadata,
  json: TokenizerJson,
  { tokens, types }: Vocabulary,
  description: TokenizerDescription,
): void {
  const pre = preTokenizerName({
    kind: description.preTokenizer,
    nfc: json.normalizer?.type === 'NFC' || json.normalizer?.type === 'Sequence',
    ignoreMerges: json.model.ignore_merges ?? false,
  });
  if (pre === undefined)
    throw unsayable('its normalizer, pre_tokenizer and ignore_merges together have no name in llama.cpp');
  const { merges } = json.model;
  if (merges.flat().some((part) => part.includes(' '))) throw unsayable('a merge has a space in it');
  metadata.string('tokenizer.ggml.model', 'gpt2').string('tokenizer.ggml.pre', pre);
  metadata.strings('tokenizer.ggml.tokens', tokens).i32s('tokenizer.ggml.token_type', types);
  metadata.strings(
    'tokenizer.ggml.merges',
    merges.map((pair) => pair.join(' ')),
  );
}

function writeSentencePiece(metadata: GgufMetadata, json: TokenizerJson, vocabulary: Vocabulary): void {
  const { tokens, types } = vocabulary;
  if (json.decoder.type === 'Sequence' && json.decoder.decoders.length > 3)
    throw unsayable('its decoder takes a space off the front');
  const scores = scoresOf(json, vocabulary);
  // In the file, text that users may write stands as they write it.
  const written = tokens.map((token, id) =>
    types[id] === TokenType.userDefined ? token.replaceAll(SPACE_MARK, ' ') : token,
  );
  metadata.string('tokenizer.ggml.model', 'llama').string('tokenizer.ggml.pre', 'default');
  metadata.strings('tokenizer.ggml.tokens', written).f32s('tokenizer.ggml.scores', scores);
  metadata.i32s('tokenizer.ggml.token_type', types).bool('tokenizer.ggml.add_space_prefix', false);
}

/**
 * Scores whose order is that of the merges: the n-th token that merges make has -n, as in Gemma's own SentencePiece model.
 * Merges that make added tokens do not matter, for these are taken out of a text before anything is merged.
 */
function scoresOf(json: TokenizerJson, { tokens, types }: Vocabulary): number[] {
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const isMade = ([left, right]: readonly string[]) =>
    types[ids.get(`${left}${right}`) ?? -1] === TokenType.normal;
  const merges = json.model.merges.filter(isMade);
  const order = new Map<string, number>();
  for (const [left, right] of merges) if (!order.has(left + right)) order.set(left + right, order.size);
  let last = order.size;
  const scores = tokens.map((token, id) => {
    if (types[id] === TokenType.normal) return -(order.get(token) ?? last++);
    if (types[id] === TokenType.byte) return 0;
    return types[id] === TokenType.unused ? PADDING_SCORE : ADDED_SCORE;
  });
  const read = mergesOf(tokens, types, scores, 'the tokenizer').filter(isMade);
  if (read.length !== merges.length || read.some((pair, i) => pair.join(' ') !== merges[i]?.join(' ')))
    throw unsayable(
      'its merges are not in the order of the tokens that they make, as scores would have them',
    );
  return scores;
}

function readConfig({ files }: PackTokenizer): JsonObject {
  const bytes = files.get('tokenizer_config.json');
  return bytes === undefined
    ? {}
    : parseJsonObject(Buffer.from(bytes).toString('utf8'), 'tokenizer_config.json');
}

/** Ids of the tokens that begin, end and fill texts, and whether a text gets them by itself. */
function writeEnds(
  metadata: GgufMetadata,
  json: TokenizerJson,
  { bos, eos, prefix, suffix }: TokenizerDescription,
  settings: JsonObject,
  config: ModelConfig,
): void {
  const ids = { bos: bos ?? config.bosToken, eos: eos ?? config.eosToken };
  const isEither = (template: readonly number[], id: number) =>
    template.length === 0 || (template.length === 1 && template[0] === id);
  if (!isEither(prefix, ids.bos) || !isEither(suffix, ids.eos))
    throw unsayable('it puts other tokens around a text than one that begins it and one that ends it');
  const contentOf = (value: unknown) => (isObject(value) ? value.content : value);
  const idOf = (token: unknown) =>
    json.added_tokens.find(({ content }) => content === token)?.id ?? json.model.vocab.get(String(token));
  for (const [key, id] of [
    ['bos', ids.bos],
    ['eos', ids.eos],
    ['unknown', idOf(json.model.unk_token ?? contentOf(settings.unk_token))],
    ['padding', idOf(contentOf(settings.pad_token))],
  ] as const)
    if (id !== undefined && id < config.vocabSize) metadata.u32(`tokenizer.ggml.${key}_token_id`, id);
  metadata.bool('tokenizer.ggml.add_bos_token', prefix.length > 0);
  metadata.bool('tokenizer.ggml.add_eos_token', suffix.length > 0);
}

/** As transformers looks for it: the file of its own first; of several templates the default. */
function templateOf({ files }: PackTokenizer, { chat_template: value }: JsonObject): string | undefined {
  const own = files.get('chat_template.jinja');
  if (own !== undefined) return Buffer.from(own).toString('utf8');
  const entries: unknown[] = Array.isArray(value) ? value : [];
  const named = entries.filter(isObject).find(({ name }) => name === 'default')?.template;
  const template = named ?? value;
  return typeof template === 'string' ? template : undefined;
}

/** What a program that reads the file can't know. */
function notesOn({ added_tokens: added }: TokenizerJson, size: number): string[] {
  const particular = added.filter(
    ({ id, lstrip, rstrip, single_word }) => id < size && (lstrip || rstrip || single_word),
  );
  if (particular.length === 0) return [];
  const names = particular.slice(0, 3).map(({ content }) => JSON.stringify(content));
  return [
    `GGUF can't say that ${names.join(', ')}${particular.length > 3 ? ' and others' : ''} take spaces beside them or stand for whole words alone.`,
  ];
}

function unsayable(why: string): MftError {
  return new MftError(`GGUF can't describe this tokenizer: ${why}`, {
    code: 'export.gguf-tokenizer',
    exit: ExitCode.usage,
    suggestions: ['Export a Hugging Face folder (--format hf): it keeps the tokenizer as it is.'],
  });
}
