/** From what a person chose to what the phone reads: RunSpec. */
import type { ResolvedConfig } from '../config/index.ts';
import type { AdapterInit, ModelPack } from '../model/index.ts';
import { mft } from '../protocol/index.ts';
import type { LoraPlan } from './lora.ts';

/** Where a run reads its text: a file that is pushed, or one that is on the phone already and stays there. */
export type DataSource =
  | {
      kind: 'host';
      path: string;
      sha256: string;
      bytes: number;
      /** Known number of records; 0: one text. */
      records?: number | undefined;
      /** Made here, and yet to be put into the run's folder. */
      staged?: boolean | undefined;
    }
  | { kind: 'device'; path: string };

/** Written before the path of a file that is on the phone: `--data device:/sdcard/notes.txt`. */
export const DEVICE_PREFIX = 'device:';

/** How a text is written. */
export interface SamplingOptions {
  maxTokens: number;
  /** 0: always the likeliest token. */
  temperature: number;
  /** 0: off; so are topP 0 and repetitionPenalty 0 or 1. */
  topK: number;
  topP: number;
  repetitionPenalty?: number;
  seed: number;
  /** Texts that end it. */
  stop?: readonly string[];
  /** Tokens that end it, beside the tokenizer's own. */
  eos?: readonly number[];
  ignoreEos?: boolean;
  /** The prompt is a rendered chat, with what begins a text in it. */
  rendered?: boolean;
}

/** How a multiple choice is asked. */
export interface ChoiceOptions {
  /** {"question", "choices", "answer"}, or task records: {"context", "choices", "answer"}. */
  records: 'choices' | 'contexts';
  /** The continuation is a letter, or the choice's text. Task records: `likelihood`. */
  method: 'letter' | 'likelihood';
  /** The first questions of the file only. */
  limit?: number | undefined;
}

const FORMAT = 1;

export type Compute = ResolvedConfig['compute'];

const COMPUTE: Record<Compute, mft.v1.ComputeType> = {
  f32: mft.v1.ComputeType.COMPUTE_F32,
  bf16: mft.v1.ComputeType.COMPUTE_BF16,
};

const SCHEDULES = {
  constant: mft.v1.ScheduleKind.SCHEDULE_CONSTANT,
  linear: mft.v1.ScheduleKind.SCHEDULE_LINEAR,
  cosine: mft.v1.ScheduleKind.SCHEDULE_COSINE,
} as const;

/** The files of a training, and how they are read. */
export interface TrainingData {
  train: DataSource;
  validation?: DataSource | undefined;
  rules: mft.v1.IDataConfig;
}

export function trainSpec(
  id: string,
  config: ResolvedConfig,
  pack: ModelPack,
  lora: LoraPlan,
  data: TrainingData,
): mft.v1.RunSpec {
  const { train } = config;
  const full = config.method === 'full';
  return mft.v1.RunSpec.create({
    ...common(id, pack, config),
    data: {
      ...data.rules,
      train: dataFile(data.train),
      ...(data.validation === undefined ? {} : { validation: dataFile(data.validation) }),
      validationFraction: data.validation === undefined ? config.data.validation_fraction : 0,
      sequenceLength: config.data.sequence_length,
      shuffle: config.data.shuffle,
    },
    train: {
      full,
      ...(full ? {} : { lora: loraConfig(lora) }),
      optimizer: {
        learningRate: train.learning_rate,
        beta1: train.beta1,
        beta2: train.beta2,
        eps: train.eps,
        weightDecay: train.weight_decay,
        maxGradNorm: train.max_grad_norm,
        schedule: SCHEDULES[train.schedule],
        warmupSteps: train.warmup_steps ?? 0,
        warmupRatio: train.warmup_ratio ?? 0,
        minLrRatio: train.min_lr_ratio,
      },
      steps: train.steps ?? 0,
      epochs: train.epochs ?? 0,
      batchSize: train.batch_size,
      accumulation: train.accumulation,
      dropout: train.dropout,
      evalEvery: train.eval_every,
      evalMaxBatches: train.eval_max_batches,
      patience: train.patience,
      resultLast: train.result === 'last',
      checkpointEvery: train.checkpoint_every,
      keepCheckpoints: train.keep_checkpoints,
      ...(config.sample.prompt === '' ? {} : { sample: sampleOf(config) }),
    },
  });
}

interface UseOptions {
  adapter?: AdapterInit | undefined;
  threads: number;
  compute: Compute;
}

export function generateSpec(
  id: string,
  pack: ModelPack,
  prompts: readonly string[],
  sampling: SamplingOptions,
  options: UseOptions,
): mft.v1.RunSpec {
  return mft.v1.RunSpec.create({
    ...common(id, pack, { ...options, seed: sampling.seed }),
    ...(options.adapter === undefined ? {} : { adapter: adapterConfig(options.adapter) }),
    generate: { ...generateTask(prompts, sampling), stream: true },
  });
}

export function chatSpec(
  id: string,
  pack: ModelPack,
  sampling: SamplingOptions,
  options: UseOptions & { contextLength: number; idleSeconds: number },
): mft.v1.RunSpec {
  const { contextLength, idleSeconds } = options;
  return mft.v1.RunSpec.create({
    ...common(id, pack, { ...options, seed: sampling.seed }),
    ...(options.adapter === undefined ? {} : { adapter: adapterConfig(options.adapter) }),
    chat: { sampling: generateTask([], sampling), contextLength, idleSeconds },
  });
}

export function evaluateSpec(
  id: string,
  pack: ModelPack,
  options: {
    data: DataSource;
    rules: mft.v1.IDataConfig;
    sequenceLength: number;
    batchSize: number;
    /** 0: as many as there are in a window. */
    stride: number;
    threads: number;
    compute: Compute;
    adapter?: AdapterInit | undefined;
  },
): mft.v1.RunSpec {
  return mft.v1.RunSpec.create({
    ...common(id, pack, { ...options, seed: 0 }),
    ...(options.adapter === undefined ? {} : { adapter: adapterConfig(options.adapter) }),
    data: {
      ...options.rules,
      validation: dataFile(options.data),
      sequenceLength: options.sequenceLength,
      validationFraction: 0,
    },
    evaluate: { batchSize: options.batchSize, stride: options.stride },
  });
}

export function choicesSpec(
  id: string,
  pack: ModelPack,
  options: ChoiceOptions & {
    data: DataSource;
    /** 0: as many as the model has positions. */
    sequenceLength: number;
    threads: number;
    compute: Compute;
    adapter?: AdapterInit | undefined;
  },
): mft.v1.RunSpec {
  const { adapter, data, sequenceLength, records, method, limit = 0 } = options;
  const { METHOD_LETTER, METHOD_LIKELIHOOD } = mft.v1.ChoiceTask.Method;
  return mft.v1.RunSpec.create({
    ...common(id, pack, { ...options, seed: 0 }),
    ...(adapter === undefined ? {} : { adapter: adapterConfig(adapter) }),
    data: {
      validation: dataFile(data),
      sequenceLength,
      format:
        records === 'choices'
          ? mft.v1.DataFormat.DATA_FORMAT_CHOICES
          : mft.v1.DataFormat.DATA_FORMAT_UNSPECIFIED,
    },
    evaluate: { choices: { method: method === 'letter' ? METHOD_LETTER : METHOD_LIKELIHOOD, limit } },
  });
}

function common(
  id: string,
  pack: ModelPack,
  { seed, threads, compute }: { seed: number; threads: number; compute: Compute },
) {
  return { format: FORMAT, runId: id, model: pack.manifest, seed, threads, compute: COMPUTE[compute] };
}

function dataFile(source: DataSource): mft.v1.IDataFile {
  const name = source.path.split(/[\\/]/).at(-1) ?? source.path;
  return source.kind === 'device'
    ? { devicePath: source.path, displayName: name }
    : {
        storeSha256: Buffer.from(source.sha256, 'hex'),
        bytes: source.bytes,
        records: source.records ?? 0,
        displayName: name,
      };
}

function loraConfig({ targets, dropout, init }: LoraPlan): mft.v1.ILoraConfig {
  return init === undefined ? { targets, dropout } : { ...adapterConfig(init), dropout };
}

function adapterConfig(adapter: AdapterInit): mft.v1.ILoraConfig {
  return {
    targets: adapter.targets,
    dropout: 0,
    initSha256: Buffer.from(adapter.file.sha256, 'hex'),
    initSegment: adapter.segment,
  };
}

function sampleOf(config: ResolvedConfig): mft.v1.IGenerateTask {
  const { prompt, max_tokens, temperature, top_k, top_p } = config.sample;
  return generateTask([prompt], {
    maxTokens: max_tokens,
    temperature,
    topK: top_k,
    topP: top_p,
    seed: config.seed,
  });
}

function generateTask(
  prompts: readonly string[],
  { stop = [], eos = [], ...sampling }: SamplingOptions,
): mft.v1.IGenerateTask {
  return { prompts: [...prompts], stop: [...stop], eos: [...eos], ...sampling };
}
