/** Which model is measured: a published size of a family, its weights random. */
import { ExitCode, MftError } from '../base/errors.ts';
import { nearest } from '../base/nearest.ts';
import { familyOfSize, sizeNames } from '../model/families/index.ts';
import { type ModelConfig, resolveLoraTargets } from '../model/index.ts';
import { mft } from '../protocol/index.ts';
import { DTYPES } from './names.ts';
import type { EngineSettings } from './types.ts';

export interface BenchModel {
  config: ModelConfig;
  /** config.json as Hugging Face has it, for programs that read that. */
  hfConfig: Record<string, unknown>;
  /** Adapted modules, as peft takes them. */
  modules: readonly string[];
}

/** @throws MftError bench.unknown-model */
export function benchModel(size: string): BenchModel {
  const family = familyOfSize(size);
  const sizes = family?.sizes[size];
  if (family === undefined || sizes === undefined) {
    const meant = nearest(size, sizeNames);
    throw new MftError(`there is no published size "${size.slice(0, 80)}" to measure`, {
      code: 'bench.unknown-model',
      exit: ExitCode.usage,
      suggestions: [
        ...(meant === undefined ? [] : [`Did you mean ${meant}?`]),
        `Sizes: ${sizeNames.join(', ')}.`,
      ],
    });
  }
  const hfConfig = family.newConfig(sizes);
  return { config: family.readConfig(hfConfig, size), hfConfig, modules: family.defaultLoraModules };
}

/** @throws MftError bench.too-long when the model has not so many positions. */
export function engineSpec(model: BenchModel, settings: EngineSettings): mft.v1.IEngineBench {
  const { config } = model;
  if (settings.sequence > config.maxPositions)
    throw new MftError(`${settings.model} takes ${config.maxPositions} tokens, not ${settings.sequence}`, {
      code: 'bench.too-long',
      exit: ExitCode.usage,
      suggestions: [`--seq ${config.maxPositions}`],
    });
  const full = settings.method === 'full';
  if (full && settings.dtype !== 'f32')
    throw new MftError('full fine-tuning trains f32 weights only', {
      code: 'bench.full-dtype',
      exit: ExitCode.usage,
      suggestions: ['--dtype f32', '--method lora'],
    });
  const { rank, alpha } = settings;
  return {
    config,
    full,
    targets: full ? [] : resolveLoraTargets(config, { modules: model.modules, r: rank, alpha }),
    batchSize: settings.batch,
    sequenceLength: settings.sequence,
    threads: settings.threads,
    steps: settings.steps,
    dtype: DTYPES[settings.dtype],
    compute: settings.compute === 'bf16' ? mft.v1.ComputeType.COMPUTE_BF16 : mft.v1.ComputeType.COMPUTE_F32,
    paced: settings.against !== undefined,
  };
}
