/** The fields of config.json that Llama and its descendants share, with transformers' defaults. */
import { mft } from '../../protocol/index.ts';
import type { ModelConfig } from '../types.ts';
import type { ConfigFields } from './config-fields.ts';

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
  /** Without num_key_value_heads there is one for each head. */
  isKvForEachHead?: boolean;
  /** The field of the activation, and its default. */
  activation: [field: string, value: keyof typeof ACTIVATIONS];
}

/** The fields that all of them have. RoPE, biases, windows and scales are the caller's. */
export function readDecoder(family: string, fields: ConfigFields, defaults: DecoderDefaults): ModelConfig {
  const vocabSize = fields.size(['vocab_size']);
  const hiddenSize = fields.size(['hidden_size']);
  const numHeads = fields.size(['num_attention_heads']);
  // null means one for each head. Absent means so in Llama's class, and some constant in others.
  const isEach = defaults.isKvForEachHead === true || fields.hasKey('num_key_value_heads');
  const numKvHeads = fields.size(['num_key_value_heads'], isEach ? numHeads : undefined);
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

/** Qwen's rule: the window counts only when it is switched on, and then for the layers from max_window_layers on. */
export function readLaterWindow(fields: ConfigFields, layers: number): ReturnType<typeof readWindow> {
  const window = readWindowSize(fields, fields.flag('use_sliding_window', false));
  const first = fields.count('max_window_layers', 28);
  return readWindow(fields, layers, window, (layer) => window !== undefined && layer >= first);
}
