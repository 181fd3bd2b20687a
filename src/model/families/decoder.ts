/**
 * What Llama and its descendants share in Hugging Face folders: decoders with RoPE, RMSNorm, a gated MLP, and q, k, v, gate
 * and up as linear layers of their own. mft fuses q, k, v into one weight and gate, up into another. A family of this kind is
 * a reader of its config.json and a few names: see llama.ts.
 */
import { mft } from '../../protocol/index.ts';
import type { JsonObject } from '../json.ts';
import type { ModelConfig } from '../types.ts';
import type { Family, HfTensor, LinearModule, ModelShape } from './types.ts';

interface Linear {
  /** Below model.layers.N */
  hf: string;
  /** Canonical name below blocks.N, and the rows of it. */
  tensor: string;
  rowBegin: number;
  rows: number;
  input: number;
  bias: boolean;
}

function linears(config: ModelConfig): Linear[] {
  const { hiddenSize: hidden, intermediateSize: inner, headDim: dim, qkvBias, mlpBias } = config;
  const [q, kv] = [config.numHeads * dim, config.numKvHeads * dim];
  const qkv = { tensor: 'attn.qkv', input: hidden, bias: qkvBias };
  const up = { tensor: 'mlp.up', input: hidden, bias: mlpBias };
  return [
    { hf: 'self_attn.q_proj', ...qkv, rowBegin: 0, rows: q },
    { hf: 'self_attn.k_proj', ...qkv, rowBegin: q, rows: kv },
    { hf: 'self_attn.v_proj', ...qkv, rowBegin: q + kv, rows: kv },
    {
      hf: 'self_attn.o_proj',
      tensor: 'attn.out',
      rowBegin: 0,
      rows: hidden,
      input: q,
      bias: config.attentionOutBias,
    },
    { hf: 'mlp.gate_proj', ...up, rowBegin: 0, rows: inner },
    { hf: 'mlp.up_proj', ...up, rowBegin: inner, rows: inner },
    { hf: 'mlp.down_proj', tensor: 'mlp.down', rowBegin: 0, rows: hidden, input: inner, bias: mlpBias },
  ];
}

/** Norms of a block: Hugging Face name, canonical name, width. With post norms, `post_attention_layernorm` is one of them. */
function norms({
  hiddenSize: hidden,
  headDim: dim,
  qkNorm,
  postNorms,
}: ModelConfig): [string, string, number][] {
  const list: [string, string, number][] = [['input_layernorm', 'attn_norm', hidden]];
  if (qkNorm) list.push(['self_attn.q_norm', 'attn.q_norm', dim], ['self_attn.k_norm', 'attn.k_norm', dim]);
  if (!postNorms) return [...list, ['post_attention_layernorm', 'mlp_norm', hidden]];
  return [
    ...list,
    ['post_attention_layernorm', 'attn_post_norm', hidden],
    ['pre_feedforward_layernorm', 'mlp_norm', hidden],
    ['post_feedforward_layernorm', 'mlp_post_norm', hidden],
  ];
}

function part(hf: string, tensor: string, rowBegin: number, hfShape: number[]): HfTensor {
  return { hf, hfShape, tensor, rowBegin, rowEnd: rowBegin + (hfShape[0] ?? 0), transposed: false };
}

function tensors(config: ModelConfig): HfTensor[] {
  const list = [
    part('embed_tokens.weight', 'embed.tokens', 0, [config.vocabSize, config.hiddenSize]),
    part('norm.weight', 'final_norm.weight', 0, [config.hiddenSize]),
  ];
  for (let layer = 0; layer < config.numLayers; layer += 1) {
    const [hfBlock, block] = [`layers.${layer}`, `blocks.${layer}`];
    for (const [hf, tensor, width] of norms(config))
      list.push(part(`${hfBlock}.${hf}.weight`, `${block}.${tensor}.weight`, 0, [width]));
    for (const { hf, tensor, rowBegin, rows, input, bias } of linears(config)) {
      list.push(part(`${hfBlock}.${hf}.weight`, `${block}.${tensor}.weight`, rowBegin, [rows, input]));
      if (bias) list.push(part(`${hfBlock}.${hf}.bias`, `${block}.${tensor}.bias`, rowBegin, [rows]));
    }
  }
  return list;
}

function modules(config: ModelConfig): LinearModule[] {
  return Array.from({ length: config.numLayers }, (_, layer) =>
    linears(config).map(({ hf, tensor, rowBegin, rows, input }) => ({
      path: `model.layers.${layer}.${hf}`,
      tensor: `blocks.${layer}.${tensor}.weight`,
      rowBegin,
      rowEnd: rowBegin + rows,
      inFeatures: input,
    })),
  ).flat();
}

/** As transformers' PreTrainedModel._init_weights; a norm that computes 1 + w begins at 0. */
function init(tensor: string, config: ModelConfig, range: number): number | 'ones' | 'zeros' {
  if (tensor.endsWith('.bias')) return 'zeros';
  if (!tensor.includes('norm')) return range;
  return config.norm === mft.v1.NormKind.NORM_RMS_PLUS_ONE ? 'zeros' : 'ones';
}

const SHAPE_FIELDS: Record<keyof ModelShape, string> = {
  vocab: 'vocab_size',
  hidden: 'hidden_size',
  layers: 'num_hidden_layers',
  heads: 'num_attention_heads',
  kvHeads: 'num_key_value_heads',
  headDim: 'head_dim',
  inner: 'intermediate_size',
  positions: 'max_position_embeddings',
};

/** Sizes that a new model may leave out: a key and value head for each head, and Llama's width of a gated MLP. */
function usualSizes(fields: JsonObject): JsonObject {
  return {
    num_key_value_heads: fields.num_attention_heads,
    intermediate_size: 64 * Math.ceil((8 * Number(fields.hidden_size)) / 3 / 64),
    ...fields,
  };
}

/** A family of this kind. `usual`: what its new models have in config.json beside their sizes. */
export function decoderFamily(
  own: Pick<Family, 'modelType' | 'readConfig' | 'sizes' | 'defaultLoraModules'> & {
    usual: (sizes: JsonObject) => JsonObject;
  },
): Family {
  const { usual, ...family } = own;
  return {
    ...family,
    prefix: 'model.',
    shapeFields: SHAPE_FIELDS,
    newConfig(fields) {
      const sizes = usualSizes(fields);
      return { model_type: family.modelType, ...usual(sizes), ...sizes };
    },
    tensors,
    // Buffers of old transformers versions.
    isIgnored: (name) => /^layers\.\d+\.self_attn\.rotary_emb\.inv_freq$/.test(name),
    modules,
    fanInFanOut: false,
    init,
  };
}
