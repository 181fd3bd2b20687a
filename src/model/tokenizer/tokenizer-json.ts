/**
 * What mft understands of Hugging Face's `tokenizer.json`: a schema that knows every key, so that what it does not know is
 * refused by name and nothing is silently left out.
 */
import { z } from 'zod';
import { messageOf } from '../../base/errors.ts';
import { jsonFault } from '../json.ts';
import { invalid, unsupported } from './errors.ts';
import { SPACE_MARK } from './format.ts';

const byteLevel = (useRegex: boolean) =>
  z.strictObject({
    type: z.literal('ByteLevel'),
    add_prefix_space: z.literal(false),
    trim_offsets: z.boolean().optional(), // offsets only
    use_regex: useRegex ? z.literal(true).optional() : z.literal(false),
  });

const split = z.strictObject({
  type: z.literal('Split'),
  pattern: z.strictObject({ Regex: z.string() }),
  behavior: z.literal('Isolated'),
  invert: z.literal(false),
});

/** Gemma's: never matches, because its normalizer leaves no space. */
const splitAtSpaces = z.strictObject({
  type: z.literal('Split'),
  pattern: z.strictObject({ String: z.literal(' ') }),
  behavior: z.enum(['MergedWithPrevious', 'MergedWithNext', 'Isolated']),
  invert: z.literal(false),
});

const digits = z.strictObject({ type: z.literal('Digits'), individual_digits: z.literal(true) });

const sequence = z.strictObject({
  type: z.literal('Sequence'),
  pretokenizers: z.union([
    z.tuple([split, byteLevel(false)]),
    z.tuple([digits, byteLevel(true)]),
    z.tuple([byteLevel(true)]),
  ]),
});

const nfc = z.strictObject({ type: z.literal('NFC') });
const replace = (from: string, to: string) =>
  z.strictObject({
    type: z.literal('Replace'),
    pattern: z.strictObject({ String: z.literal(from) }),
    content: z.literal(to),
  });
const normalizer = z.discriminatedUnion('type', [
  nfc,
  replace(' ', SPACE_MARK),
  z.strictObject({
    type: z.literal('Sequence'),
    normalizers: z.tuple([z.discriminatedUnion('type', [nfc, replace(' ', SPACE_MARK)])]),
  }),
]);

/** Touches offsets only, whatever its settings. */
const byteLevelOffsets = z.strictObject({
  type: z.literal('ByteLevel'),
  add_prefix_space: z.boolean().optional(),
  trim_offsets: z.boolean().optional(),
  use_regex: z.boolean().optional(),
});

const tokenId = z.int().min(0).max(0xfffffff);

/** Tokens around a text; `pair` is for two texts at once, which mft never encodes. */
const templateProcessing = z.strictObject({
  type: z.literal('TemplateProcessing'),
  single: z.array(
    z.union([
      z.strictObject({ SpecialToken: z.strictObject({ id: z.string(), type_id: z.int() }) }),
      z.strictObject({ Sequence: z.strictObject({ id: z.literal('A'), type_id: z.int() }) }),
    ]),
  ),
  pair: z.unknown(),
  special_tokens: z.record(
    z.string(),
    z.strictObject({ id: z.string(), ids: z.array(tokenId), tokens: z.array(z.string()) }),
  ),
});

const postProcessor = z.discriminatedUnion('type', [
  byteLevelOffsets,
  templateProcessing,
  z.strictObject({
    type: z.literal('Sequence'),
    processors: z.array(z.discriminatedUnion('type', [byteLevelOffsets, templateProcessing])),
  }),
]);

const decoder = z.discriminatedUnion('type', [
  byteLevelOffsets,
  z.strictObject({
    type: z.literal('Sequence'),
    decoders: z.union([
      z.tuple([replace(SPACE_MARK, ' '), typeOnly('ByteFallback'), typeOnly('Fuse')]),
      z.tuple([
        replace(SPACE_MARK, ' '),
        typeOnly('ByteFallback'),
        typeOnly('Fuse'),
        z.strictObject({
          type: z.literal('Strip'),
          content: z.literal(' '),
          start: z.literal([0, 1]),
          stop: z.literal(0),
        }),
      ]),
    ]),
  }),
]);

function typeOnly<T extends string>(type: T) {
  return z.strictObject({ type: z.literal(type) });
}

const addedToken = z.strictObject({
  id: tokenId,
  content: z.string().min(1),
  single_word: z.boolean(),
  lstrip: z.boolean(),
  rstrip: z.boolean(),
  normalized: z.boolean(),
  special: z.boolean(),
});

/** A quarter of a million entries: checked by hand, which takes a tenth of the time. */
const vocab = z.unknown().transform((value, context): Map<string, number> => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    context.addIssue({ code: 'custom', message: 'expected an object of ids by token' });
    return z.NEVER;
  }
  const ids = new Map<string, number>();
  for (const [token, id] of Object.entries(value)) {
    if (!Number.isInteger(id) || id < 0 || id > 0xfffffff) {
      context.addIssue({ code: 'custom', message: 'expected an id', path: [token] });
      return z.NEVER;
    }
    ids.set(token, id);
  }
  return ids;
});

const merges = z.unknown().transform((value, context): (readonly [string, string])[] => {
  const fail = (message: string, path: number[]) => {
    context.addIssue({ code: 'custom', message, path });
    return z.NEVER;
  };
  if (!Array.isArray(value)) return fail('expected an array of merges', []);
  const pairs: (readonly [string, string])[] = [];
  for (const [index, merge] of value.entries()) {
    const parts: unknown = typeof merge === 'string' ? merge.split(' ') : merge;
    const [left, right, more]: unknown[] = Array.isArray(parts) ? parts : [];
    if (typeof left !== 'string' || typeof right !== 'string' || more !== undefined) {
      return fail('expected two tokens', [index]);
    }
    pairs.push([left, right]);
  }
  return pairs;
});

const bpe = z.strictObject({
  type: z.literal('BPE').optional(),
  dropout: z.literal([null, 0]).optional(),
  unk_token: z.string().nullish(), // every byte has a token, so nothing is ever unknown
  continuing_subword_prefix: z.literal([null, '']).optional(),
  end_of_word_suffix: z.literal([null, '']).optional(),
  fuse_unk: z.boolean().optional(),
  byte_fallback: z.boolean().optional(),
  ignore_merges: z.boolean().optional(),
  vocab,
  merges,
});

const tokenizerJson = z.strictObject({
  version: z.literal('1.0'),
  truncation: z.null().optional(),
  padding: z.null().optional(),
  added_tokens: z.array(addedToken),
  normalizer: normalizer.nullish(),
  pre_tokenizer: z.discriminatedUnion('type', [byteLevel(true), sequence, splitAtSpaces]).nullish(),
  post_processor: postProcessor.nullish(),
  decoder,
  model: bpe,
});

export type TokenizerJson = z.infer<typeof tokenizerJson>;

const tokenName = z.union([z.string(), z.looseObject({ content: z.string() })]).nullish();

/**
 * tokenizer_config.json: which tokens begin and end a text, and what would change the tokens. The rest is chat and files.
 * `add_bos_token` and `add_eos_token` are for the makers of tokenizer.json: transformers 5 leaves both out where that file is.
 */
const tokenizerConfig = z.looseObject({
  bos_token: tokenName,
  eos_token: tokenName,
  add_prefix_space: z.literal(false).nullish(),
});

/** @throws MftError tokenizer.invalid (not JSON), tokenizer.unsupported (names the key). */
export function parseTokenizerJson(bytes: Uint8Array): TokenizerJson {
  return check(tokenizerJson, parseJson(bytes, 'tokenizer.json'), '');
}

/** Contents of the tokens that begin and end a text. */
export interface TextEnds {
  bos: string | undefined;
  eos: string | undefined;
}

/** @throws MftError as parseTokenizerJson. */
export function parseTokenizerConfig(bytes: Uint8Array): TextEnds {
  const config = check(tokenizerConfig, parseJson(bytes, 'tokenizer_config.json'), 'tokenizer_config.json: ');
  const content = (token: z.infer<typeof tokenName>) =>
    token === null || token === undefined ? undefined : typeof token === 'string' ? token : token.content;
  return { bos: content(config.bos_token), eos: content(config.eos_token) };
}

function parseJson(bytes: Uint8Array, name: string): unknown {
  let text: string;
  let value: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    value = JSON.parse(text);
  } catch (cause) {
    throw invalid(`${name} is not JSON: ${messageOf(cause).slice(0, 200)}`, cause);
  }
  const fault = jsonFault(text);
  if (fault !== undefined) throw invalid(`${name} is malformed: ${fault}`);
  return value;
}

function check<T>(schema: z.ZodType<T>, value: unknown, where: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => describeIssue(issue, value)).slice(0, 4);
  throw unsupported(where + [...new Set(problems)].join('; '));
}

function describeIssue(issue: z.core.$ZodIssue, root: unknown): string {
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    // The alternative that came furthest says most.
    const depth = (issues: readonly z.core.$ZodIssue[]) => Math.max(...issues.map((one) => one.path.length));
    const best = issue.errors.reduce((a, b) => (depth(b) > depth(a) ? b : a));
    const first = best.find((one) => one.path.length === depth(best));
    if (first) return describeIssue({ ...first, path: [...issue.path, ...first.path] }, root);
  }
  const path = issue.path
    .map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`))
    .join('');
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => `${path}.${key}`.replace(/^\./, '')).join(', ');
  }
  const found = show(at(root, issue.path));
  return `${path.replace(/^\./, '') || 'the file'} is ${found} (${issue.message})`;
}

function at(root: unknown, path: readonly PropertyKey[]): unknown {
  let value = root;
  for (const part of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = Object.getOwnPropertyDescriptor(value, part)?.value;
  }
  return value;
}

function show(value: unknown): string {
  if (typeof value === 'object' && value !== null && 'type' in value) return `a ${String(value.type)}`;
  const text = JSON.stringify(value) ?? 'missing';
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}
