/** A GGUF file seen as a Hugging Face model: a config.json, and tensors of Hugging Face's names, shapes and values. */
import { ExitCode, MftError } from '../../base/errors.ts';
import type { JsonObject } from '../json.ts';
import { type F32, narrow } from '../tensors/float.ts';
import { elementsOf } from '../tensors/stream.ts';
import { type Architecture, architectureNamed } from './architectures.ts';
import { blockTypeNamed } from './blocks.ts';
import { configOf, ROPE_FACTORS } from './config.ts';
import type { GgufTensor, GgufValue } from './header.ts';
import { deinterleave } from './heads.ts';
import { q4ToRows, q8ToRows } from './int-blocks.ts';
import { type GgufReader, openGguf } from './reader.ts';

const MAX_FACTORS = 4096;

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
  /** Whole rows of a tensor of F32, BF16, F16, Q8_0 or Q4_0 as a pack of that type stores them. */
  readStored(name: string, begin: number, end: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** @throws MftError model.gguf-malformed, model.gguf-unsupported, model.unknown-config-field, model.tensor-unknown */
export async function openGgufModel(path: string): Promise<GgufModel> {
  const reader = await openGguf(path);
  try {
    const architecture = architectureNamed(nameOf(reader), path);
    const sources = await sourcesOf(reader, architecture);
    const factors = reader.tensors.get(ROPE_FACTORS);
    const config = configOf({
      place: path,
      metadata: reader.metadata,
      shapes: reader.shapes,
      // No head has so many; the rest of a longer list would not be looked at.
      ropeFactors:
        factors && (await reader.read(ROPE_FACTORS, 0, Math.min(elementsOf(factors.shape), MAX_FACTORS))),
    });
    const sourceOf = (name: string) => {
      const source = sources.get(name);
      if (source === undefined) throw new RangeError(`no tensor ${name}`);
      return source;
    };
    return {
      config,
      entries: new Map(
        [...sources].map(([name, { tensor }]) => [
          name,
          { type: tensor.type, shape: tensor.shape, bytes: tensor.end - tensor.begin },
        ]),
      ),
      metadata: reader.metadata,
      read: (name, begin, end) => readValues(reader, sourceOf(name), begin, end),
      readStored: (name, begin, end) => readStored(reader, sourceOf(name), begin, end),
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

/** Hugging Face tensors by name. */
async function sourcesOf(reader: GgufReader, architecture: Architecture): Promise<Map<string, Source>> {
  const heads = reader.metadata.get(`${nameOf(reader)}.attention.head_count`);
  const kvHeads = reader.metadata.get(`${nameOf(reader)}.attention.head_count_kv`) ?? heads;
  const sources = new Map<string, Source>();
  for (const tensor of reader.tensors.values()) {
    if (tensor.name === ROPE_FACTORS) continue; // see config.ts
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

/** Rows [begin, end) of a tensor in Hugging Face's order; of interleaved ones, whole heads are read. */
async function readRows<T extends F32 | Uint8Array>(
  { tensor, heads }: Source,
  begin: number,
  end: number,
  stride: number,
  read: (begin: number, end: number) => Promise<T>,
): Promise<T> {
  if (heads === undefined) return await read(begin, end);
  const dim = (tensor.shape[0] ?? 0) / heads;
  const first = Math.floor(begin / dim) * dim;
  const rows = deinterleave(await read(first, Math.ceil(end / dim) * dim), dim, stride);
  return rows.subarray((begin - first) * stride, (end - first) * stride) as T;
}

/** Elements [begin, end). */
async function readValues(reader: GgufReader, source: Source, begin: number, end: number): Promise<F32> {
  const { name, shape } = source.tensor;
  const columns = elementsOf(shape.slice(1));
  const first = Math.floor(begin / columns);
  const rows =
    source.heads === undefined
      ? undefined
      : await readRows(source, first, Math.ceil(end / columns), columns, (from, to) =>
          reader.read(name, from * columns, to * columns),
        );
  const values =
    rows?.slice(begin - first * columns, end - first * columns) ?? (await reader.read(name, begin, end));
  if (source.plusOne) for (let i = 0; i < values.length; i += 1) values[i] = (values[i] ?? 0) - 1;
  return values;
}

/** The same of whole rows, as a pack stores them: of Q8_0 and Q4_0 the blocks themselves. */
async function readStored(
  reader: GgufReader,
  source: Source,
  begin: number,
  end: number,
): Promise<Uint8Array> {
  const { name, shape, type } = source.tensor;
  const columns = elementsOf(shape.slice(1));
  if (source.plusOne) return narrow(await readValues(reader, source, begin, end), 'f32');
  const { elements, bytes } = blockTypeNamed(type);
  const stride = (columns / elements) * bytes;
  const rows = await readRows(source, begin / columns, end / columns, stride, (from, to) =>
    reader.readStored(name, from * columns, to * columns),
  );
  if (type === 'Q8_0') return q8ToRows(rows, columns);
  return type === 'Q4_0' ? q4ToRows(rows, columns) : rows;
}
