/**
 * Which tensors a model has (proto/mft/v1/model.proto, "Canonical names"), in which segment, and where in its file. The
 * runtime checks the same rules in device-runtime/store/layout.cc.
 */
import { mft } from '../../protocol/index.ts';
import { elementsOf } from '../tensors/stream.ts';
import type { ModelConfig, Segment, StorageType, Tensor } from '../types.ts';
import { dtypeOf, storedBytes } from './storage.ts';

/** Segment files end on a multiple of this, so that any page size can map them. */
export const SEGMENT_ALIGNMENT = 65536;
/** Tensors begin on a multiple of this: a cache line. */
export const TENSOR_ALIGNMENT = 64;

export interface TensorShape {
  name: string;
  shape: number[];
}

export interface SegmentShape {
  name: string;
  tensors: TensorShape[];
}

function embeddingTensors(config: ModelConfig): TensorShape[] {
  const { vocabSize, hiddenSize, maxPositions } = config;
  const tokens = { name: 'embed.tokens', shape: [vocabSize, hiddenSize] };
  if (config.position !== mft.v1.PositionKind.POSITION_LEARNED) return [tokens];
  return [tokens, { name: 'embed.positions', shape: [maxPositions, hiddenSize] }];
}

function finalTensors(config: ModelConfig): TensorShape[] {
  const final = norm(config, 'final_norm');
  if (config.tiedEmbeddings) return final;
  return [...final, { name: 'lm_head.weight', shape: [config.vocabSize, config.hiddenSize] }];
}

/** Segments of a model in walking order: embedding, block.0 ..., final. */
export function canonicalSegments(config: ModelConfig): SegmentShape[] {
  return [
    { name: 'embedding', tensors: embeddingTensors(config) },
    ...Array.from({ length: config.numLayers }, (_, layer) => ({
      name: `block.${layer}`,
      tensors: blockTensors(config, `blocks.${layer}`),
    })),
    { name: 'final', tensors: finalTensors(config) },
  ];
}

function norm({ norm: kind, hiddenSize }: ModelConfig, name: string): TensorShape[] {
  const weight = { name: `${name}.weight`, shape: [hiddenSize] };
  return kind === mft.v1.NormKind.NORM_LAYER
    ? [weight, { name: `${name}.bias`, shape: [hiddenSize] }]
    : [weight];
}

function linear(name: string, out: number, input: number, bias: boolean): TensorShape[] {
  const weight = { name: `${name}.weight`, shape: [out, input] };
  return bias ? [weight, { name: `${name}.bias`, shape: [out] }] : [weight];
}

function blockTensors(config: ModelConfig, block: string): TensorShape[] {
  const { hiddenSize: hidden, intermediateSize: inner, headDim, numHeads, numKvHeads } = config;
  const when = (asked: boolean, name: string, width = hidden) =>
    asked ? [{ name: `${block}.${name}.weight`, shape: [width] }] : [];
  return [
    ...norm(config, `${block}.attn_norm`),
    ...linear(`${block}.attn.qkv`, (numHeads + 2 * numKvHeads) * headDim, hidden, config.qkvBias),
    ...when(config.qkNorm, 'attn.q_norm', headDim),
    ...when(config.qkNorm, 'attn.k_norm', headDim),
    ...linear(`${block}.attn.out`, hidden, numHeads * headDim, config.attentionOutBias),
    ...when(config.postNorms, 'attn_post_norm'),
    ...norm(config, `${block}.mlp_norm`),
    ...linear(`${block}.mlp.up`, config.gatedMlp ? 2 * inner : inner, hidden, config.mlpBias),
    ...linear(`${block}.mlp.down`, hidden, inner, config.mlpBias),
    ...when(config.postNorms, 'mlp_post_norm'),
  ];
}

/** Shape of a canonical tensor, or undefined when the model has none of this name. */
export function tensorShape(name: string, config: ModelConfig): number[] | undefined {
  const [, block, layer] = /^(blocks\.(\d+))\./.exec(name) ?? [];
  const candidates =
    block !== undefined && Number(layer) < config.numLayers
      ? blockTensors(config, block)
      : [...embeddingTensors(config), ...finalTensors(config)];
  return candidates.find((tensor) => tensor.name === name)?.shape;
}

/** Elements of all tensors of a model. */
export function countParameters(config: ModelConfig): number {
  let sum = 0;
  for (const segment of canonicalSegments(config))
    for (const tensor of segment.tensors) sum += elementsOf(tensor.shape);
  return sum;
}

/**
 * Places tensors one after the other, each in its type, f32 when nothing is said. `sha256` stays empty: the file is not
 * written yet.
 */
export function layOut(
  segment: SegmentShape,
  typeOf: (tensor: string) => StorageType = () => 'f32',
): Segment {
  let end = 0;
  const tensors: Tensor[] = segment.tensors.map(({ name, shape }) => {
    const offset = roundUp(end, TENSOR_ALIGNMENT);
    const type = typeOf(name);
    const bytes = storedBytes(type, shape);
    if (bytes === undefined) throw new RangeError(`tensor ${name} [${shape}] can't be ${type}`);
    end = offset + bytes;
    return mft.v1.Tensor.create({ name, dtype: dtypeOf(type), shape: [...shape], offset, bytes });
  });
  return mft.v1.Segment.create({
    name: segment.name,
    bytes: Math.max(SEGMENT_ALIGNMENT, roundUp(end, SEGMENT_ALIGNMENT)),
    tensors,
  }) as Segment;
}

function roundUp(value: number, multiple: number): number {
  return Math.ceil(value / multiple) * multiple;
}
