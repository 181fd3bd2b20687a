/** A PEFT folder out of a LoRA result: adapter_config.json and adapter_model.safetensors, as peft's save_pretrained. */
import { isAbsolute, join } from 'node:path';
import { familyOf } from '../families/index.ts';
import type { JsonObject } from '../json.ts';
import { adapterTensorNames, moduleOf } from '../lora.ts';
import { writeSynced } from '../pack/write.ts';
import { writeSafetensors } from '../safetensors/writer.ts';
import { elementsOf, readPieces } from '../tensors/stream.ts';
import type { LoraTarget, ModelConfig, ModelPack, TensorReader } from '../types.ts';

export interface PeftOptions {
  /** base_model_name_or_path; without it the folder that the model was imported from. */
  base?: string | undefined;
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
  const config = adapterConfig(pack.config, targets, base);
  await writeSynced(join(dir, 'adapter_config.json'), Buffer.from(`${JSON.stringify(config, null, 2)}\n`));
  return plans.length;
}

function adapterConfig(config: ModelConfig, targets: readonly LoraTarget[], base: string | null): JsonObject {
  const family = familyOf(config.family, 'the model');
  const paths = targets.map((target) => moduleOf(target, config).path);
  const all = family.modules(config).map((module) => module.path);
  const common = {
    r: mostCommon(targets.map(({ r }) => r)),
    alpha: mostCommon(targets.map(({ alpha }) => alpha)),
  };
  const pattern = (key: 'r' | 'alpha') =>
    Object.fromEntries(
      targets.flatMap((target, i) => (target[key] === common[key] ? [] : [[paths[i] ?? '', target[key]]])),
    );
  return {
    alpha_pattern: pattern('alpha'),
    auto_mapping: null,
    base_model_name_or_path: base,
    bias: 'none',
    fan_in_fan_out: family.fanInFanOut,
    inference_mode: true,
    init_lora_weights: true,
    layers_pattern: null,
    layers_to_transform: null,
    lora_alpha: common.alpha,
    lora_dropout: 0,
    modules_to_save: null,
    peft_type: 'LORA',
    r: common.r,
    rank_pattern: pattern('r'),
    revision: null,
    target_modules: targetModules(paths, all),
    task_type: 'CAUSAL_LM',
    use_dora: false,
    use_rslora: false,
  };
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
      const meant = all.filter((other) => other === name || other.endsWith(`.${name}`));
      if (length < parts.length && meant.some((other) => !chosen.has(other))) continue;
      names.add(name);
      break;
    }
  }
  return [...names];
}
