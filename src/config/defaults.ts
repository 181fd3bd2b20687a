import { ExitCode, MftError } from '../base/errors.ts';
import type { PartialConfig, ResolvedConfig } from './schema.ts';

/** Warm-up as a part of all steps: a run of 20 steps must not be all warm-up. */
const WARMUP_RATIO = 0.03;

/**
 * Fills in what was not said. The numbers are the GPT-2 fine-tuning recipe (LoRA r 8, alpha 16, lr 2e-4; full 1e-4;
 * sequence 128, batch 4, accumulation 2, clip 1.0, cosine to 10 %).
 *
 * @throws MftError config.value when full fine-tuning is asked for, and what it can't be.
 */
export function withDefaults(config: PartialConfig): ResolvedConfig {
  const { train = {}, lora = {}, data = {}, sample = {} } = config;
  const method = config.method ?? 'lora';
  if (method === 'full') checkFull(config);
  return {
    method,
    seed: config.seed ?? 42,
    threads: config.threads ?? 0,
    compute: config.compute ?? 'f32',
    model: { dtype: config.model?.dtype ?? 'auto' },
    train: {
      ...(train.steps === undefined ? { epochs: train.epochs ?? 1 } : { steps: train.steps }),
      batch_size: train.batch_size ?? 4,
      accumulation: train.accumulation ?? 2,
      learning_rate: train.learning_rate ?? (method === 'lora' ? 2e-4 : 1e-4),
      schedule: train.schedule ?? 'cosine',
      ...(train.warmup_steps === undefined
        ? { warmup_ratio: train.warmup_ratio ?? WARMUP_RATIO }
        : { warmup_steps: train.warmup_steps }),
      min_lr_ratio: train.min_lr_ratio ?? 0.1,
      weight_decay: train.weight_decay ?? 0.01,
      beta1: train.beta1 ?? 0.9,
      beta2: train.beta2 ?? 0.999,
      eps: train.eps ?? 1e-8,
      max_grad_norm: train.max_grad_norm ?? 1,
      dropout: train.dropout ?? 0,
      eval_every: train.eval_every ?? 50,
      eval_max_batches: train.eval_max_batches ?? 20,
      checkpoint_every: train.checkpoint_every ?? 50,
      keep_checkpoints: train.keep_checkpoints ?? 2,
      patience: train.patience ?? 0,
      result: train.result ?? 'best',
    },
    lora: loraSettings(lora),
    data: {
      sequence_length: data.sequence_length ?? 128,
      ...(data.validation === undefined ? {} : { validation: data.validation }),
      validation_fraction: data.validation_fraction ?? 0.05,
      shuffle: data.shuffle ?? true,
      format: data.format ?? 'auto',
      packing: data.packing ?? 'auto',
      mask_prompt: data.mask_prompt ?? true,
      fields: data.fields ?? {},
      ...(data.chat_template === undefined ? {} : { chat_template: data.chat_template }),
    },
    sample: {
      prompt: sample.prompt ?? '',
      max_tokens: sample.max_tokens ?? 48,
      temperature: sample.temperature ?? 0.8,
      top_k: sample.top_k ?? 40,
      top_p: sample.top_p ?? 0,
    },
  };
}

/** What is said of the model or of adapters has to be possible when every weight is trained. */
function checkFull({ lora, model }: PartialConfig): void {
  const dtype = model?.dtype;
  if (dtype === 'int8' || dtype === 'int4')
    throw new MftError(`method: full trains every weight, and weights in ${dtype} can not be trained`, {
      code: 'config.value',
      exit: ExitCode.usage,
      suggestions: ['model.dtype: auto, f32, bf16 or f16', 'method: lora trains an adapter on such weights.'],
    });
  if (lora?.init_adapter !== undefined)
    throw new MftError('method: full has no adapter, but lora.init_adapter (--init-adapter) names one', {
      code: 'config.value',
      exit: ExitCode.usage,
      suggestions: [
        'Leave one of them out; or merge it (mft runs pull RUN --out DIR --format hf) and train that model.',
      ],
    });
}

function loraSettings(lora: NonNullable<PartialConfig['lora']>): ResolvedConfig['lora'] {
  const { targets: wanted, init_adapter, ...said } = lora;
  const targets = wanted === undefined ? {} : { targets: targetNames(wanted) };
  if (init_adapter !== undefined) return { init_adapter, ...said, ...targets };
  return {
    r: said.r ?? 8,
    alpha: said.alpha ?? 16,
    dropout: said.dropout ?? 0,
    rslora: said.rslora ?? false,
    ...targets,
    overrides: said.overrides ?? {},
  };
}

/** "q_proj, v_proj" is a list of names; a text with more than names and commas is an expression. */
function targetNames(targets: string[] | string): string[] | string {
  if (typeof targets !== 'string' || !/^[\w.-]+(\s*,\s*[\w.-]+)*$/.test(targets.trim())) return targets;
  return targets.trim().split(/\s*,\s*/);
}
