/**
 * What the model room gives to other rooms. Sizes are bytes, shapes are element counts, row-major. Hashes are lower-case
 * hex of SHA-256.
 */
import type { mft } from '../protocol/index.ts';

export type ModelConfig = mft.v1.ModelConfig;
export type PackManifest = mft.v1.PackManifest;
export type Segment = mft.v1.Segment;
export type Tensor = mft.v1.Tensor;
export type LoraTarget = mft.v1.LoraTarget;

/** Storage types of weights that mft reads and writes in Hugging Face folders. */
export type FloatType = 'f32' | 'bf16' | 'f16';

/** Storage types of weights in packs; int8 and int4 are block-wise (proto/mft/v1/model.proto, DType). */
export type StorageType = FloatType | 'int8' | 'int4';

/** How a pack's matrices are to be stored; 'auto': as they come. Norms and biases are always f32. */
export type WeightType = 'auto' | StorageType;

/** What the tensors of one storage type take in a pack. */
export interface StorageSummary {
  type: StorageType;
  tensors: number;
  parameters: number;
  bytes: number;
}

/** Tensors by name, read a range of elements at a time, always as f32, whatever they are stored as. */
export interface TensorReader {
  /** Shape of every tensor. */
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** Elements [begin, end) of a tensor in row-major order. @throws MftError when the file can't be read. */
  read(name: string, begin: number, end: number): Promise<Float32Array<ArrayBuffer>>;
  /** Whole rows [begin, end) of a matrix as packs store int8; undefined where they are not stored so. */
  readInt8?(name: string, begin: number, end: number): Promise<Uint8Array> | undefined;
  close(): Promise<void>;
}

/** A file that a run needs in the device store. */
export interface PackFile {
  /** "embedding", "block.3", "final" or "tokenizer". */
  name: string;
  path: string;
  sha256: string;
  bytes: number;
}

/** A model pack on the host: validated manifest and the files beside it. */
export interface ModelPack {
  /** Name in the library, or the folder's path. */
  name: string;
  dir: string;
  manifest: PackManifest;
  config: ModelConfig;
  /** Everything to be pushed, each file once. */
  files: PackFile[];
  /** Elements of all tensors. */
  parameters: number;
  /** What they take, by storage type, largest first. */
  storage: StorageSummary[];
  hasTokenizer: boolean;
}

/** A line of `mft model ls`. */
export interface ModelSummary {
  name: string;
  dir: string;
  family: string;
  parameters: number;
  /** Of all files in the folder. */
  bytes: number;
  hasTokenizer: boolean;
  source: string;
  createdBy: string;
  /** Made by opening a folder by its path; `mft model rm` may free it any time. */
  cached: boolean;
  /** Why the pack can't be used; the other fields are empty then. */
  problem?: string;
}

/** What one module, or several, have in place of the common rank and alpha. */
export interface LoraOverride {
  r?: number | undefined;
  alpha?: number | undefined;
}

/** Which modules get an adapter, and which. */
export interface LoraRequest {
  /** Hugging Face names as peft takes them, in a list; or one regular expression of whole paths. undefined: the family's default. */
  modules?: readonly string[] | string | undefined;
  r: number;
  alpha: number;
  /** Scale alpha / sqrt(r) in place of alpha / r. */
  rslora?: boolean | undefined;
  /** By names or expressions as the keys of peft's rank_pattern and alpha_pattern: of several that mean a module the first counts. */
  overrides?: Readonly<Record<string, LoraOverride>> | undefined;
}

/** An adapter to start from or to apply: for LoraConfig (targets, init_sha256, init_segment) and the device store. */
export interface AdapterInit {
  targets: LoraTarget[];
  /** Tensors NAME.lora_A [r, in] and NAME.lora_B [rows, r] of each target; for NAME see adapterTensorNames. */
  segment: Segment;
  file: PackFile;
  /** lora_dropout of the run that trained it, where that is known. */
  dropout?: number | undefined;
}

/** A pulled result (or checkpoint): `manifest.pb` and the segment files beside it, validated. */
export interface TrainedResult {
  dir: string;
  manifest: mft.v1.CheckpointManifest;
  method: 'lora' | 'full';
  /** Segment files of the weights, with their expected hashes. */
  files: PackFile[];
}

export type ExportFormat =
  /** PEFT folder of a LoRA result. */
  | 'peft'
  /** Hugging Face folder: the weights of a model, of a full fine-tuning, or base and adapter merged. */
  | 'hf'
  /** The same as a GGUF file. */
  | 'gguf'
  /** GGUF file of a LoRA result's adapter, for llama.cpp's --lora. */
  | 'gguf-adapter';

/** Storage types of exported weights: q8_0 in GGUF files alone. */
export type ExportType = FloatType | 'q8_0';

export interface ExportReport {
  /** The folder or file that was made. */
  path: string;
  format: ExportFormat;
  files: { name: string; bytes: number }[];
  tensors: number;
  /** What whoever uses the export should know. */
  notes: string[];
}
