/** `tokenizer.json` to tokenizer.bin: resolves names to ids and stand-ins to bytes, checks that it all fits together. */
import { bytesOfToken } from './byte-level.ts';
import { invalid, unsupported } from './errors.ts';
import type { Merge, PreTokenizerName, TokenizerTables } from './format.ts';
import { parseTokenizerConfig, parseTokenizerJson, type TokenizerJson } from './tokenizer-json.ts';
import { writeTables } from './write.ts';

const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const WORDS = '[^\\r\\n\\p{L}\\p{N}]?\\p{L}+';
const REST = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const splitPatterns = new Map<string, PreTokenizerName>([
  [`${CONTRACTIONS}|${WORDS}|\\p{N}|${REST}`, 'qwen2'],
  [`${CONTRACTIONS}|${WORDS}|\\p{N}{1,3}|${REST}`, 'llama3'],
]);

/** Hugging Face's name for GPT-2's document separator, which begins and ends a text when nothing else is said. */
const END_OF_TEXT = '<|endoftext|>';

export interface CompileOptions {
  /** Content of tokenizer_config.json, which says which tokens begin and end a text. */
  tokenizerConfig?: Uint8Array | undefined;
}

/**
 * The tables of a Hugging Face `tokenizer.json`, as the bytes of tokenizer.bin. Same input, same bytes.
 * Without a tokenizer_config.json, `<|endoftext|>` begins and ends texts if there is such an added token.
 * @throws MftError tokenizer.unsupported (names what is not understood), tokenizer.invalid.
 */
export function compileTokenizer(
  tokenizerJson: Uint8Array,
  options: CompileOptions = {},
): Uint8Array<ArrayBuffer> {
  const json = parseTokenizerJson(tokenizerJson);
  const names =
    options.tokenizerConfig === undefined ? undefined : parseTokenizerConfig(options.tokenizerConfig);
  return writeTables(tablesOf(json, names));
}

function tablesOf(
  json: TokenizerJson,
  names: { bos: string | undefined; eos: string | undefined } | undefined,
): TokenizerTables {
  const vocab = new Map(Object.entries(json.model.vocab));
  const tokens = modelTokens(vocab, json);
  const merges = resolveMerges(vocab, json.model.merges, tokens);
  const added = resolveAdded(vocab, json, tokens);
  const byContent = new Map(json.added_tokens.map((token) => [token.content, token.id]));
  const idOf = (content: string | undefined, key: string) => {
    if (content === undefined) return undefined;
    const id = byContent.get(content) ?? vocab.get(content);
    if (id === undefined)
      throw invalid(`tokenizer_config.json: ${key} is ${JSON.stringify(content)}, which is no token`);
    return id;
  };
  const fallback = byContent.get(END_OF_TEXT);
  return {
    preTokenizer: preTokenizerOf(json.pre_tokenizer),
    ignoreMerges: json.model.ignore_merges ?? false,
    tokens,
    byteIds: resolveBytes(tokens, vocab, json),
    merges,
    added,
    bos: names === undefined ? fallback : idOf(names.bos, 'bos_token'),
    eos: names === undefined ? fallback : idOf(names.eos, 'eos_token'),
  };
}

function preTokenizerOf(pre: TokenizerJson['pre_tokenizer']): PreTokenizerName {
  if (pre.type === 'ByteLevel') return 'gpt2';
  const [first] = pre.pretokenizers;
  if (first.type === 'ByteLevel') return 'gpt2';
  if (first.type === 'Digits') return 'digits';
  const known = splitPatterns.get(first.pattern.Regex);
  if (known === undefined) throw unsupported(`pre_tokenizer with the pattern ${first.pattern.Regex}`);
  return known;
}

function modelTokens(vocab: Map<string, number>, json: TokenizerJson): (Uint8Array | undefined)[] {
  const addedContents = new Set(json.added_tokens.map((token) => token.content));
  const limit = 4 * (vocab.size + json.added_tokens.length) + 1024;
  const tokens: (Uint8Array | undefined)[] = [];
  for (const [text, id] of vocab) {
    if (id >= limit)
      throw invalid(`token ${JSON.stringify(text)} has id ${id} in a vocabulary of ${vocab.size}`);
    if (tokens[id] !== undefined) throw invalid(`two tokens have id ${id}`);
    const bytes = addedContents.has(text) ? new TextEncoder().encode(text) : bytesOfToken(text);
    if (bytes === undefined) throw unsupported(`token ${id}, ${JSON.stringify(text)}, is not byte-level`);
    if (bytes.length === 0) throw invalid(`token ${id} is empty`);
    tokens[id] = bytes;
  }
  if (tokens.length === 0) throw invalid('the vocabulary is empty');
  return tokens;
}

function resolveMerges(
  vocab: Map<string, number>,
  merges: TokenizerJson['model']['merges'],
  tokens: (Uint8Array | undefined)[],
): Merge[] {
  const seen = new Set<string>();
  return merges.map((merge, rank) => {
    const [leftText, rightText, more] = typeof merge === 'string' ? merge.split(' ') : merge;
    if (leftText === undefined || rightText === undefined || more !== undefined) {
      throw invalid(`merge ${rank}, ${JSON.stringify(merge)}, is not two tokens`);
    }
    const left = vocab.get(leftText);
    const right = vocab.get(rightText);
    const id = vocab.get(leftText + rightText);
    if (left === undefined || right === undefined || id === undefined) {
      throw invalid(`merge ${rank}, ${JSON.stringify(merge)}, names a token that is not in the vocabulary`);
    }
    const key = `${left} ${right}`;
    if (seen.has(key)) throw invalid(`merge ${rank}, ${JSON.stringify(merge)}, is there twice`);
    seen.add(key);
    const length = (token: number) => tokens[token]?.length ?? 0;
    if (length(id) !== length(left) + length(right)) {
      throw unsupported(`merge ${rank} joins an added token`);
    }
    return { left, right, rank, id };
  });
}

/**
 * Ids of the added tokens. `tokenizers` takes the model's id where the model has the token, otherwise the next one after
 * all others, whatever the file says: a file that says something else means something unclear and is refused.
 */
function resolveAdded(
  vocab: Map<string, number>,
  json: TokenizerJson,
  tokens: (Uint8Array | undefined)[],
): TokenizerTables['added'] {
  const seen = new Set<string>();
  let next = vocab.size;
  return json.added_tokens.map(({ id, content, special, normalized }) => {
    if (seen.has(content)) throw invalid(`added token ${JSON.stringify(content)} is there twice`);
    seen.add(content);
    const expected = vocab.get(content) ?? next;
    if (id !== expected) {
      throw invalid(
        `added token ${JSON.stringify(content)} has id ${id}; by the vocabulary it is ${expected}`,
      );
    }
    if (!vocab.has(content) && tokens[id] !== undefined) throw invalid(`two tokens have id ${id}`);
    next = Math.max(next, id + 1);
    tokens[id] = new TextEncoder().encode(content);
    return { id, special, normalized };
  });
}

function resolveBytes(
  tokens: (Uint8Array | undefined)[],
  vocab: Map<string, number>,
  json: TokenizerJson,
): (number | undefined)[] {
  const addedIds = new Set(json.added_tokens.filter((t) => !vocab.has(t.content)).map((t) => t.id));
  const ids: (number | undefined)[] = Array.from({ length: 256 }, () => undefined);
  for (const [id, bytes] of tokens.entries()) {
    const byte = bytes?.length === 1 ? bytes[0] : undefined;
    if (byte !== undefined && !addedIds.has(id)) ids[byte] = id;
  }
  for (const [byte, id] of ids.entries()) {
    const inUtf8 = byte !== 0xc0 && byte !== 0xc1 && byte < 0xf5;
    if (id === undefined && inUtf8) throw unsupported(`a vocabulary without a token for byte ${byte}`);
  }
  return ids;
}
