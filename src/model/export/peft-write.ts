/** A PEFT folder out of a LoRA result: adapter_config.json and adapter_model.safetensors, as peft's save_pretrained. */
import { isAbsolute, join } from 'node:path';
import { shortestDecimal } from '../../base/decimal.ts';
import { ExitCode, MftError } from '../../base/errors.ts';
import { familyOf } from '../families/index.ts';
import type { JsonObject } from '../json.ts';
import { adapterTensorNames, moduleOf } from '../lora.ts';
import { isNamed } from '../module-names.ts';
import { writeSynced } from '../pack/write.ts';
import { writeSafetensors } from '../safetensors/writer.ts';
import { elementsOf, readPieces } from '../tensors/stream.ts';
import type { LoraTarget, ModelConfig, ModelPack, TensorReader } from '../types.ts';

export interface PeftOptions {
  /** base_model_name_or_path; without it the folder that the model was imported from. */
  base?: string | undefined;
  /** lora_dropout of the run that trained it; 0 when absent. */
  dropout?: number | undefined;
}

/** Fills the existing folder `dir`. @returns number of tensors */
export async function writePeft(
  dir: string,
  pack: ModelPack,
  adapter: TensorReader,
  targets: readonly LoraTarget[],
  options: PeftOptions = {},
): Promise<number> {
  const names = new Map<string, string>(); // peft's name -> ours
  for (const target of targets) {
    const { path } = moduleOf(target, pack.config);
    const own = adapterTensorNames(target, pack.config);
    names.set(`base_model.model.${path}.lora_A.weight`, own.a);
    names.set(`base_model.model.${path}.lora_B.weight`, own.b);
  }
  const plans = [...names].map(([name, own]) => ({
    name,
    shape: adapter.shapes.get(own) ?? [],
    type: 'f32' as const,
  }));
  await writeSafetensors(join(dir, 'adapter_model.safetensors'), plans, (plan) =>
    readPieces(adapter, names.get(plan.name) ?? '', 0, elementsOf(plan.shape)),
  );
  const base = options.base ?? (isAbsolute(pack.manifest.source) ? pack.manifest.source : null);
  const config = adapterConfig(pack.config, targets, base, options.dropout ?? 0);
  await writeSynced(join(dir, 'adapter_config.json'), Buffer.from(`${JSON.stringify(config, null, 2)}\n`));
  return plans.length;
}

function adapterConfig(
  config: ModelConfig,
  targets: readonly LoraTarget[],
  base: string | null,
  dropout: number,
): JsonObject {
  const family = familyOf(config.family, 'the model');
  const paths = targets.map((target) => moduleOf(target, config).path);
  const all = family.modules(config).map((module) => module.path);
  const [ranks, alphas] = [targets.map(({ r }) => r), targets.map(({ alpha }) => shortestDecimal(alpha))];
  const rslora = targets[0]?.rslora ?? false;
  if (targets.some((target) => target.rslora !== rslora))
    throw new MftError('the adapter is rank-stabilized in some modules only, which PEFT can not express', {
      code: 'export.mixed-rslora',
      exit: ExitCode.usage,
      suggestions: ['Export it merged into the model: --format hf'],
    });
  return {
    alpha_pattern: pattern(alphas, paths),
    auto_mapping: null,
    base_model_name_or_path: base,
    bias: 'none',
    fan_in_fan_out: family.fanInFanOut,
    inference_mode: true,
    init_lora_weights: true,
    layers_pattern: null,
    layers_to_transform: null,
    lora_alpha: mostCommon(alphas),
    lora_dropout: shortestDecimal(dropout),
    modules_to_save: null,
    peft_type: 'LORA',
    r: mostCommon(ranks),
    rank_pattern: pattern(ranks, paths),
    revision: null,
    target_modules: targetModules(paths, all),
    task_type: 'CAUSAL_LM',
    use_dora: false,
    use_rslora: rslora,
  };
}

/** The values that are not the most common one, by the shortest names that mean exactly the modules that have them. */
function pattern(values: readonly number[], paths: readonly string[]): Record<string, number> {
  const common = mostCommon(values);
  return Object.fromEntries(
    [...new Set(values)]
      .filter((value) => value !== common)
      .flatMap((value) =>
        targetModules(
          paths.filter((_, i) => values[i] === value),
          paths,
        ).map((name) => [name, value]),
      ),
  );
}

function mostCommon(values: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].sort((a, b) => b[1] - a[1])[0]?.[0] ?? 0;
}

/** The shortest names that mean, by peft's rule of suffixes, exactly these modules and no others of the model. */
export function targetModules(paths: readonly string[], all: readonly string[]): string[] {
  const chosen = new Set(paths);
  const names = new Set<string>();
  for (const path of paths) {
    const parts = path.split('.');
    for (let length = 1; length <= parts.length; length += 1) {
      const name = parts.slice(-length).join('.');
      const meant = all.filter((other) => isNamed(other, name));
      if (length < parts.length && meant.some((other) => !chosen.has(other))) continue;
      names.add(name);
      break;
    }
  }
  return [...names];
}
