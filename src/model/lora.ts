/** Which weights get an adapter, by Hugging Face module names; and how an adapter's tensors are named and shaped. */
import { ExitCode, MftError } from '../base/errors.ts';
import { nearest } from '../base/nearest.ts';
import { mft } from '../protocol/index.ts';
import { familyOf } from './families/index.ts';
import type { LinearModule } from './families/types.ts';
import { type SegmentShape, tensorShape } from './pack/layout.ts';
import type { LoraRequest, LoraTarget, ModelConfig } from './types.ts';

/** Every linear module but the output head, as in peft. */
export const ALL_LINEAR = 'all-linear';
const MAX_RANK = 4096;

/** peft's rule: the whole path, or its end behind a dot. */
function isNamed(path: string, name: string): boolean {
  return path === name || path.endsWith(`.${name}`);
}

/**
 * The adapters of a run, in walking order.
 * @throws MftError model.unknown-module naming the module and the nearest known one; model.bad-rank.
 */
export function resolveLoraTargets(config: ModelConfig, request: LoraRequest): LoraTarget[] {
  const { r, alpha } = request;
  if (!Number.isSafeInteger(r) || r < 1 || r > MAX_RANK || !Number.isFinite(alpha) || alpha <= 0)
    throw new MftError(
      `LoRA with r = ${r} and alpha = ${alpha}: r must be 1 to ${MAX_RANK}, alpha positive`,
      {
        code: 'model.bad-rank',
        exit: ExitCode.usage,
      },
    );
  const family = familyOf(config.family, 'the model');
  const modules = family.modules(config);
  const names = request.modules ?? family.defaultLoraModules;
  if (names.length === 0) throw unknownModule('', modules);
  for (const name of names)
    if (name !== ALL_LINEAR && !modules.some((module) => isNamed(module.path, name)))
      throw unknownModule(name, modules);
  return modules
    .filter((module) => names.some((name) => name === ALL_LINEAR || isNamed(module.path, name)))
    .map((module) => targetOf(module, r, alpha));
}

/** The adapter of one module. */
export function targetOf(module: LinearModule, r: number, alpha: number): LoraTarget {
  return mft.v1.LoraTarget.create({
    tensor: module.tensor,
    rowBegin: module.rowBegin,
    rowEnd: module.rowEnd,
    r,
    alpha,
    module: module.path,
  }) as LoraTarget;
}

/** The module that a target adapts. @throws MftError model.bad-adapter when there is none of exactly these rows. */
export function moduleOf(target: LoraTarget, config: ModelConfig): LinearModule {
  const found = familyOf(config.family, 'the model')
    .modules(config)
    .find(
      (module) =>
        module.tensor === target.tensor &&
        module.rowBegin === target.rowBegin &&
        module.rowEnd === target.rowEnd,
    );
  if (found !== undefined) return found;
  throw new MftError(
    `an adapter on rows ${target.rowBegin} to ${target.rowEnd} of ${target.tensor.slice(0, 100)} fits no module of the model`,
    { code: 'model.bad-adapter', exit: ExitCode.usage },
  );
}

function unknownModule(name: string, modules: readonly LinearModule[]): MftError {
  const known = [...new Set(modules.map((module) => module.path.split('.').slice(-2).join('.')))];
  const leaves = [...new Set(known.map((path) => path.split('.').slice(-1).join()))];
  const meant = nearest(name, [...leaves, ...known, ALL_LINEAR]);
  return new MftError(
    name === '' ? 'no modules for LoRA' : `the model has no linear module "${name.slice(0, 80)}"`,
    {
      code: 'model.unknown-module',
      exit: ExitCode.usage,
      suggestions: [
        ...(name === '' || meant === undefined ? [] : [`Did you mean ${meant}?`]),
        `Modules: ${known.join(', ')}; or ${ALL_LINEAR}.`,
      ],
    },
  );
}

/**
 * Names of an adapter's two tensors, in results, checkpoints and initial segments: the weight's name, with its rows behind
 * it when they are not all of them (device-runtime/models/model.h, adapter_name).
 */
export function adapterTensorNames(target: LoraTarget, config: ModelConfig): { a: string; b: string } {
  const { tensor, rowBegin, rowEnd } = target;
  const isWhole = rowBegin === 0 && rowEnd === tensorShape(tensor, config)?.[0];
  const base = isWhole ? tensor : `${tensor}[${rowBegin}:${rowEnd}]`;
  return { a: `${base}.lora_A`, b: `${base}.lora_B` };
}

/** The segment of all adapters: A [r, in] before B [rows, r], in the order of the targets. */
export function adapterSegmentShape(targets: readonly LoraTarget[], config: ModelConfig): SegmentShape {
  return {
    name: 'adapter',
    tensors: targets.flatMap((target) => {
      const { a, b } = adapterTensorNames(target, config);
      return [
        { name: a, shape: [target.r, moduleOf(target, config).inFeatures] },
        { name: b, shape: [target.rowEnd - target.rowBegin, target.r] },
      ];
    }),
  };
}
