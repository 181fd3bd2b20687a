/** Qwen2 and Qwen2.5: transformers' models/qwen2 (Qwen2Config, Qwen2ForCausalLM). q, k and v always have a bias. */
import type { JsonObject } from '../json.ts';
import type { ModelConfig } from '../types.ts';
import { ConfigFields } from './config-fields.ts';
import { decoderFamily } from './decoder.ts';
import { type DecoderDefaults, readDecoder, readLaterWindow } from './decoder-config.ts';
import { readRope } from './rope.ts';

const DEFAULTS: DecoderDefaults = { tied: false, activation: ['hidden_act', 'silu'] };

function readConfig(raw: JsonObject, place: string): ModelConfig {
  const fields = new ConfigFields(raw, place);
  const config = readDecoder('qwen2', fields, DEFAULTS);
  Object.assign(config, readRope(fields, 10_000, config.maxPositions));
  config.qkvBias = true;
  Object.assign(config, readLaterWindow(fields, config.numLayers));
  fields.finish();
  return config;
}

function size(hidden: number, layers: number, heads: number, inner: number, positions: number): JsonObject {
  return {
    vocab_size: 151_936,
    hidden_size: hidden,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: 2,
    intermediate_size: inner,
    max_position_embeddings: positions,
    bos_token_id: 151_643,
    eos_token_id: 151_643,
  };
}

export const qwen2 = decoderFamily({
  modelType: 'qwen2',
  readConfig,
  usual: () => ({
    architectures: ['Qwen2ForCausalLM'],
    hidden_act: 'silu',
    rms_norm_eps: 1e-6,
    rope_theta: 1_000_000,
    use_sliding_window: false,
    tie_word_embeddings: true,
  }),
  sizes: {
    'qwen2.5-0.5b': size(896, 24, 14, 4864, 32_768),
    'qwen2.5-1.5b': size(1536, 28, 12, 8960, 131_072),
    'qwen2.5-3b': size(2048, 36, 16, 11_008, 32_768),
  },
  defaultLoraModules: ['q_proj', 'k_proj', 'v_proj', 'o_proj'],
});
