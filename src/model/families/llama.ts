/** Llama and what is shaped like it, such as SmolLM2: transformers' models/llama (LlamaConfig, LlamaForCausalLM). */
import type { JsonObject } from '../json.ts';
import type { ModelConfig } from '../types.ts';
import { ConfigFields } from './config-fields.ts';
import { decoderFamily } from './decoder.ts';
import { type DecoderDefaults, readDecoder } from './decoder-config.ts';
import { readRope } from './rope.ts';

const DEFAULTS: DecoderDefaults = {
  tied: false,
  bos: 1,
  eos: 2,
  isKvForEachHead: true,
  activation: ['hidden_act', 'silu'],
};

function readConfig(raw: JsonObject, place: string): ModelConfig {
  const fields = new ConfigFields(raw, place);
  const config = readDecoder('llama', fields, DEFAULTS);
  Object.assign(config, readRope(fields, 10_000, config.maxPositions));
  const attentionBias = fields.flag('attention_bias', false);
  config.qkvBias = attentionBias;
  config.attentionOutBias = attentionBias;
  config.mlpBias = fields.flag('mlp_bias', false);
  // How a product is split up, and a mark of SmolLM2's converter.
  fields.ignore('pretraining_tp', 'is_llama_config');
  fields.finish();
  return config;
}

function size(hidden: number, layers: number, heads: number, kv: number, inner: number, more: JsonObject) {
  return {
    hidden_size: hidden,
    num_hidden_layers: layers,
    num_attention_heads: heads,
    num_key_value_heads: kv,
    intermediate_size: inner,
    ...more,
  };
}

const smollm2 = { vocab_size: 49152, max_position_embeddings: 8192, bos_token_id: 0, eos_token_id: 0 };

export const llama = decoderFamily({
  modelType: 'llama',
  readConfig,
  usual: () => ({
    architectures: ['LlamaForCausalLM'],
    hidden_act: 'silu',
    rms_norm_eps: 1e-5,
    rope_theta: 10_000,
    tie_word_embeddings: true,
  }),
  sizes: {
    'smollm2-135m': size(576, 30, 9, 3, 1536, { ...smollm2, rope_theta: 100_000, initializer_range: 1 / 24 }),
    'smollm2-360m': size(960, 32, 15, 5, 2560, { ...smollm2, rope_theta: 100_000 }),
    'smollm2-1.7b': size(2048, 24, 32, 32, 8192, { ...smollm2, rope_theta: 130_000 }),
    'llama-3.2-1b': size(2048, 16, 32, 8, 8192, {
      vocab_size: 128_256,
      max_position_embeddings: 131_072,
      bos_token_id: 128_000,
      eos_token_id: 128_001,
      rope_theta: 500_000,
      rope_scaling: {
        rope_type: 'llama3',
        factor: 32,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 8192,
      },
    }),
  },
  defaultLoraModules: ['q_proj', 'k_proj', 'v_proj', 'o_proj'],
});
