/** Gemma 3, text only: transformers' models/gemma3 (Gemma3TextConfig, Gemma3ForCausalLM). */

import { mft } from '../../protocol/index.ts';
import type { JsonObject } from '../json.ts';
import type { ModelConfig } from '../types.ts';
import { ConfigFields } from './config-fields.ts';
import { decoderFamily } from './decoder.ts';
import { type DecoderDefaults, readDecoder, readWindow, readWindowSize } from './decoder-config.ts';
import { readParameters } from './rope.ts';

const DEFAULTS: DecoderDefaults = {
  tied: true,
  bos: 2,
  eos: 1,
  headDim: 256,
  activation: ['hidden_activation', 'gelu_pytorch_tanh'],
};

function readConfig(raw: JsonObject, place: string): ModelConfig {
  const fields = new ConfigFields(raw, place);
  const config = readDecoder('gemma3_text', fields, DEFAULTS);
  config.norm = mft.v1.NormKind.NORM_RMS_PLUS_ONE;
  config.qkNorm = true;
  config.postNorms = true;
  config.embedScale = Math.fround(Math.sqrt(config.hiddenSize));
  const scalar = fields.positive('query_pre_attn_scalar', 256);
  if (scalar !== config.headDim) config.attentionScale = Math.fround(1 / Math.sqrt(scalar));
  const bias = fields.flag('attention_bias', false);
  config.qkvBias = bias;
  config.attentionOutBias = bias;
  // transformers reads this field and does not compute with it: either choice would be wrong for somebody.
  fields.oneOf('attn_logit_softcapping', [null], null);
  if (fields.has('final_logit_softcapping')) config.logitSoftcap = fields.positive('final_logit_softcapping');
  fields.ignore('final_logit_softcapping');
  fields.oneOf('use_bidirectional_attention', [false, null], false);

  const pattern = fields.size(['sliding_window_pattern'], 6);
  // A copy of it in newer configs, which list the layers too; then nothing reads it.
  if (fields.has('layer_types')) fields.ignore('_sliding_window_pattern');
  else fields.oneOf('_sliding_window_pattern', [pattern], pattern);
  const rule = (layer: number) => (layer + 1) % pattern !== 0;
  Object.assign(config, readWindow(fields, config.numLayers, readWindowSize(fields), rule));
  readTwoRopes(fields, config);
  fields.finish();
  return config;
}

/** Full layers have a base of their own and may be scaled; sliding layers have another base. */
function readTwoRopes(fields: ConfigFields, config: ModelConfig): void {
  const both = fields.object('rope_parameters');
  if (both !== undefined) fields.oneOf('rope_scaling', [null], null);
  const full = both === undefined ? fields.object('rope_scaling') : both.object('full_attention');
  const positions = config.maxPositions;
  Object.assign(config, readParameters(fields, full, 'rope_theta', 1_000_000, positions));
  const sliding = both?.object('sliding_attention');
  const local = readParameters(fields, sliding, 'rope_local_base_freq', 10_000, positions);
  if (local.ropeScaling !== undefined)
    throw fields.bad('sliding_attention', undefined, 'RoPE of sliding layers can not be scaled');
  both?.finish();
  config.ropeLocalTheta = local.ropeTheta;
}

function size(hidden: number, layers: number, inner: number): JsonObject {
  return {
    vocab_size: 262_144,
    hidden_size: hidden,
    num_hidden_layers: layers,
    num_attention_heads: 4,
    num_key_value_heads: 1,
    head_dim: 256,
    intermediate_size: inner,
    max_position_embeddings: 32_768,
    sliding_window: 512,
    bos_token_id: 2,
    eos_token_id: 1,
  };
}

export const gemma3 = decoderFamily({
  modelType: 'gemma3_text',
  readConfig,
  usual({ hidden_size: hidden, num_attention_heads: heads, head_dim: dim }) {
    const headDim = dim ?? Math.floor(Number(hidden) / Number(heads));
    return {
      architectures: ['Gemma3ForCausalLM'],
      hidden_activation: 'gelu_pytorch_tanh',
      rms_norm_eps: 1e-6,
      head_dim: headDim,
      query_pre_attn_scalar: headDim,
      rope_theta: 1_000_000,
      rope_local_base_freq: 10_000,
      sliding_window: 512,
      sliding_window_pattern: 6,
    };
  },
  sizes: {
    'gemma-3-270m': size(640, 18, 2048),
    'gemma-3-1b': size(1152, 26, 6912),
  },
  defaultLoraModules: ['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj'],
});
