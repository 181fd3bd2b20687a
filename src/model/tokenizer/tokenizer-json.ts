/**
 * What mft understands of Hugging Face's `tokenizer.json`: a schema that knows every key, so that what it does not know is
 * refused by name and nothing is silently left out.
 */
import { z } from 'zod';
import { invalid, unsupported } from './errors.ts';

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

const digits = z.strictObject({ type: z.literal('Digits'), individual_digits: z.literal(true) });

const sequence = z.strictObject({
  type: z.literal('Sequence'),
  pretokenizers: z.union([
    z.tuple([split, byteLevel(false)]),
    z.tuple([digits, byteLevel(true)]),
    z.tuple([byteLevel(true)]),
  ]),
});

/** Touches offsets only, whatever its settings. */
const byteLevelOffsets = z.strictObject({
  type: z.literal('ByteLevel'),
  add_prefix_space: z.boolean().optional(),
  trim_offsets: z.boolean().optional(),
  use_regex: z.boolean().optional(),
});

const addedToken = z.strictObject({
  id: z.int().min(0).max(0xfffffff),
  content: z.string().min(1),
  single_word: z.literal(false),
  lstrip: z.literal(false),
  rstrip: z.literal(false),
  normalized: z.boolean(),
  special: z.boolean(),
});

const bpe = z.strictObject({
  type: z.literal('BPE').optional(),
  dropout: z.literal([null, 0]).optional(),
  unk_token: z.string().nullish(), // every byte has a token, so nothing is ever unknown
  continuing_subword_prefix: z.literal([null, '']).optional(),
  end_of_word_suffix: z.literal([null, '']).optional(),
  fuse_unk: z.boolean().optional(),
  byte_fallback: z.literal(false).optional(),
  ignore_merges: z.boolean().optional(),
  vocab: z.record(z.string(), z.int().min(0).max(0xfffffff)),
  merges: z.array(z.union([z.string(), z.tuple([z.string(), z.string()])])),
});

const tokenizerJson = z.strictObject({
  version: z.literal('1.0'),
  truncation: z.null().optional(),
  padding: z.null().optional(),
  added_tokens: z.array(addedToken),
  normalizer: z.null().optional(),
  pre_tokenizer: z.discriminatedUnion('type', [byteLevel(true), sequence]),
  post_processor: byteLevelOffsets.nullish(),
  decoder: byteLevelOffsets,
  model: bpe,
});

export type TokenizerJson = z.infer<typeof tokenizerJson>;

const tokenName = z.union([z.string(), z.looseObject({ content: z.string() })]).nullish();

/** tokenizer_config.json: which tokens begin and end a text, and what would change the tokens. The rest is chat and files. */
const tokenizerConfig = z.looseObject({
  bos_token: tokenName,
  eos_token: tokenName,
  add_prefix_space: z.literal(false).nullish(),
  add_bos_token: z.literal(false).nullish(),
  add_eos_token: z.literal(false).nullish(),
});

/** @throws MftError tokenizer.invalid (not JSON), tokenizer.unsupported (names the key). */
export function parseTokenizerJson(bytes: Uint8Array): TokenizerJson {
  return check(tokenizerJson, parseJson(bytes, 'tokenizer.json'), '');
}

/** Contents of the tokens that begin and end a text. @throws MftError as parseTokenizerJson. */
export function parseTokenizerConfig(bytes: Uint8Array): {
  bos: string | undefined;
  eos: string | undefined;
} {
  const config = check(tokenizerConfig, parseJson(bytes, 'tokenizer_config.json'), 'tokenizer_config.json: ');
  const content = (token: z.infer<typeof tokenName>) =>
    token === null || token === undefined ? undefined : typeof token === 'string' ? token : token.content;
  return { bos: content(config.bos_token), eos: content(config.eos_token) };
}

function parseJson(bytes: Uint8Array, name: string): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw invalid(`${name} is not JSON`, cause);
  }
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
