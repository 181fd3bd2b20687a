/** `tokenizer.json` to tokenizer.bin: resolves names to ids and stand-ins to bytes, checks that it all fits together. */
import { bytesOfToken } from './byte-level.ts';
import { invalid, unsupported } from './errors.ts';
import {
  type AddedToken,
  type Merge,
  type NormalizerName,
  type PreTokenizerName,
  SPACE_MARK,
  type TokenizerTables,
} from './format.ts';
import {
  parseTokenizerConfig,
  parseTokenizerJson,
  type TextEnds,
  type TokenizerJson,
} from './tokenizer-json.ts';
import { writeTables } from './write.ts';

const MAX_TEMPLATE = 16;
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

const CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const WORDS = '[^\\r\\n\\p{L}\\p{N}]?\\p{L}+';
const REST = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const splitPatterns = new Map<string, PreTokenizerName>([
  [`${CONTRACTIONS}|${WORDS}|\\p{N}|${REST}`, 'qwen2'],
  [`${CONTRACTIONS}|${WORDS}|\\p{N}{1,3}|${REST}`, 'llama3'],
]);

/** Names of the token that ends a text where no tokenizer_config.json says which; the first that there is. */
const ENDS_OF_TEXT = ['<|endoftext|>', '<eos>', '<|end_of_text|>'];

export interface CompileOptions {
  /** Content of tokenizer_config.json, which says which tokens begin and end a text. */
  tokenizerConfig?: Uint8Array | undefined;
}

/**
 * The tables of a Hugging Face `tokenizer.json`, as the bytes of tokenizer.bin. Same input, same bytes.
 * @throws MftError tokenizer.unsupported (names what is not understood), tokenizer.invalid.
 */
export function compileTokenizer(
  tokenizerJson: Uint8Array,
  options: CompileOptions = {},
): Uint8Array<ArrayBuffer> {
  const json = parseTokenizerJson(tokenizerJson);
  const config =
    options.tokenizerConfig === undefined ? undefined : parseTokenizerConfig(options.tokenizerConfig);
  return writeTables(tablesOf(json, config));
}

function tablesOf(json: TokenizerJson, config: TextEnds | undefined): TokenizerTables {
  const kind = kindOf(json);
  const byCharacters = kind.preTokenizer === 'whole';
  const { vocab } = json.model;
  const tokens = modelTokens(json, byCharacters ? bytesOfCharacters : bytesOfToken);
  const merges = resolveMerges(json, tokens);
  const added = resolveAdded(json, kind.normalizer, tokens);
  const ends = endsOfText(json, config);
  return {
    ...kind,
    ignoreMerges: json.model.ignore_merges ?? false,
    tokens,
    byteIds: byCharacters ? bytesByName(vocab) : resolveBytes(tokens, json),
    merges,
    characters: byCharacters ? charactersOf(vocab) : undefined,
    added,
    ...ends,
  };
}

type Kind = Pick<TokenizerTables, 'preTokenizer' | 'normalizer' | 'stripsFrontSpace'>;

/** Which of the two makes it is, byte-level or SentencePiece's, and that its parts are all of that make. */
function kindOf(json: TokenizerJson): Kind {
  const { pre_tokenizer: pre, decoder, model } = json;
  const normalizer = json.normalizer?.type === 'Sequence' ? json.normalizer.normalizers[0] : json.normalizer;
  const byteLevel = decoder.type === 'ByteLevel';
  if (byteLevel) {
    if (normalizer?.type === 'Replace') throw unsupported('normalizer Replace with decoder ByteLevel');
    if (model.byte_fallback === true) throw unsupported('model.byte_fallback with decoder ByteLevel');
    if (pre === null || pre === undefined) throw unsupported('pre_tokenizer null with decoder ByteLevel');
    return {
      preTokenizer: preTokenizerOf(pre),
      normalizer: normalizer?.type === 'NFC' ? 'nfc' : 'none',
      stripsFrontSpace: false,
    };
  }
  if (normalizer?.type !== 'Replace') {
    throw unsupported('decoder Sequence (Replace, ByteFallback, Fuse) without the normalizer Replace');
  }
  if (model.byte_fallback !== true) throw unsupported('decoder ByteFallback without model.byte_fallback');
  if (model.ignore_merges === true) throw unsupported('model.ignore_merges with model.byte_fallback');
  if (pre !== null && pre !== undefined && pre.type !== 'Split') {
    throw unsupported(`pre_tokenizer ${pre.type} with model.byte_fallback`);
  }
  return {
    preTokenizer: 'whole',
    normalizer: 'spaceMark',
    stripsFrontSpace: decoder.decoders[3]?.start === 1,
  };
}

function preTokenizerOf(pre: NonNullable<TokenizerJson['pre_tokenizer']>): PreTokenizerName {
  if (pre.type === 'ByteLevel') return 'gpt2';
  if (pre.type === 'Split') throw unsupported('pre_tokenizer Split without ByteLevel');
  const [first] = pre.pretokenizers;
  if (first.type === 'ByteLevel') return 'gpt2';
  if (first.type === 'Digits') return 'digits';
  const known = splitPatterns.get(first.pattern.Regex);
  if (known === undefined) throw unsupported(`pre_tokenizer with the pattern ${first.pattern.Regex}`);
  return known;
}

/** The tokens that begin and end texts, and which of them are put around one. */
function endsOfText(
  json: TokenizerJson,
  config: TextEnds | undefined,
): Pick<TokenizerTables, 'bos' | 'eos' | 'prefix' | 'suffix'> {
  const byContent = new Map(json.added_tokens.map((token) => [token.content, token.id]));
  const idOf = (content: string | undefined, key: string) => {
    if (content === undefined) return undefined;
    const id = byContent.get(content) ?? json.model.vocab.get(content);
    if (id === undefined)
      throw invalid(`tokenizer_config.json: ${key} is ${JSON.stringify(content)}, which is no token`);
    return id;
  };
  const template = templateOf(json, byContent);
  if (config === undefined) {
    const eos = ENDS_OF_TEXT.map((name) => byContent.get(name)).find((id) => id !== undefined);
    return { bos: template.prefix[0] ?? byContent.get('<|endoftext|>'), eos, ...template };
  }
  const bos = idOf(config.bos, 'bos_token');
  const eos = idOf(config.eos, 'eos_token');
  return { bos, eos, ...template };
}

/** Ids around a text, by the post-processor. */
function templateOf(
  json: TokenizerJson,
  added: ReadonlyMap<string, number>,
): { prefix: number[]; suffix: number[] } {
  const post = json.post_processor;
  const processors = post?.type === 'Sequence' ? post.processors : post ? [post] : [];
  const templates = processors.filter((processor) => processor.type === 'TemplateProcessing');
  const [template] = templates;
  if (template === undefined) return { prefix: [], suffix: [] };
  if (templates.length > 1) throw unsupported('post_processor with two templates');
  const text = template.single.findIndex((part) => 'Sequence' in part);
  if (text < 0 || template.single.filter((part) => 'Sequence' in part).length > 1) {
    throw unsupported('post_processor TemplateProcessing: single without $A, or with several');
  }
  const ids = (parts: typeof template.single) =>
    parts.flatMap((part) => {
      if (!('SpecialToken' in part)) return [];
      const { id } = part.SpecialToken;
      const special = template.special_tokens[id];
      if (special === undefined)
        throw invalid(`the template names ${JSON.stringify(id)}, which it does not define`);
      for (const [index, token] of special.tokens.entries()) {
        if ((added.get(token) ?? json.model.vocab.get(token)) !== special.ids[index]) {
          throw invalid(`the template's token ${JSON.stringify(token)} has another id in the vocabulary`);
        }
      }
      return special.ids;
    });
  const around = {
    prefix: ids(template.single.slice(0, text)),
    suffix: ids(template.single.slice(text + 1)),
  };
  if (Math.max(around.prefix.length, around.suffix.length) > MAX_TEMPLATE) {
    throw unsupported(`post_processor TemplateProcessing with more than ${MAX_TEMPLATE} tokens on a side`);
  }
  return around;
}

function modelTokens(
  json: TokenizerJson,
  bytesOf: (text: string) => Uint8Array | undefined,
): (Uint8Array | undefined)[] {
  const { vocab } = json.model;
  const addedContents = new Set(json.added_tokens.map((token) => token.content));
  const limit = 4 * (vocab.size + json.added_tokens.length) + 1024;
  const tokens: (Uint8Array | undefined)[] = [];
  for (const [text, id] of vocab) {
    if (id >= limit)
      throw invalid(`token ${JSON.stringify(text)} has id ${id} in a vocabulary of ${vocab.size}`);
    if (tokens[id] !== undefined) throw invalid(`two tokens have id ${id}`);
    checkWellFormed(text, `token ${id}`);
    const bytes = addedContents.has(text) ? utf8(text) : bytesOf(text);
    if (bytes === undefined) throw unsupported(`token ${id}, ${JSON.stringify(text)}, is not byte-level`);
    if (bytes.length === 0) throw invalid(`token ${id} is empty`);
    tokens[id] = bytes;
  }
  if (tokens.length === 0) throw invalid('the vocabulary is empty');
  return tokens;
}

/** Half of a surrogate pair is no character: it has no bytes, and would become another token's. */
function checkWellFormed(text: string, name: string): void {
  if (!text.isWellFormed()) throw invalid(`${name} has an unpaired surrogate`);
}

function resolveMerges(json: TokenizerJson, tokens: (Uint8Array | undefined)[]): Merge[] {
  const { vocab, merges } = json.model;
  const seen = new Set<number>();
  const length = (token: number) => tokens[token]?.length ?? 0;
  return merges.map((merge, rank) => {
    const [leftText, rightText] = merge;
    const left = vocab.get(leftText);
    const right = vocab.get(rightText);
    const id = vocab.get(leftText + rightText);
    if (left === undefined || right === undefined || id === undefined) {
      throw invalid(`merge ${rank}, ${JSON.stringify(merge)}, names a token that is not in the vocabulary`);
    }
    const key = left * 0x1000000 + right;
    if (seen.has(key)) throw invalid(`merge ${rank}, ${JSON.stringify(merge)}, is there twice`);
    seen.add(key);
    if (length(id) !== length(left) + length(right)) {
      throw unsupported(`merge ${rank} joins an added token or the token of a byte`);
    }
    return { left, right, rank, id };
  });
}

/**
 * Ids of the added tokens. `tokenizers` takes the model's id where the model has the token, otherwise the next one after
 * all others, whatever the file says: a file that says something else means something unclear and is refused.
 */
function resolveAdded(
  json: TokenizerJson,
  normalizer: NormalizerName,
  tokens: (Uint8Array | undefined)[],
): AddedToken[] {
  const { vocab } = json.model;
  const seen = new Set<string>();
  let next = vocab.size;
  return json.added_tokens.map(({ id, content, special, normalized, lstrip, rstrip, single_word }) => {
    const name = `added token ${JSON.stringify(content)}`;
    if (seen.has(content)) throw invalid(`${name} is there twice`);
    checkWellFormed(content, name);
    seen.add(content);
    const expected = vocab.get(content) ?? next;
    if (id !== expected) throw invalid(`${name} has id ${id}; by the vocabulary it is ${expected}`);
    if (!vocab.has(content) && tokens[id] !== undefined) throw invalid(`two tokens have id ${id}`);
    // It would be searched in another form than it is written in.
    const changes =
      (normalizer === 'nfc' && content.normalize('NFC') !== content) ||
      (normalizer === 'spaceMark' && (content.includes(' ') || content.includes(SPACE_MARK)));
    if (normalized && changes) throw unsupported(`${name} is normalized, and the normalizer changes it`);
    if (normalizer === 'spaceMark' && BYTE_TOKEN.test(content))
      throw unsupported(`${name} is the token of a byte`);
    next = Math.max(next, id + 1);
    tokens[id] = utf8(content);
    return { id, special, normalized, lstrip, rstrip, singleWord: single_word };
  });
}

function resolveBytes(tokens: (Uint8Array | undefined)[], json: TokenizerJson): (number | undefined)[] {
  const { vocab } = json.model;
  const addedIds = new Set(json.added_tokens.filter((t) => !vocab.has(t.content)).map((t) => t.id));
  const ids: (number | undefined)[] = Array.from({ length: 256 }, () => undefined);
  for (const [id, bytes] of tokens.entries()) {
    const byte = bytes?.length === 1 ? bytes[0] : undefined;
    if (byte !== undefined && !addedIds.has(id)) ids[byte] = id;
  }
  return requireBytes(ids);
}

/** Of a byte-fallback vocabulary: "<0x0A>" is the token of byte 10. */
function bytesByName(vocab: ReadonlyMap<string, number>): (number | undefined)[] {
  const name = (byte: number) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
  return requireBytes(Array.from({ length: 256 }, (_, byte) => vocab.get(name(byte))));
}

function requireBytes(ids: (number | undefined)[]): (number | undefined)[] {
  for (const [byte, id] of ids.entries()) {
    const inUtf8 = byte !== 0xc0 && byte !== 0xc1 && byte < 0xf5;
    if (id === undefined && inUtf8) throw unsupported(`a vocabulary without a token for byte ${byte}`);
  }
  return ids;
}

const BYTE_TOKEN = /^<0x[0-9A-Fa-f]{2}>$/;

function bytesOfCharacters(text: string): Uint8Array {
  if (!BYTE_TOKEN.test(text)) return utf8(text);
  if (text !== `<0x${text.slice(3, 5).toUpperCase()}>`)
    throw unsupported(`the token ${text}, a byte in small letters`);
  return Uint8Array.of(Number.parseInt(text.slice(3, 5), 16));
}

/** Ids of the tokens of one character, and of the space, which the normalizer makes a mark. */
function charactersOf(vocab: ReadonlyMap<string, number>): Map<number, number> {
  const ids = new Map<number, number>();
  for (const [text, id] of vocab) {
    const character = text.codePointAt(0) ?? 0;
    if (text === String.fromCodePoint(character)) ids.set(character, id);
  }
  const mark = vocab.get(SPACE_MARK);
  if (mark === undefined) throw unsupported(`a vocabulary without the token ${SPACE_MARK} for spaces`);
  return ids.set(0x20, mark);
}
