/** What a model family is: one file that says how a Hugging Face folder maps to the one decoder's configuration. */
import type { JsonObject } from '../json.ts';
import type { ModelConfig } from '../types.ts';

/** A Hugging Face tensor and the rows of a canonical tensor that it holds. */
export interface HfTensor {
  /** Without the family's prefix. */
  hf: string;
  hfShape: number[];
  /** Canonical name. */
  tensor: string;
  /** Rows of the canonical tensor; a tensor of one dimension has one element a row. */
  rowBegin: number;
  rowEnd: number;
  /** Stored as [in, out] (Conv1D); only for whole tensors. */
  transposed: boolean;
}

/** A linear module that may carry an adapter. */
export interface LinearModule {
  /** As in a Hugging Face CausalLM, e.g. "transformer.h.0.attn.c_attn". */
  path: string;
  /** Canonical weight [out, in] and the module's rows in it. */
  tensor: string;
  rowBegin: number;
  rowEnd: number;
  inFeatures: number;
}

/** Sizes of a model to be created. */
export interface ModelShape {
  vocab: number;
  hidden: number;
  layers: number;
  heads: number;
  /** Key and value heads. */
  kvHeads: number;
  headDim: number;
  /** MLP width. */
  inner: number;
  positions: number;
}

export interface Family {
  /** `model_type` of config.json. */
  modelType: string;
  /** Before the names of all base tensors in a CausalLM; a bare base model is saved without it. */
  prefix: string;
  /** @throws MftError model.unknown-config-field, model.bad-config-field naming the field. */
  readConfig(raw: JsonObject, place: string): ModelConfig;
  /** What the family's config.json calls the sizes of a model. */
  shapeFields: Partial<Record<keyof ModelShape, string>>;
  /** Published sizes, `--size`: what of their config.json is not the same in all models of the family. */
  sizes: Record<string, JsonObject>;
  /** config.json of a new model out of its sizes: adds what a new model of the family usually has. */
  newConfig(sizes: JsonObject): JsonObject;
  tensors(config: ModelConfig): HfTensor[];
  /** Buffers of old saves that carry nothing (name without prefix). */
  isIgnored(name: string): boolean;
  modules(config: ModelConfig): LinearModule[];
  /** Adapted when the user names no modules. */
  defaultLoraModules: readonly string[];
  /** Whether linear weights are Conv1D [in, out]: peft's fan_in_fan_out. */
  fanInFanOut: boolean;
  /**
   * Standard deviation of a canonical tensor's initial values; 'ones' or 'zeros' otherwise.
   * @param range initializer_range of config.json
   */
  init(tensor: string, config: ModelConfig, range: number): number | 'ones' | 'zeros';
}
