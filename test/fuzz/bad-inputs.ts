/**
 * The table of bad inputs of docs/errors.md: what is wrong with a model's files, and what is said of it. Each makes
 * its file or folder and gives the path that goes to `mft model import`.
 */
import { copyFileSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  ARRAY,
  architecture,
  F32,
  gguf,
  pair,
  STRING,
  tensor,
  text,
  U8,
  U32,
  u32,
  u64,
} from './gguf-bytes.ts';

export interface BadInput {
  what: string;
  code: string;
  /** Of the message; the file's own path is in it, too. */
  says: RegExp;
  make(folder: string): string;
}

const fixtures = join(import.meta.dirname, '../fixtures');
const GPT2 = join(fixtures, 'hf-gpt2/single-f32');
const HUGE = 2n ** 60n;

/** A folder with a sound config.json and these other files. */
function folderOf(folder: string, files: Record<string, string | Uint8Array>): string {
  mkdirSync(folder, { recursive: true });
  copyFileSync(join(GPT2, 'config.json'), join(folder, 'config.json'));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  return folder;
}

/** A safetensors file whose header is this text, whatever length it claims. */
function safetensors(header: string, data: number, claims?: bigint): Buffer {
  return Buffer.concat([
    u64(claims ?? BigInt(Buffer.byteLength(header))),
    Buffer.from(header),
    Buffer.alloc(data),
  ]);
}

function weights(
  what: string,
  says: RegExp,
  make: () => Uint8Array,
  code = 'model.safetensors-malformed',
): BadInput {
  return {
    what: `safetensors: ${what}`,
    code,
    says,
    make: (folder) => folderOf(folder, { 'model.safetensors': make() }),
  };
}

const entry = (begin: string, end: string, shape = '[2]', dtype = 'F32') =>
  `{"dtype":"${dtype}","shape":${shape},"data_offsets":[${begin},${end}]}`;

const SAFETENSORS: readonly BadInput[] = [
  weights('a header of 100 MB in a file of 1 kB', /header claims 100000000 bytes, the file has 1\d{3}/, () =>
    safetensors('{}', 1016, 100_000_000n),
  ),
  weights('a header of 2^63 bytes', /header claims 9223372036854775808 bytes, the limit is/, () =>
    safetensors('{}', 8, 2n ** 63n),
  ),
  weights('offsets beyond the file', /tensor "a": data_offsets 0\.\.8 lie outside the 4 bytes of data/, () =>
    safetensors(`{"a":${entry('0', '8')}}`, 4),
  ),
  weights('offsets of 2^63', /tensor "a": data_offsets is not a pair of whole numbers/, () =>
    safetensors(`{"a":${entry('9223372036854775808', '9223372036854775816')}}`, 8),
  ),
  weights('a negative offset', /tensor "a": data_offsets is not a pair of whole numbers/, () =>
    safetensors(`{"a":${entry('-8', '0')}}`, 8),
  ),
  weights('an end before its beginning', /tensor "a": data_offsets 8\.\.0 lie outside/, () =>
    safetensors(`{"a":${entry('8', '0')}}`, 8),
  ),
  weights(
    'tensors that overlap',
    /tensor "b" overlaps the tensor before it: it begins at data offset 4/,
    () => safetensors(`{"a":${entry('0', '8')},"b":${entry('4', '12')}}`, 12),
  ),
  weights('a hole between tensors', /tensor "b" leaves a hole before it/, () =>
    safetensors(`{"a":${entry('0', '8')},"b":${entry('16', '24')}}`, 24),
  ),
  weights(
    'a name twice',
    /the key "a" appears twice/,
    () => safetensors(`{"a":${entry('0', '8')},"a":${entry('8', '16')}}`, 16),
    'model.json-malformed',
  ),
  weights('a shape whose product overflows', /tensor "a": F32 \[4294967296, 4294967296\] needs/, () =>
    safetensors(`{"a":${entry('0', '8', '[4294967296,4294967296]')}}`, 8),
  ),
  weights('an unknown type', /tensor "a": unknown dtype "F23"/, () =>
    safetensors(`{"a":${entry('0', '8', '[2]', 'F23')}}`, 8),
  ),
  weights(
    'a header nested 100 000 deep',
    /nested deeper than 64/,
    () => safetensors(`{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`, 0),
    'model.json-malformed',
  ),
];

function ggufCase(what: string, says: RegExp, make: () => Buffer, code = 'model.gguf-malformed'): BadInput {
  return {
    what: `GGUF: ${what}`,
    code,
    says,
    make(folder) {
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, 'model.gguf'), make());
      return join(folder, 'model.gguf');
    },
  };
}

const array = (key: string, type: number, count: bigint | number, ...elements: Buffer[]) =>
  pair(key, ARRAY, u32(type), u64(count), ...elements);

const GGUF: readonly BadInput[] = [
  ggufCase('2^60 tensors', /claims 1152921504606846976 tensors|1152921504606846976 is out of range/, () =>
    gguf({ tensorCount: HUGE }),
  ),
  ggufCase('2^60 metadata entries', /1152921504606846976/, () => gguf({ pairCount: HUGE })),
  ggufCase('a million tensors in a hundred bytes', /tensor "" has 0 dimensions/, () =>
    gguf({ tensorCount: 1_000_000n }),
  ),
  ggufCase('an array of 2^60 elements', /1152921504606846976/, () =>
    gguf({ pairs: [architecture, array('x', U8, HUGE)] }),
  ),
  ggufCase('an array longer than the file', /claims 4000000 elements of x/, () =>
    gguf({ pairs: [architecture, array('x', U8, 4_000_000)] }),
  ),
  ggufCase('a string of 2^60 bytes', /1152921504606846976/, () =>
    gguf({ pairs: [architecture, pair('x', STRING, u64(HUGE))] }),
  ),
  ggufCase('arrays of arrays', /metadata x is an array of arrays/, () =>
    gguf({ pairs: [architecture, array('x', ARRAY, 8, u32(ARRAY), u64(HUGE))] }),
  ),
  ggufCase('a value of no type', /metadata x has unknown type 77/, () =>
    gguf({ pairs: [architecture, pair('x', 77)] }),
  ),
  ggufCase('a key twice', /metadata key "general.architecture" is there twice/, () =>
    gguf({ pairs: [architecture, architecture] }),
  ),
  ggufCase('dimensions of 2^60', /1152921504606846976/, () =>
    gguf({ tensors: [tensor('token_embd.weight', [HUGE, HUGE], 0, 0)], data: 64 }),
  ),
  ggufCase('a tensor of 2^52 elements', /tensor "token_embd.weight": it ends at byte/, () =>
    gguf({ tensors: [tensor('token_embd.weight', [2 ** 26, 2 ** 26], 0, 0)], data: 64 }),
  ),
  ggufCase(
    'a tensor beyond the file',
    /tensor "token_embd.weight": it ends at byte \d+, the file has \d+/,
    () => gguf({ tensors: [tensor('token_embd.weight', [8, 8], 0, 32)], data: 64 }),
  ),
  ggufCase('tensors that overlap', /tensor "b" begins at byte \d+, within tensor "a"/, () =>
    gguf({ tensors: [tensor('a', [16], 0, 0), tensor('b', [16], 0, 32)], data: 128 }),
  ),
  ggufCase(
    'a type that ggml does not have',
    /stored as ggml type 250/,
    () => gguf({ tensors: [tensor('a', [16], 250, 0)], data: 64 }),
    'model.gguf-unsupported',
  ),
  ggufCase('an alignment of 0', /general.alignment = 0/, () =>
    gguf({ pairs: [architecture, pair('general.alignment', U32, u32(0))] }),
  ),
  ggufCase(
    'the other byte order',
    /GGUF version 50331648/,
    () => gguf({ version: 0x03000000 }),
    'model.gguf-unsupported',
  ),
  {
    what: 'GGUF: 32 GB of RoPE factors in a file of holes',
    code: 'model.unknown-config-field',
    says: /rope_freqs.weight holds factors that mft does not know/,
    make(folder) {
      mkdirSync(folder, { recursive: true });
      const path = join(folder, 'model.gguf');
      const pairs = [pair('general.architecture', STRING, text('llama'))];
      writeFileSync(path, gguf({ pairs, tensors: [tensor('rope_freqs.weight', [2 ** 33], 0, 0)] }));
      truncateSync(path, 2 ** 35 + 4096);
      return path;
    },
  },
  ggufCase(
    'a token of a megabyte, whose every split would be looked up',
    /tokenizer.ggml.tokens are too long/,
    () =>
      gguf({
        pairs: [
          pair('general.architecture', STRING, text('gpt2')),
          pair('tokenizer.ggml.model', STRING, text('llama')),
          pair('tokenizer.ggml.add_space_prefix', 7, Buffer.from([0])),
          array('tokenizer.ggml.tokens', STRING, 2, text('a'), text('a'.repeat(1 << 20))),
          array('tokenizer.ggml.scores', F32, 2, u32(0), u32(0)),
        ],
      }),
  ),
];

interface TokenizerJson {
  added_tokens: { id: number; content: string }[];
  model: { vocab: Record<string, number>; merges: unknown[] };
}

function tokenizer(
  what: string,
  says: RegExp,
  change: (json: TokenizerJson) => unknown,
  code = 'tokenizer.invalid',
): BadInput {
  return {
    what: `tokenizer: ${what}`,
    code,
    says,
    make(folder) {
      const json = JSON.parse(readFileSync(join(fixtures, 'tokenizer/tiny.json'), 'utf8')) as TokenizerJson;
      const changed = change(json) ?? json;
      return folderOf(folder, {
        'model.safetensors': readFileSync(join(GPT2, 'model.safetensors')),
        'tokenizer.json': typeof changed === 'string' ? changed : JSON.stringify(changed),
      });
    },
  };
}

const TOKENIZERS: readonly BadInput[] = [
  tokenizer(
    'a merge that makes one of its halves',
    /merge 0, \["h",""\], names a token that is not/,
    (json) => {
      json.model.merges[0] = ['h', ''];
    },
  ),
  tokenizer('a merge of a token that nothing spells', /token 500 is empty/, (json) => {
    json.model.vocab[''] = 500;
    json.model.merges[0] = ['', ''];
  }),
  tokenizer('a merge that is there twice', /merge \d+, .* is there twice/, (json) => {
    json.model.merges.push(json.model.merges[0]);
  }),
  tokenizer(
    'a merge of tokens that there are not',
    /merge \d+, .* names a token that is not in the vocabulary/,
    (json) => {
      json.model.merges.push(['never', 'there']);
    },
  ),
  tokenizer('two tokens of one id', /two tokens have id/, (json) => {
    json.model.vocab.zz = 5;
  }),
  tokenizer(
    'an id of two thousand million',
    /model\.vocab\.zz is 2000000000 \(expected an id\)/,
    (json) => {
      json.model.vocab.zz = 2_000_000_000;
    },
    'tokenizer.unsupported',
  ),
  tokenizer('an id far above the others', /token "zz" has id 9000000 in a vocabulary of/, (json) => {
    json.model.vocab.zz = 9_000_000;
  }),
  tokenizer(
    'a negative id',
    /model\.vocab/,
    (json) => {
      json.model.vocab.zz = -1;
    },
    'tokenizer.unsupported',
  ),
  tokenizer('added tokens that collide', /added token .* is there twice|by the vocabulary it is/, (json) => {
    const [first] = json.added_tokens;
    if (first !== undefined) json.added_tokens.push({ ...first });
  }),
  tokenizer(
    'an added token of another id than the vocabulary says',
    /has id 7; by the vocabulary it is/,
    (json) => {
      const [first] = json.added_tokens;
      if (first !== undefined) first.id = 7;
    },
  ),
  tokenizer(
    'a byte without a token',
    /a vocabulary without a token for byte 0/,
    (json) => {
      const found = Object.entries(json.model.vocab).find(([, id]) => id === 0);
      const zero = Object.keys(json.model.vocab).find((token) => token === 'Ā') ?? found?.[0] ?? '';
      delete json.model.vocab[zero];
      json.model.vocab[`${zero}${zero}`] = 0;
    },
    'tokenizer.unsupported',
  ),
  tokenizer('half of a surrogate pair', /unpaired surrogate/, (json) => {
    const [first] = json.added_tokens;
    if (first !== undefined) json.added_tokens.push({ ...first, id: 1000, content: '\ud800' });
  }),
  tokenizer('a key twice', /the key "version" appears twice/, (json) =>
    JSON.stringify(json).replace('{', '{"version":"2.0",'),
  ),
  tokenizer(
    'JSON nested 100 000 deep',
    /nested deeper than 64/,
    () => `{"model":${'['.repeat(100_000)}${']'.repeat(100_000)}}`,
  ),
  tokenizer('cut off', /tokenizer.json is not JSON/, (json) => JSON.stringify(json).slice(0, 2000)),
];

const OTHERS: readonly BadInput[] = [
  {
    what: 'config.json: of 64 MB',
    code: 'model.file-too-large',
    says: /config.json has 67108864 bytes, more than/,
    make(folder) {
      folderOf(folder, {});
      truncateSync(join(folder, 'config.json'), 64 << 20);
      return folder;
    },
  },
  {
    what: 'config.json: two thousand million layers',
    code: 'model.bad-config-field',
    says: /n_layer|numLayers/,
    make: (folder) => changedConfig(folder, 'n_layer', 2_000_000_000),
  },
  {
    what: 'config.json: a field that mft does not know',
    code: 'model.unknown-config-field',
    says: /config.json: mft does not know scale_attn_by_moon = true/,
    make: (folder) => changedConfig(folder, 'scale_attn_by_moon', true),
  },
  {
    what: 'a folder of pickles',
    code: 'model.file-missing',
    says: /has no model.safetensors, only PyTorch pickles/,
    make: (folder) => folderOf(folder, { 'pytorch_model.bin': 'x' }),
  },
];

function changedConfig(folder: string, field: string, value: unknown): string {
  folderOf(folder, { 'model.safetensors': readFileSync(join(GPT2, 'model.safetensors')) });
  const path = join(folder, 'config.json');
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), [field]: value }));
  return folder;
}

/** A sound file cut after each sixteenth of it. */
function cuts(what: string, file: string, code: string): BadInput[] {
  return Array.from({ length: 16 }, (_, part) => ({
    what: `${what}: cut after ${part}/16`,
    code,
    says: /./,
    make(folder: string) {
      const bytes = readFileSync(join(fixtures, file));
      const cut = bytes.subarray(0, Math.floor((bytes.length * part) / 16));
      if (!file.endsWith('.gguf')) return folderOf(folder, { 'model.safetensors': cut });
      const path = join(folder, 'model.gguf');
      mkdirSync(dirname(path), { recursive: true });
      writeFileSync(path, cut);
      return path;
    },
  }));
}

export const BAD_INPUTS: readonly BadInput[] = [
  ...SAFETENSORS,
  ...GGUF,
  ...TOKENIZERS,
  ...OTHERS,
  ...cuts('safetensors', 'hf-gpt2/single-f32/model.safetensors', 'model.safetensors-malformed'),
  ...cuts('GGUF', 'gguf/gemma3.gguf', 'model.gguf-malformed'),
];
