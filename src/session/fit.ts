import { ExitCode, MftError } from '../base/errors.ts';
import { formatBytes } from '../base/units.ts';
import type { ResolvedConfig } from '../config/index.ts';
import type { DeviceProfile } from '../device/index.ts';
import { countAdapterElements, type LoraTarget, type ModelConfig, type ModelPack } from '../model/index.ts';
import { mft } from '../protocol/index.ts';

export interface FitRequest {
  config: ResolvedConfig;
  pack: Pick<ModelPack, 'config' | 'parameters'>;
  targets: readonly LoraTarget[];
  profile: DeviceProfile;
}

const F32 = 4;

/** f32 elements that are trained. */
export function trainableElements({
  method,
  pack,
  targets,
}: Pick<FitRequest, 'pack' | 'targets'> & { method: ResolvedConfig['method'] }): number {
  return method === 'full' ? pack.parameters : countAdapterElements(targets, pack.config);
}

/**
 * A lower bound of what training keeps in memory, in bytes: what is trained, its gradient and both moments, and each
 * block's saved input. The phone checks exactly, when it knows everything; this only spares a push that can't succeed.
 */
export function leastMemory(request: Omit<FitRequest, 'profile'>): number {
  const { config, pack } = request;
  const trainable = trainableElements({ ...request, method: config.method });
  const tokens = config.train.batch_size * config.data.sequence_length;
  const activations = tokens * pack.config.hiddenSize * pack.config.numLayers;
  return (4 * trainable + activations) * F32;
}

/**
 * Bytes on the phone beyond the pushed files: the kept checkpoints, the one being written, and the result; with that the
 * best weights, which up to two are kept of, and the next being written before it.
 */
export function checkpointSpace(request: Omit<FitRequest, 'profile'>): number {
  const { config } = request;
  const trainable = trainableElements({ ...request, method: config.method }) * F32;
  const weights = config.train.result === 'best' ? 3 : 1;
  return (config.train.keep_checkpoints + 1) * 3 * trainable + weights * trainable;
}

/** @throws MftError device.too-little-memory, device.disk-full (4) when it can't possibly go well. */
export function checkFits(request: FitRequest): void {
  const { profile, config } = request;
  const memory = leastMemory(request);
  if (memory > profile.memTotalBytes)
    throw new MftError(
      `${profile.model} has ${formatBytes(profile.memTotalBytes)} of memory; this run needs at least ${formatBytes(memory)}`,
      {
        code: 'device.too-little-memory',
        exit: ExitCode.incapable,
        suggestions: [
          ...(config.method === 'full' ? ['--method lora trains a small part of the weights.'] : []),
          `--set train.batch_size=1 --set train.accumulation=${config.train.batch_size * config.train.accumulation} computes about the same with less memory.`,
        ],
      },
    );
  const disk = checkpointSpace(request);
  if (disk > profile.diskFreeBytes)
    throw new MftError(
      `${profile.model} has ${formatBytes(profile.diskFreeBytes)} free; the checkpoints of this run need ${formatBytes(disk)}`,
      {
        code: 'device.disk-full',
        exit: ExitCode.incapable,
        suggestions: ['Free what no run needs any more: mft gc', '--set train.keep_checkpoints=1'],
      },
    );
}

/** @throws MftError config.value: records are evaluated each by itself. What a file on the phone holds is found there. */
export function checkStridable(file: string, format: mft.v1.DataFormat | null | undefined): void {
  const { DATA_FORMAT_TEXT, DATA_FORMAT_UNSPECIFIED } = mft.v1.DataFormat;
  if ((format ?? DATA_FORMAT_UNSPECIFIED) === DATA_FORMAT_UNSPECIFIED || format === DATA_FORMAT_TEXT) return;
  throw new MftError(`--stride is for a text, and ${file} holds records: each is evaluated by itself`, {
    code: 'config.value',
    exit: ExitCode.usage,
    suggestions: ['Leave --stride out.', '--set data.format=text reads the file as one text.'],
  });
}

/** @throws MftError config.value: tokens between two windows would never be predicted. */
export function checkStride(stride: number, sequenceLength: number): void {
  if (stride <= sequenceLength) return;
  throw new MftError(`--stride ${stride} is more than the ${sequenceLength} tokens of a window`, {
    code: 'config.value',
    exit: ExitCode.usage,
    suggestions: [`--stride ${sequenceLength} or less, or a larger --sequence-length`],
  });
}

/**
 * @param asked what the person wrote, `option` how to write it otherwise
 * @throws MftError config.value (2) when rows are longer than the model can see.
 */
export function checkLength(length: number, model: ModelConfig, asked: string, option: string): void {
  if (length <= model.maxPositions) return;
  throw new MftError(`${asked} is ${length}, but the model has ${model.maxPositions} positions`, {
    code: 'config.value',
    exit: ExitCode.usage,
    suggestions: [`${option}${model.maxPositions}`],
  });
}

/** Weights in blocks of small integers can't be trained: a step is smaller than what they can say. @throws MftError. */
export function checkTrainable(pack: Pick<ModelPack, 'name' | 'storage'>): void {
  const small = pack.storage.map(({ type }) => type).filter((type) => type === 'int4' || type === 'int8');
  if (small.length === 0) return;
  throw new MftError(
    `${pack.name} is stored as ${small.join(' and ')}; full fine-tuning needs weights in f32, bf16 or f16`,
    {
      code: 'model.not-trainable',
      exit: ExitCode.usage,
      suggestions: [
        '--method lora trains an adapter on it.',
        '--dtype bf16 with the folder or file that it was imported from stores weights that can be trained.',
      ],
    },
  );
}
