/** A GGUF file seen as a Hugging Face model: a config.json, and tensors of Hugging Face's names, shapes and values. */
import { ExitCode, MftError } from '../../base/errors.ts';
import type { JsonObject } from '../json.ts';
import type { F32 } from '../tensors/float.ts';
import { elementsOf } from '../tensors/stream.ts';
import { type Architecture, architectureNamed } from './architectures.ts';
import { configOf, ROPE_FACTORS } from './config.ts';
import type { GgufTensor, GgufValue } from './header.ts';
import { type GgufReader, openGguf } from './reader.ts';

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
    const architecture = architectureNamed(nameOf(reader), path);
    const sources = await sourcesOf(reader, architecture);
    const factors = reader.tensors.get(ROPE_FACTORS);
    const config = configOf({
      place: path,
      metadata: reader.metadata,
      shapes: reader.shapes,
      ropeFactors: factors && (await reader.read(ROPE_FACTORS, 0, elementsOf(factors.shape))),
    });
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
