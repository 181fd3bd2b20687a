/**
 * The one schema of a training configuration: YAML files, `--set path=value` and flags are all checked by it. Keys are
 * snake_case as in YAML. Everything is optional here; `defaults.ts` fills in what was not said.
 */
import { z } from 'zod';

const uint32 = z.int().min(0).max(0xffff_ffff);
const positive32 = z.int().min(1).max(0xffff_ffff);
const fraction = z.number().min(0).max(1);
/** Dropout probabilities and the like: 1 would drop everything. */
const belowOne = z.number().min(0).lt(1);
const filePath = z.string().min(1);
const fieldName = z.string().min(1).max(200);

/** Names of proto/mft/v1/run.proto's DataFormat, and auto. */
export const DATA_FORMATS = [
  'auto',
  'text',
  'texts',
  'prompt_completion',
  'messages',
  'choices',
  'ids',
  'segments',
] as const;

export const trainSchema = z.strictObject({
  /** Optimizer steps. Either this or epochs. */
  steps: positive32.optional(),
  /** Passes over the training tokens, may be a fraction. */
  epochs: z.number().positive().max(1e6).optional(),
  /** Rows in a micro-batch. */
  batch_size: z.int().min(1).max(4096).optional(),
  /** Micro-batches in an optimizer step. */
  accumulation: z.int().min(1).max(4096).optional(),
  learning_rate: z.number().positive().max(10).optional(),
  schedule: z.enum(['constant', 'linear', 'cosine']).optional(),
  warmup_steps: uint32.optional(),
  /** Of all steps, rounded up. */
  warmup_ratio: fraction.optional(),
  /** Final learning rate / peak. */
  min_lr_ratio: fraction.optional(),
  weight_decay: z.number().min(0).max(10).optional(),
  beta1: belowOne.optional(),
  beta2: belowOne.optional(),
  eps: z.number().positive().max(1).optional(),
  /** 0: no clipping. */
  max_grad_norm: z.number().min(0).max(1e6).optional(),
  /** The model's own dropout (GPT-2: embedding, attention, residual). */
  dropout: belowOne.optional(),
  /** Steps between validations; 0: only at the end. */
  eval_every: uint32.optional(),
  /** 0: the whole validation split. */
  eval_max_batches: uint32.optional(),
  checkpoint_every: positive32.optional(),
  keep_checkpoints: z.int().min(1).max(1000).optional(),
  /** Validations in a row without a new best loss after which training ends; 0: never. */
  patience: uint32.optional(),
  /** Whose weights are the result: those of the best validation, or of the last step. */
  result: z.enum(['best', 'last']).optional(),
});

/** What some modules have in place of the common rank and alpha. */
const loraOverrideSchema = z
  .strictObject({
    r: z.int().min(1).max(4096).optional(),
    alpha: z.number().positive().max(1e6).optional(),
  })
  .refine(({ r, alpha }) => r !== undefined || alpha !== undefined, 'r, alpha or both');

export const loraSchema = z.strictObject({
  r: z.int().min(1).max(4096).optional(),
  alpha: z.number().positive().max(1e6).optional(),
  dropout: belowOne.optional(),
  /** Rank-stabilized: scale alpha / sqrt(r) in place of alpha / r. */
  rslora: z.boolean().optional(),
  /**
   * Hugging Face module names, e.g. c_attn, attn.c_proj, or all-linear: a list, or one text with commas. A text with
   * other characters is a regular expression of whole paths. Not said: the family's own choice.
   */
  targets: z.union([z.array(z.string().min(1)).min(1), z.string().min(1)]).optional(),
  /** By names or expressions as in peft's rank_pattern; of several that mean a module the first counts. */
  overrides: z.record(z.string().min(1), loraOverrideSchema).optional(),
  /** A PEFT folder, or a run, whose adapter is trained on; it says r, alpha, rslora and the targets. */
  init_adapter: filePath.optional(),
});

export const modelSchema = z.strictObject({
  /** Storage of the base weights that a Hugging Face folder is imported with; auto: as they are there. */
  dtype: z.enum(['auto', 'f32', 'bf16', 'f16', 'int8', 'int4']).optional(),
});

/** What fields of a record are called in the file, where it is not their usual name. */
export const fieldsSchema = z.strictObject({
  text: fieldName.optional(),
  prompt: fieldName.optional(),
  completion: fieldName.optional(),
  messages: fieldName.optional(),
  question: fieldName.optional(),
  choices: fieldName.optional(),
  answer: fieldName.optional(),
  input_ids: fieldName.optional(),
  labels: fieldName.optional(),
  segments: fieldName.optional(),
});

export const dataSchema = z.strictObject({
  /** Tokens in a row (T). */
  sequence_length: z
    .int()
    .min(2)
    .max(1 << 20)
    .optional(),
  /** A text file of its own; else the tail of the training text. */
  validation: filePath.optional(),
  validation_fraction: belowOne.optional(),
  shuffle: z.boolean().optional(),
  /** What the files hold (docs/data.md); auto: recognised by the first record. */
  format: z.enum(DATA_FORMATS).optional(),
  /**
   * How records become rows: one a row, all in a row and cut, or several whole ones a row; auto: wrap for text, none for
   * records.
   */
  packing: z.enum(['auto', 'none', 'wrap', 'pack']).optional(),
  /** Learn answers only: completions, the assistant's messages. */
  mask_prompt: z.boolean().optional(),
  fields: fieldsSchema.optional(),
  /** A Jinja file in place of the model's own chat template. */
  chat_template: filePath.optional(),
});

export const sampleSchema = z.strictObject({
  /** Continued before the first and after the last step. Empty: no samples. */
  prompt: z.string().max(16_384).optional(),
  max_tokens: z
    .int()
    .min(1)
    .max(1 << 16)
    .optional(),
  /** 0: greedy. */
  temperature: z.number().min(0).max(100).optional(),
  /** 0: off. */
  top_k: uint32.optional(),
  /** 0 or 1: off. */
  top_p: fraction.optional(),
});

export const configSchema = z.strictObject({
  method: z.enum(['lora', 'full']).optional(),
  seed: z.int().min(0).max(Number.MAX_SAFE_INTEGER).optional(),
  /** 0: as many as the phone lets the process use. Never changes the result. */
  threads: z.int().min(0).max(64).optional(),
  /** Arithmetic of the products of linear layers and the head; bf16 rounds their operands. Changes the result. */
  compute: z.enum(['f32', 'bf16']).optional(),
  model: modelSchema.optional(),
  train: trainSchema.optional(),
  lora: loraSchema.optional(),
  data: dataSchema.optional(),
  sample: sampleSchema.optional(),
});

/** What a person wrote: any part of a configuration. */
export type PartialConfig = z.infer<typeof configSchema>;

type Filled<T> = { [K in keyof T]-?: NonNullable<T[K]> };

type Said<T> = { [K in keyof T]?: T[K] | undefined };

/** The adapters of a training; `targets` absent: the family's own choice. */
type LoraSettings = Filled<Omit<z.infer<typeof loraSchema>, 'targets' | 'init_adapter'>> & {
  targets?: string[] | string;
};

/** A configuration with nothing left open; `mft train --dry-run` prints it, the run's record keeps it. */
export interface ResolvedConfig {
  method: 'lora' | 'full';
  seed: number;
  threads: number;
  compute: 'f32' | 'bf16';
  model: Filled<z.infer<typeof modelSchema>>;
  /** Exactly one of steps and epochs, and of warmup_steps and warmup_ratio. */
  train: Filled<Omit<z.infer<typeof trainSchema>, 'steps' | 'epochs' | 'warmup_steps' | 'warmup_ratio'>> & {
    steps?: number;
    epochs?: number;
    warmup_steps?: number;
    warmup_ratio?: number;
  };
  /** With init_adapter only what was said: the adapter says the rest. */
  lora: (LoraSettings & { init_adapter?: undefined }) | (Said<LoraSettings> & { init_adapter: string });
  data: Filled<Omit<z.infer<typeof dataSchema>, 'validation' | 'chat_template'>> & {
    validation?: string;
    chat_template?: string;
  };
  sample: Filled<z.infer<typeof sampleSchema>>;
}
