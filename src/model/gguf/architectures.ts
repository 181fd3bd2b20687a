/**
 * What llama.cpp's converter (convert_hf_to_gguf.py) calls the metadata and tensors of a model, for each architecture that mft
 * has a family for. Names of tensors are without ".weight" and ".bias".
 */
import { ExitCode, MftError } from '../../base/errors.ts';
import type { JsonObject } from '../json.ts';
import type { GgufValue } from './header.ts';

export interface Architecture {
  /** model_type of a Hugging Face config.json, and the class in its architectures. */
  modelType: string;
  className: string;
  /** Metadata below "ARCHITECTURE." -> field of config.json. */
  fields: Record<string, string>;
  /**
   * Fields of config.json that GGUF does not have, because llama.cpp knows them by the architecture's name, or by whether a
   * tensor is there.
   */
  implied: (file: {
    metadata(key: string): GgufValue | undefined;
    has(tensor: string): boolean;
  }) => JsonObject;
  /** GGUF name -> Hugging Face name. */
  outer: Record<string, string>;
  /** The same below "blk.N." and `${blockPrefix}.N.` */
  block: Record<string, string>;
  blockPrefix: string;
  /** Rows of q and k are interleaved for llama.cpp's form of RoPE (LlamaModel.permute). */
  permuted: boolean;
  /** Norms are stored as 1 + w. */
  normsPlusOne: boolean;
}

const FIELDS = {
  context_length: 'max_position_embeddings',
  embedding_length: 'hidden_size',
  block_count: 'num_hidden_layers',
  feed_forward_length: 'intermediate_size',
  'attention.head_count': 'num_attention_heads',
  'attention.head_count_kv': 'num_key_value_heads',
  'attention.key_length': 'head_dim',
  'attention.layer_norm_rms_epsilon': 'rms_norm_eps',
  'rope.freq_base': 'rope_theta',
};

const OUTER = { token_embd: 'model.embed_tokens', output_norm: 'model.norm', output: 'lm_head' };

const BLOCK = {
  attn_norm: 'input_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_output: 'self_attn.o_proj',
  ffn_norm: 'post_attention_layernorm',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
};

const QK_NORMS = { attn_q_norm: 'self_attn.q_norm', attn_k_norm: 'self_attn.k_norm' };

const DECODER = { outer: OUTER, blockPrefix: 'model.layers', permuted: false, normsPlusOne: false };

const ARCHITECTURES: Record<string, Architecture> = {
  gpt2: {
    modelType: 'gpt2',
    className: 'GPT2LMHeadModel',
    fields: {
      context_length: 'n_positions',
      embedding_length: 'n_embd',
      block_count: 'n_layer',
      feed_forward_length: 'n_inner',
      'attention.head_count': 'n_head',
      'attention.layer_norm_epsilon': 'layer_norm_epsilon',
    },
    // Converters differ in whether they write the tied head again.
    implied: () => ({ activation_function: 'gelu_new', tie_word_embeddings: true }),
    outer: {
      token_embd: 'transformer.wte',
      position_embd: 'transformer.wpe',
      output_norm: 'transformer.ln_f',
      output: 'lm_head',
    },
    block: {
      attn_norm: 'ln_1',
      attn_qkv: 'attn.c_attn',
      attn_output: 'attn.c_proj',
      ffn_norm: 'ln_2',
      ffn_up: 'mlp.c_fc',
      ffn_down: 'mlp.c_proj',
    },
    blockPrefix: 'transformer.h',
    permuted: false,
    normsPlusOne: false,
  },
  llama: {
    ...DECODER,
    modelType: 'llama',
    className: 'LlamaForCausalLM',
    fields: FIELDS,
    // llama.cpp loads these biases when they are there.
    implied: ({ has }) => ({
      hidden_act: 'silu',
      attention_bias: has('blk.0.attn_output.bias'),
      mlp_bias: has('blk.0.ffn_down.bias'),
    }),
    block: BLOCK,
    permuted: true,
  },
  qwen2: {
    ...DECODER,
    modelType: 'qwen2',
    className: 'Qwen2ForCausalLM',
    fields: FIELDS,
    implied: () => ({ hidden_act: 'silu', use_sliding_window: false }),
    block: BLOCK,
  },
  qwen3: {
    ...DECODER,
    modelType: 'qwen3',
    className: 'Qwen3ForCausalLM',
    fields: FIELDS,
    implied: () => ({ hidden_act: 'silu', use_sliding_window: false }),
    block: { ...BLOCK, ...QK_NORMS },
  },
  gemma3: {
    ...DECODER,
    modelType: 'gemma3_text',
    className: 'Gemma3ForCausalLM',
    fields: {
      ...FIELDS,
      'attention.sliding_window': 'sliding_window',
      final_logit_softcapping: 'final_logit_softcapping',
    },
    // llama.cpp, src/llama-model.cpp, LLM_ARCH_GEMMA3: five sliding layers of six, their RoPE base 10000, and scores
    // divided by the root of the head's size in all models that mft's sizes reach.
    implied: ({ metadata }) => ({
      hidden_activation: 'gelu_pytorch_tanh',
      query_pre_attn_scalar: metadata('attention.key_length') ?? null,
      sliding_window_pattern: 6,
      rope_local_base_freq: metadata('rope.freq_base_swa') ?? 10_000,
    }),
    block: {
      ...BLOCK,
      ...QK_NORMS,
      post_attention_norm: 'post_attention_layernorm',
      ffn_norm: 'pre_feedforward_layernorm',
      post_ffw_norm: 'post_feedforward_layernorm',
    },
    normsPlusOne: true,
  },
};

/** Metadata below "ARCHITECTURE." that config.json has no field for, and that is checked or changes nothing. */
export const CHECKED_METADATA = [
  'vocab_size',
  'rope.dimension_count',
  'rope.scaling.type',
  'rope.scaling.factor',
  'rope.scaling.original_context_length',
  'rope.scaling.finetuned',
  'rope.freq_base_swa',
  'attention.value_length',
  'attention.causal',
];

/** @throws MftError model.unknown-family. `place`: where the name was read. */
export function architectureNamed(name: string, place: string): Architecture {
  const found = Object.hasOwn(ARCHITECTURES, name) ? ARCHITECTURES[name] : undefined;
  if (found !== undefined) return found;
  throw new MftError(`${place}: architecture "${name.slice(0, 80)}" is not known`, {
    code: 'model.unknown-family',
    exit: ExitCode.usage,
    suggestions: [`mft knows ${Object.keys(ARCHITECTURES).join(', ')}.`],
  });
}

/** The architecture of a family, with its name. @throws RangeError for a family that has none here. */
export function architectureOf(modelType: string): { name: string; architecture: Architecture } {
  const found = Object.entries(ARCHITECTURES).find(([, { modelType: own }]) => own === modelType);
  if (found === undefined) throw new RangeError(`no GGUF architecture for ${modelType}`);
  return { name: found[0], architecture: found[1] };
}
