/**
 * What Llama and its descendants share in Hugging Face folders: decoders with RoPE, RMSNorm, a gated MLP, and q, k, v, gate
 * and up as linear layers of their own. mft fuses q, k, v into one weight and gate, up into another. A family of this kind is
 * a reader of its config.json and a few names: see llama.ts.
 */
import { mft } from '../../protocol/index.ts';
import type { JsonObject } from '../json.ts';
import type { ModelConfig } from '../types.ts';
import type { ConfigFields } from './config-fields.ts';
import type { Family, HfTensor, LinearModule, ModelShape } from './types.ts';

const { Activation, NormKind, PositionKind } = mft.v1;

/** transformers' names of the activations (activations.py, ACT2FN). */
const ACTIVATIONS = {
  silu: Activation.ACTIVATION_SILU,
  swish: Activation.ACTIVATION_SILU,
  gelu_pytorch_tanh: Activation.ACTIVATION_GELU_TANH,
  gelu_new: Activation.ACTIVATION_GELU_TANH,
} as const;

/** transformers' defaults of a config class, where they are not the same for all. */
export interface DecoderDefaults {
  tied: boolean;
  bos?: number;
  eos?: number;
  headDim?: number;
  /** The field of the activation, and its default. */
  activation: [field: string, value: keyof typeof ACTIVATIONS];
}

/** The fields that all of them have. RoPE, biases, windows and scales are the caller's. */
export function readDecoder(family: string, fields: ConfigFields, defaults: DecoderDefaults): ModelConfig {
  const vocabSize = fields.size(['vocab_size']);
  const hiddenSize = fields.size(['hidden_size']);
  const numHeads = fields.size(['num_attention_heads']);
  // Absent means another number in each class and version of transformers; null means one for each head.
  const numKvHeads = fields.size(
    ['num_key_value_heads'],
    fields.hasKey('num_key_value_heads') ? numHeads : undefined,
  );
  const [field, activation] = defaults.activation;
  const name = fields.oneOf(field, Object.keys(ACTIVATIONS), activation) as keyof typeof ACTIVATIONS;
  const bos = token(fields, 'bos_token_id', vocabSize, defaults.bos);
  const eos = token(fields, 'eos_token_id', vocabSize, defaults.eos);
  fields.oneOf('is_encoder_decoder', [false], false);
  // Dropout is a setting of the run, not of the model.
  fields.ignore('attention_dropout');
  return mft.v1.ModelConfig.create({
    family,
    vocabSize,
    hiddenSize,
    numLayers: fields.size(['num_hidden_layers']),
    numHeads,
    numKvHeads,
    headDim: headDim(fields, hiddenSize, numHeads, defaults.headDim),
    intermediateSize: fields.size(['intermediate_size']),
    maxPositions: fields.size(['max_position_embeddings']),
    norm: NormKind.NORM_RMS,
    normEps: fields.positive('rms_norm_eps', 1e-6, 1),
    activation: ACTIVATIONS[name],
    gatedMlp: true,
    position: PositionKind.POSITION_ROPE,
    tiedEmbeddings: fields.flag('tie_word_embeddings', defaults.tied),
    // A model that names neither uses its last token.
    bosToken: bos ?? eos ?? vocabSize - 1,
    eosToken: eos ?? bos ?? vocabSize - 1,
  }) as ModelConfig;
}

function headDim(fields: ConfigFields, hidden: number, heads: number, fallback: number | undefined): number {
  if (fields.has('head_dim') || fallback !== undefined) return fields.size(['head_dim'], fallback);
  if (hidden % heads !== 0) throw fields.bad('hidden_size', hidden, `it is not a multiple of ${heads} heads`);
  return fields.size(['head_dim'], hidden / heads);
}

function token(
  fields: ConfigFields,
  name: string,
  vocab: number,
  fallback: number | undefined,
): number | undefined {
  const found = fields.token(name, vocab);
  return found ?? (fallback === undefined || fields.hasKey(name) || fallback >= vocab ? undefined : fallback);
}

/** `sliding_window`, 4096 when the config does not have it; undefined when it is null or `isOn` says that it is not used. */
export function readWindowSize(fields: ConfigFields, isOn = true): number | undefined {
  const isNull = fields.hasKey('sliding_window') && !fields.has('sliding_window');
  const window = fields.size(['sliding_window'], 4096);
  return isOn && !isNull ? window : undefined;
}

/**
 * Which layers slide: as `layer_types` lists them, else as `rule` says for layer i.
 * @throws MftError model.bad-config-field for a list of another length, or sliding layers without a window.
 */
export function readWindow(
  fields: ConfigFields,
  layers: number,
  window: number | undefined,
  rule: (layer: number) => boolean,
): { slidingWindow?: number; slidingLayers?: boolean[] } {
  const types = fields.names('layer_types', ['full_attention', 'sliding_attention']);
  if (types !== undefined && types.length !== layers)
    throw fields.bad('layer_types', types.length, `a list of ${layers} entries is expected`);
  const slidingLayers = Array.from({ length: layers }, (_, layer) =>
    types === undefined ? rule(layer) : types[layer] === 'sliding_attention',
  );
  if (!slidingLayers.includes(true)) return {};
  if (window === undefined) throw fields.bad('sliding_window', null, 'layers slide, but no window is set');
  return { slidingWindow: window, slidingLayers };
}

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
  return config.norm === NormKind.NORM_RMS_PLUS_ONE ? 'zeros' : 'ones';
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
