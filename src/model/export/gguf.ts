/** GGUF files out of canonical tensors: a whole model, or an adapter for llama.cpp's --lora. */
import { basename, join } from 'node:path';
import type { Operation } from '../../base/progress.ts';
import { ROPE_FACTORS } from '../gguf/config.ts';
import { checkConfig, generalMetadata, ropeFactors, writeConfig } from '../gguf/config-metadata.ts';
import { interleave } from '../gguf/heads.ts';
import { type GgufSource, ggufPieces, ggufSources } from '../gguf/tensors.ts';
import { writeTokenizer } from '../gguf/tokenizer-metadata.ts';
import { type GgufPiece, type GgufPlan, type GgufType, writeGguf } from '../gguf/write.ts';
import { readBounded } from '../json.ts';
import { adapterTensorNames, scaleOf } from '../lora.ts';
import { CACHE_PREFIX, TOKENIZER_FILE } from '../pack/write.ts';
import { elementsOf } from '../tensors/stream.ts';
import { readTokenizerFiles } from '../tokenizer-files.ts';
import type { ExportType, LoraTarget, ModelConfig, ModelPack, TensorReader } from '../types.ts';

const TYPES: Record<ExportType, GgufType> = { f32: 'F32', f16: 'F16', bf16: 'BF16', q8_0: 'Q8_0' };
/** general.file_type (enum llama_ftype). */
const FILE_TYPES: Record<ExportType, number> = { f32: 0, f16: 1, q8_0: 7, bf16: 32 };
/** GGML_QNT_VERSION */
const QUANTIZATION_VERSION = 2;
const MAX_TOKENIZER_BYTES = 512 << 20;

/** A tensor of the file and its values. */
interface Item {
  plan: GgufPlan;
  pieces(): AsyncIterable<GgufPiece>;
}

export interface Written {
  tensors: number;
  notes: string[];
}

/** Writes the new file `path`. @throws MftError export.gguf-config, export.gguf-tokenizer, model.value-range */
export async function writeGgufModel(
  path: string,
  pack: ModelPack,
  weights: TensorReader,
  type: ExportType,
  operation: Operation = {},
): Promise<Written> {
  const { config } = pack;
  const items = ggufSources(config).map((source): Item => {
    const plan = { name: source.name, shape: source.shape, type: typeOf(source, type) };
    return { plan, pieces: () => ggufPieces(weights, source, plan.type === 'Q8_0') };
  });
  const factors = ropeFactors(config);
  if (factors !== undefined)
    items.push({
      plan: { name: ROPE_FACTORS, shape: [factors.length], type: 'F32' },
      pieces: () => single(factors),
    });
  const metadata = generalMetadata(config, 'model', nameOf(pack))
    .u32('general.file_type', FILE_TYPES[type])
    .u32('general.quantization_version', QUANTIZATION_VERSION);
  writeConfig(metadata, config);
  checkConfig(metadata, new Map(items.map(({ plan }) => [plan.name, plan.shape])), config);
  const tokenizer = pack.hasTokenizer ? await readPackTokenizer(pack) : undefined;
  const notes = writeTokenizer(metadata, tokenizer, config);
  await writeItems(path, metadata, items, operation);
  return { tensors: items.length, notes: [...notes, ...shortRows(items, type)] };
}

/**
 * Writes the new file `path`: A and B of each target as NAME.lora_a [r, in] and NAME.lora_b [out, r], NAME the weight's own
 * (convert_lora_to_gguf.py). llama.cpp scales all of them by adapter.lora.alpha / r.
 */
export async function writeGgufAdapter(
  path: string,
  pack: ModelPack,
  adapter: TensorReader,
  targets: readonly LoraTarget[],
  type: ExportType,
  operation: Operation = {},
): Promise<Written> {
  const { config } = pack;
  const sources = ggufSources(config);
  const alphas = targets.map((target) => scaleOf(target) * target.r);
  const alpha = alphas[0] ?? 1;
  const items = targets.flatMap((target, i) =>
    adapterItems(adapter, target, config, sources, type, (alphas[i] ?? alpha) / alpha),
  );
  const metadata = generalMetadata(config, 'adapter', nameOf(pack))
    .u32('general.file_type', FILE_TYPES[type])
    .u32('general.quantization_version', QUANTIZATION_VERSION)
    .string('adapter.type', 'lora')
    .f32('adapter.lora.alpha', alpha);
  await writeItems(path, metadata, items, operation);
  const notes = shortRows(items, type);
  if (alphas.some((other) => other !== alpha))
    notes.push(
      'Modules have several alphas, GGUF has one: B of the others is multiplied by what theirs is more or less.',
    );
  return { tensors: items.length, notes };
}

function adapterItems(
  adapter: TensorReader,
  target: LoraTarget,
  config: ModelConfig,
  sources: readonly GgufSource[],
  type: ExportType,
  factor: number,
): Item[] {
  const source = sources.find(
    ({ tensor, rowBegin, shape }) =>
      tensor === target.tensor &&
      rowBegin === target.rowBegin &&
      rowBegin + (shape[0] ?? 0) === target.rowEnd,
  );
  if (source === undefined) throw new RangeError(`no tensor in GGUF for ${target.module}`);
  const names = adapterTensorNames(target, config);
  const item = (half: 'a' | 'b'): Item => {
    const shape = adapter.shapes.get(names[half]) ?? [];
    const name = `${source.name}.lora_${half}`;
    return {
      plan: { name, shape, type: typeOf({ name, shape }, type) },
      pieces: async function* () {
        const values = await adapter.read(names[half], 0, elementsOf(shape));
        if (half === 'a') return yield values;
        if (factor !== 1) for (let i = 0; i < values.length; i += 1) values[i] = (values[i] ?? 0) * factor;
        yield source.headDim === undefined ? values : interleave(values, source.headDim, target.r);
      },
    };
  };
  return [item('a'), item('b')];
}

/** For people: a pack that was made of a path has a name that says nothing. */
function nameOf({ name, dir, manifest }: ModelPack): string {
  return name === dir || name.startsWith(CACHE_PREFIX) ? basename(manifest.source) : name;
}

/** As the converter chooses: vectors, norms and learned positions stay f32; rows that no blocks fill become f16. */
function typeOf({ name, shape }: Pick<GgufPlan, 'name' | 'shape'>, type: ExportType): GgufType {
  const isMatrix = shape.length > 1 && /\.(weight|lora_[ab])$/.test(name);
  if (!isMatrix || name === 'position_embd.weight') return 'F32';
  return type === 'q8_0' && (shape[1] ?? 0) % 32 !== 0 ? 'F16' : TYPES[type];
}

function shortRows(items: readonly Item[], type: ExportType): string[] {
  const count = items.filter(({ plan }) => type === 'q8_0' && plan.type === 'F16').length;
  if (count === 0) return [];
  return [`${count} tensors are F16: blocks of Q8_0 need rows that are multiples of 32.`];
}

async function writeItems(
  path: string,
  metadata: Parameters<typeof writeGguf>[1],
  items: readonly Item[],
  { signal, onProgress }: Operation,
): Promise<void> {
  const byName = new Map(items.map((item) => [item.plan.name, item]));
  const total = items.reduce((sum, { plan }) => sum + elementsOf(plan.shape), 0);
  let before = 0;
  await writeGguf(
    path,
    metadata,
    items.map(({ plan }) => plan),
    async function* (plan) {
      for await (const piece of byName.get(plan.name)?.pieces() ?? []) {
        signal?.throwIfAborted();
        yield piece;
      }
      before += elementsOf(plan.shape);
      onProgress?.({ phase: 'exporting', done: before * 4, total: total * 4, unit: 'bytes' });
    },
  );
}

async function* single<T>(value: T): AsyncGenerator<T> {
  yield value;
}

async function readPackTokenizer({ dir }: ModelPack) {
  const compiled = await readBounded(join(dir, TOKENIZER_FILE), MAX_TOKENIZER_BYTES);
  return { compiled, files: await readTokenizerFiles(dir) };
}
