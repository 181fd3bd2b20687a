/** Qwen3, dense: transformers' models/qwen3 (Qwen3Config, Qwen3ForCausalLM). Qwen2 with q and k norms in place of biases. */
import type { JsonObject } from '../json.ts';
import type { ModelConfig } from '../types.ts';
import { ConfigFields } from './config-fields.ts';
import { decoderFamily } from './decoder.ts';
import { type DecoderDefaults, readDecoder, readLaterWindow } from './decoder-config.ts';
import { readRope } from './rope.ts';

const DEFAULTS: DecoderDefaults = { tied: false, headDim: 128, activation: ['hidden_act', 'silu'] };

function readConfig(raw: JsonObject, place: string): ModelConfig {
  const fields = new ConfigFields(raw, place);
  const config = readDecoder('qwen3', fields, DEFAULTS);
  Object.assign(
    config,
    readRope(fields, 10_000, config.maxPositions),
    readLaterWindow(fields, config.numLayers),
  );
  config.qkNorm = true;
  const bias = fields.flag('attention_bias', false);
  config.qkvBias = bias;
  config.attentionOutBias = bias;
  fields.finish();
  return config;
}

function size(hidden: number, inner: number): JsonObject {
  return {
    vocab_size: 151_936,
    hidden_size: hidden,
    num_hidden_layers: 28,
    num_attention_heads: 16,
    num_key_value_heads: 8,
    head_dim: 128,
    intermediate_size: inner,
    max_position_embeddings: 40_960,
    bos_token_id: 151_643,
    eos_token_id: 151_645,
  };
}

export const qwen3 = decoderFamily({
  modelType: 'qwen3',
  readConfig,
  usual: ({ hidden_size: hidden, num_attention_heads: heads }) => ({
    architectures: ['Qwen3ForCausalLM'],
    head_dim: Math.floor(Number(hidden) / Number(heads)),
    hidden_act: 'silu',
    rms_norm_eps: 1e-6,
    rope_theta: 1_000_000,
    use_sliding_window: false,
    tie_word_embeddings: true,
  }),
  sizes: { 'qwen3-0.6b': size(1024, 3072), 'qwen3-1.7b': size(2048, 6144) },
  defaultLoraModules: ['q_proj', 'k_proj', 'v_proj', 'o_proj'],
});
