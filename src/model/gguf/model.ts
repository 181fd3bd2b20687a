/** A GGUF file seen as a Hugging Face model: a config.json, and tensors of Hugging Face's names, shapes and values. */
import { ExitCode, MftError } from '../../base/errors.ts';
import { nearest } from '../../base/nearest.ts';
import type { JsonObject } from '../json.ts';
import type { F32 } from '../tensors/float.ts';
import { elementsOf } from '../tensors/stream.ts';
import { ARCHITECTURES, type Architecture, CHECKED_METADATA } from './architectures.ts';
import type { GgufTensor, GgufValue } from './header.ts';
import { type GgufReader, openGguf } from './reader.ts';
import { llama3Scaling } from './rope.ts';

/** A Hugging Face tensor and where its values are. */
interface Source {
  tensor: GgufTensor;
  /** The rows of so many heads are interleaved. */
  heads?: number;
  plusOne: boolean;
}

export interface GgufModel {
  /** As a config.json would say it. */
  config: JsonObject;
  /** Storage and shape by Hugging Face name; a Conv1D is [out, in], as in GGUF. */
  entries: ReadonlyMap<string, { type: string; shape: readonly number[]; bytes: number }>;
  metadata: ReadonlyMap<string, GgufValue>;
  read(name: string, begin: number, end: number): Promise<F32>;
  close(): Promise<void>;
}

/** @throws MftError model.gguf-malformed, model.gguf-unsupported, model.unknown-config-field, model.tensor-unknown */
export async function openGgufModel(path: string): Promise<GgufModel> {
  const reader = await openGguf(path);
  try {
    const architecture = architectureOf(reader);
    const sources = await sourcesOf(reader, architecture);
    const config = await configOf(reader, architecture);
    return {
      config,
      entries: new Map(
        [...sources].map(([name, { tensor }]) => [
          name,
          { type: tensor.type, shape: tensor.shape, bytes: tensor.end - tensor.begin },
        ]),
      ),
      metadata: reader.metadata,
      read: (name, begin, end) => readSource(reader, sources.get(name), begin, end),
      close: () => reader.close(),
    };
  } catch (error) {
    await reader.close();
    throw error;
  }
}

function nameOf(reader: GgufReader): string {
  return String(reader.metadata.get('general.architecture') ?? '');
}

function architectureOf(reader: GgufReader): Architecture {
  const name = nameOf(reader);
  const found = Object.hasOwn(ARCHITECTURES, name) ? ARCHITECTURES[name] : undefined;
  if (found !== undefined) return found;
  throw new MftError(`${reader.path}: architecture "${name.slice(0, 80)}" is not known`, {
    code: 'model.unknown-family',
    exit: ExitCode.usage,
    suggestions: [`mft knows ${Object.keys(ARCHITECTURES).join(', ')}.`],
  });
}

async function configOf(reader: GgufReader, architecture: Architecture): Promise<JsonObject> {
  const prefix = `${nameOf(reader)}.`;
  const metadata = (key: string) => reader.metadata.get(`${prefix}${key}`);
  const unsupported = (key: string, value: GgufValue, meant?: string) =>
    new MftError(
      `${reader.path}: mft does not know ${prefix}${key} = ${JSON.stringify(value)?.slice(0, 100)}`,
      {
        code: 'model.unknown-config-field',
        exit: ExitCode.usage,
        suggestions: [
          ...(meant === undefined ? [] : [`Did you mean ${prefix}${meant}?`]),
          'Training on with a feature left out would be silently wrong.',
        ],
      },
    );
  const known = [...Object.keys(architecture.fields), ...CHECKED_METADATA];
  for (const [key, value] of reader.metadata) {
    const own = key.startsWith(prefix) ? key.slice(prefix.length) : undefined;
    if (own !== undefined && !known.includes(own)) throw unsupported(own, value, nearest(own, known));
  }
  const fields: JsonObject = {
    model_type: architecture.modelType,
    vocab_size: reader.shapes.get('token_embd.weight')?.[0] ?? null,
    tie_word_embeddings: !reader.tensors.has('output.weight'),
  };
  for (const [key, field] of Object.entries(architecture.fields)) {
    const value = metadata(key);
    if (value !== undefined) fields[field] = typeof value === 'number' ? shortest(value) : value;
  }
  for (const [key, field] of [
    ['tokenizer.ggml.bos_token_id', 'bos_token_id'],
    ['tokenizer.ggml.eos_token_id', 'eos_token_id'],
  ] as const) {
    const value = reader.metadata.get(key);
    if (value !== undefined) fields[field] = value;
  }
  Object.assign(fields, architecture.implied(metadata));

  // What config.json does not have must say the same as what it has.
  const heads = Number(fields.num_attention_heads ?? fields.n_head);
  const dim = Number(fields.head_dim ?? Number(fields.hidden_size ?? fields.n_embd) / heads);
  const expected: [string, GgufValue[]][] = [
    ['vocab_size', [Number(fields.vocab_size)]],
    ['rope.dimension_count', [dim]],
    ['attention.key_length', [dim]],
    ['attention.value_length', [dim]],
    ['attention.causal', [true]],
    ['rope.scaling.type', ['none', 'linear']],
  ];
  for (const [key, values] of expected) {
    const value = metadata(key);
    if (value !== undefined && !values.includes(value)) throw unsupported(key, value);
  }
  const scaling = await scalingOf(reader, metadata, dim, Number(fields.rope_theta ?? 10_000));
  if (scaling !== undefined) fields.rope_scaling = scaling;
  return fields;
}

/** A number that was an f32 in the file, as a person wrote it: 1e-6, not 9.999999974752427e-7. */
function shortest(value: number): number {
  if (Number.isInteger(value)) return value;
  for (let digits = 1; digits < 9; digits += 1) {
    const shorter = Number(value.toPrecision(digits));
    if (Math.fround(shorter) === value) return shorter;
  }
  return value;
}

async function scalingOf(
  reader: GgufReader,
  metadata: (key: string) => GgufValue | undefined,
  dim: number,
  base: number,
): Promise<JsonObject | undefined> {
  const factors = reader.tensors.get('rope_freqs.weight');
  if (factors !== undefined) {
    const values = await reader.read('rope_freqs.weight', 0, elementsOf(factors.shape));
    const found = llama3Scaling(values, dim, base);
    if (found !== undefined) return found;
    throw new MftError(`${reader.path}: rope_freqs.weight holds factors that mft does not know`, {
      code: 'model.unknown-config-field',
      exit: ExitCode.usage,
      suggestions: ['Import the Hugging Face folder of this model: its config.json names the scaling.'],
    });
  }
  const factor = metadata('rope.scaling.factor');
  if (metadata('rope.scaling.type') !== 'linear' || factor === undefined || factor === 1) return undefined;
  return { rope_type: 'linear', factor };
}

/** Hugging Face tensors by name. */
async function sourcesOf(reader: GgufReader, architecture: Architecture): Promise<Map<string, Source>> {
  const heads = reader.metadata.get(`${nameOf(reader)}.attention.head_count`);
  const kvHeads = reader.metadata.get(`${nameOf(reader)}.attention.head_count_kv`) ?? heads;
  const sources = new Map<string, Source>();
  for (const tensor of reader.tensors.values()) {
    if (tensor.name === 'rope_freqs.weight') continue; // see scalingOf
    const [, block, index, own = '', part = ''] =
      /^(blk\.(\d+)\.)?([a-z0-9_]+)\.(weight|bias)$/.exec(tensor.name) ?? [];
    const names = block === undefined ? architecture.outer : architecture.block;
    const hf = Object.hasOwn(names, own) ? names[own] : undefined;
    if (hf === undefined)
      throw new MftError(
        `${reader.path}: ${tensor.name.slice(0, 200)} is no tensor of a ${nameOf(reader)} model`,
        {
          code: 'model.tensor-unknown',
          exit: ExitCode.usage,
        },
      );
    const path = block === undefined ? hf : `${architecture.blockPrefix}.${index}.${hf}`;
    const interleaved = architecture.permuted && ['attn_q', 'attn_k'].includes(own);
    sources.set(`${path}.${part}`, {
      tensor,
      ...(interleaved ? { heads: Number(own === 'attn_q' ? heads : kvHeads) } : {}),
      plusOne: architecture.normsPlusOne && own.endsWith('norm') && part === 'weight',
    });
  }
  return sources;
}

async function readSource(
  reader: GgufReader,
  source: Source | undefined,
  begin: number,
  end: number,
): Promise<F32> {
  if (source === undefined) throw new RangeError('no such tensor');
  const { tensor, heads, plusOne } = source;
  const values =
    heads === undefined
      ? await reader.read(tensor.name, begin, end)
      : await readInterleaved(reader, tensor, heads, begin, end);
  if (plusOne) for (let i = 0; i < values.length; i += 1) values[i] = (values[i] ?? 0) - 1;
  return values;
}

/**
 * Elements of the Hugging Face tensor whose row (head, half, i) is row (head, i, half) of the GGUF tensor. Whole heads are
 * read: at most one more at either end than asked for.
 */
async function readInterleaved(
  reader: GgufReader,
  { name, shape }: GgufTensor,
  heads: number,
  begin: number,
  end: number,
): Promise<F32> {
  const rows = shape[0] ?? 0;
  const columns = elementsOf(shape.slice(1));
  const dim = rows / heads;
  if (!Number.isInteger(dim / 2)) throw new RangeError(`${rows} rows of ${name} for ${heads} heads`);
  const perHead = dim * columns;
  const firstHead = Math.floor(begin / perHead);
  const stored = await reader.read(name, firstHead * perHead, Math.ceil(end / perHead) * perHead);
  const out = new Float32Array(end - begin);
  const offset = firstHead * perHead;
  for (let row = Math.floor(begin / columns); row * columns < end; row += 1) {
    const inHead = row % dim;
    const from = row - inHead + 2 * (inHead % (dim / 2)) + Math.floor(inHead / (dim / 2));
    const first = Math.max(begin, row * columns);
    const last = Math.min(end, (row + 1) * columns);
    const at = from * columns + (first - row * columns) - offset;
    out.set(stored.subarray(at, at + last - first), first - begin);
  }
  return out;
}
