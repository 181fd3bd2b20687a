/**
 * A model's configuration as the metadata that llama.cpp reads (convert_hf_to_gguf.py: set_gguf_parameters of the families).
 * What it can't say, because llama.cpp goes by the architecture's name, is refused: the file would be another model.
 */
import { ExitCode, MftError } from '../../base/errors.ts';
import { mft } from '../../protocol/index.ts';
import { familyOf } from '../families/index.ts';
import type { ModelConfig } from '../types.ts';
import { architectureOf } from './architectures.ts';
import { configOf, ROPE_FACTORS } from './config.ts';
import { GgufMetadata } from './metadata.ts';
import { llama3Factors } from './rope.ts';

const { NormKind, PositionKind, RopeScalingKind } = mft.v1;

/** Base of RoPE in sliding layers when the file has none (llama.cpp, LLM_ARCH_GEMMA3). */
const SLIDING_BASE = 10_000;

/** general.* of every file that mft writes. `type`: "model" or "adapter". */
export function generalMetadata(config: ModelConfig, type: string, name: string): GgufMetadata {
  return new GgufMetadata()
    .string('general.architecture', architectureOf(config.family).name)
    .string('general.type', type)
    .string('general.name', name);
}

/** ARCHITECTURE.* */
export function writeConfig(metadata: GgufMetadata, config: ModelConfig): void {
  const { name } = architectureOf(config.family);
  const key = (own: string) => `${name}.${own}`;
  metadata
    .u32(key('context_length'), config.maxPositions)
    .u32(key('embedding_length'), config.hiddenSize)
    .u32(key('block_count'), config.numLayers)
    .u32(key('feed_forward_length'), config.intermediateSize)
    .u32(key('attention.head_count'), config.numHeads)
    .u32(key('vocab_size'), config.vocabSize);
  if (config.norm === NormKind.NORM_LAYER) metadata.f32(key('attention.layer_norm_epsilon'), config.normEps);
  else metadata.f32(key('attention.layer_norm_rms_epsilon'), config.normEps);
  if (config.position === PositionKind.POSITION_ROPE) writeRope(metadata, config, key);
  if (config.slidingWindow > 0) metadata.u32(key('attention.sliding_window'), config.slidingWindow);
  if (config.logitSoftcap > 0) metadata.f32(key('final_logit_softcapping'), config.logitSoftcap);
}

function writeRope(metadata: GgufMetadata, config: ModelConfig, key: (own: string) => string): void {
  metadata
    .u32(key('attention.head_count_kv'), config.numKvHeads)
    .u32(key('attention.key_length'), config.headDim)
    .u32(key('attention.value_length'), config.headDim)
    .u32(key('rope.dimension_count'), config.headDim)
    .f32(key('rope.freq_base'), config.ropeTheta);
  const { ropeLocalTheta, ropeScaling } = config;
  if (ropeLocalTheta > 0 && ropeLocalTheta !== SLIDING_BASE)
    metadata.f32(key('rope.freq_base_swa'), ropeLocalTheta);
  if (ropeScaling?.kind === RopeScalingKind.ROPE_SCALING_LINEAR)
    metadata
      .string(key('rope.scaling.type'), 'linear')
      .f32(key('rope.scaling.factor'), ropeScaling.factor ?? 1);
}

/** Values of rope_freqs.weight; undefined: the model needs none. Only Llama's graph reads them. */
export function ropeFactors({ family, ropeScaling, headDim, ropeTheta }: ModelConfig) {
  if (ropeScaling?.kind !== RopeScalingKind.ROPE_SCALING_LLAMA3 || family !== 'llama') return undefined;
  return llama3Factors(ropeScaling, headDim, ropeTheta);
}

/**
 * The file describes this model and no other: what mft itself would read out of it is compared, field by field.
 * @throws MftError export.gguf-config naming the field.
 */
export function checkConfig(
  metadata: GgufMetadata,
  shapes: ReadonlyMap<string, readonly number[]>,
  config: ModelConfig,
): void {
  const place = 'the GGUF file';
  const facts = { place, metadata: metadata.values, shapes, ropeFactors: undefined };
  const read = familyOf(config.family, place).readConfig(configOf(facts), place);
  const [said, meant] = [plain(read), plain(config)];
  if (shapes.has(ROPE_FACTORS)) delete meant.ropeScaling; // the tensor says it, to llama.cpp at least
  for (const name of Object.keys(meant)) {
    if (said[name] === meant[name]) continue;
    throw new MftError(`GGUF can't say that this ${config.family} model has ${name} ${meant[name]}`, {
      code: 'export.gguf-config',
      exit: ExitCode.usage,
      suggestions: [`llama.cpp would compute with ${said[name]}. Export a Hugging Face folder: --format hf`],
    });
  }
}

/** Fields as comparable text; the tokens that begin and end texts are the tokenizer's. */
function plain(config: ModelConfig): Record<string, string> {
  const {
    bosToken: _bos,
    eosToken: _eos,
    ...fields
  } = mft.v1.ModelConfig.toObject(
    mft.v1.ModelConfig.decode(mft.v1.ModelConfig.encode(config).finish()), // floats are f32 in both
    { defaults: true, enums: String },
  );
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, JSON.stringify(value)]));
}
