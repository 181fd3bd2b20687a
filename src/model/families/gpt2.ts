/**
 * GPT-2 (Radford et al. 2019) as Hugging Face stores it: transformers' models/gpt2 (GPT2Config, GPT2LMHeadModel). Its
 * linear layers are Conv1D, weight [in, out]; mft's are [out, in], so they are transposed on the way in and out.
 */
import { mft } from '../../protocol/index.ts';
import type { JsonObject } from '../json.ts';
import type { ModelConfig } from '../types.ts';
import { ConfigFields } from './config-fields.ts';
import type { Family, HfTensor, LinearModule } from './types.ts';

const VOCAB = 50257;
const POSITIONS = 1024;
const ACTIVATIONS = ['gelu_new', 'gelu_pytorch_tanh'];

function readConfig(raw: JsonObject, place: string): ModelConfig {
  const fields = new ConfigFields(raw, place);
  const hidden = fields.size(['n_embd', 'hidden_size']);
  const vocab = fields.size(['vocab_size']);
  const bos = fields.token('bos_token_id', vocab);
  const eos = fields.token('eos_token_id', vocab);
  fields.oneOf('activation_function', ACTIVATIONS, 'gelu_new');
  fields.oneOf('scale_attn_weights', [true], true);
  fields.oneOf('scale_attn_by_inverse_layer_idx', [false], false);
  fields.oneOf('reorder_and_upcast_attn', [false], false);
  fields.oneOf('add_cross_attention', [false], false);
  fields.oneOf('is_encoder_decoder', [false], false);
  // Dropout is a setting of the run, not of the model; the summary_* fields are of another head.
  fields.ignore('attn_pdrop', 'embd_pdrop', 'resid_pdrop', 'n_ctx');
  fields.ignore('summary_activation', 'summary_first_dropout', 'summary_proj_to_labels');
  fields.ignore('summary_type', 'summary_use_proj');
  const layers = fields.size(['n_layer', 'num_hidden_layers']);
  const heads = fields.size(['n_head', 'num_attention_heads']);
  if (hidden % heads !== 0) throw fields.bad('n_embd', hidden, `it is not a multiple of ${heads} heads`);
  const config = mft.v1.ModelConfig.create({
    family: 'gpt2',
    vocabSize: vocab,
    hiddenSize: hidden,
    numLayers: layers,
    numHeads: heads,
    numKvHeads: heads,
    headDim: hidden / heads,
    intermediateSize: fields.size(['n_inner'], 4 * hidden),
    maxPositions: fields.size(['n_positions', 'max_position_embeddings']),
    norm: mft.v1.NormKind.NORM_LAYER,
    normEps: fields.positive('layer_norm_epsilon', 1e-5, 1),
    activation: mft.v1.Activation.ACTIVATION_GELU_TANH,
    gatedMlp: false,
    position: mft.v1.PositionKind.POSITION_LEARNED,
    qkvBias: true,
    attentionOutBias: true,
    mlpBias: true,
    tiedEmbeddings: fields.flag('tie_word_embeddings', true),
    // A model that names neither uses its last token, as GPT-2 does.
    bosToken: bos ?? eos ?? vocab - 1,
    eosToken: eos ?? bos ?? vocab - 1,
  }) as ModelConfig;
  fields.finish();
  return config;
}

/** What GPT-2's config.json says beside the sizes. */
function newConfig(sizes: JsonObject): JsonObject {
  return {
    activation_function: 'gelu_new',
    architectures: ['GPT2LMHeadModel'],
    attn_pdrop: 0.1,
    embd_pdrop: 0.1,
    initializer_range: 0.02,
    layer_norm_epsilon: 1e-5,
    model_type: 'gpt2',
    resid_pdrop: 0.1,
    tie_word_embeddings: true,
    torch_dtype: 'float32',
    use_cache: true,
    ...sizes,
  };
}

/** Conv1D layers of block N: Hugging Face name, canonical name, [out, in]. */
function linears(config: ModelConfig): { hf: string; tensor: string; out: number; input: number }[] {
  const { hiddenSize: hidden, intermediateSize: inner } = config;
  return [
    { hf: 'attn.c_attn', tensor: 'attn.qkv', out: 3 * hidden, input: hidden },
    { hf: 'attn.c_proj', tensor: 'attn.out', out: hidden, input: hidden },
    { hf: 'mlp.c_fc', tensor: 'mlp.up', out: inner, input: hidden },
    { hf: 'mlp.c_proj', tensor: 'mlp.down', out: hidden, input: inner },
  ];
}

function whole(hf: string, tensor: string, shape: number[]): HfTensor {
  return { hf, hfShape: shape, tensor, rowBegin: 0, rowEnd: shape[0] ?? 0, transposed: false };
}

function norm(hf: string, tensor: string, hidden: number): HfTensor[] {
  return ['weight', 'bias'].map((part) => whole(`${hf}.${part}`, `${tensor}.${part}`, [hidden]));
}

function tensors(config: ModelConfig): HfTensor[] {
  const hidden = config.hiddenSize;
  const list = [
    whole('wte.weight', 'embed.tokens', [config.vocabSize, hidden]),
    whole('wpe.weight', 'embed.positions', [config.maxPositions, hidden]),
    ...norm('ln_f', 'final_norm', hidden),
  ];
  for (let layer = 0; layer < config.numLayers; layer += 1) {
    const [hfBlock, block] = [`h.${layer}`, `blocks.${layer}`];
    list.push(...norm(`${hfBlock}.ln_1`, `${block}.attn_norm`, hidden));
    list.push(...norm(`${hfBlock}.ln_2`, `${block}.mlp_norm`, hidden));
    for (const { hf, tensor, out, input } of linears(config)) {
      const name = `${block}.${tensor}`;
      list.push({
        hf: `${hfBlock}.${hf}.weight`,
        hfShape: [input, out],
        tensor: `${name}.weight`,
        rowBegin: 0,
        rowEnd: out,
        transposed: true,
      });
      list.push(whole(`${hfBlock}.${hf}.bias`, `${name}.bias`, [out]));
    }
  }
  return list;
}

function modules(config: ModelConfig): LinearModule[] {
  return Array.from({ length: config.numLayers }, (_, layer) =>
    linears(config).map(({ hf, tensor, out, input }) => ({
      path: `transformer.h.${layer}.${hf}`,
      tensor: `blocks.${layer}.${tensor}.weight`,
      rowBegin: 0,
      rowEnd: out,
      inFeatures: input,
    })),
  ).flat();
}

/** As in transformers' GPT2PreTrainedModel._init_weights. */
function init(tensor: string, config: ModelConfig, range: number): number | 'ones' | 'zeros' {
  if (tensor.endsWith('.bias')) return 'zeros';
  if (tensor.includes('norm')) return 'ones';
  const residual = tensor.endsWith('attn.out.weight') || tensor.endsWith('mlp.down.weight');
  return residual ? range / Math.sqrt(2 * config.numLayers) : range;
}

function size(hidden: number, layers: number, heads: number): JsonObject {
  return {
    n_embd: hidden,
    n_layer: layers,
    n_head: heads,
    vocab_size: VOCAB,
    n_positions: POSITIONS,
    bos_token_id: VOCAB - 1,
    eos_token_id: VOCAB - 1,
  };
}

export const gpt2: Family = {
  modelType: 'gpt2',
  prefix: 'transformer.',
  readConfig,
  shapeFields: {
    vocab: 'vocab_size',
    hidden: 'n_embd',
    layers: 'n_layer',
    heads: 'n_head',
    inner: 'n_inner',
    positions: 'n_positions',
  },
  newConfig,
  sizes: {
    distilgpt2: size(768, 6, 12),
    gpt2: size(768, 12, 12),
    'gpt2-medium': size(1024, 24, 16),
    'gpt2-large': size(1280, 36, 20),
    'gpt2-xl': size(1600, 48, 25),
  },
  tensors,
  // The causal mask, a buffer of old transformers versions.
  isIgnored: (name) => /^h\.\d+\.attn\.(bias|masked_bias)$/.test(name),
  modules,
  // "qkv + attention projection" in the recipe for GPT-2 (docs/recipes.md).
  defaultLoraModules: ['c_attn', 'attn.c_proj'],
  fanInFanOut: true,
  init,
};
