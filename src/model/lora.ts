/** Which weights get an adapter, by Hugging Face module names; and how an adapter's tensors are named and shaped. */
import { ExitCode, MftError } from '../base/errors.ts';
import { nearest } from '../base/nearest.ts';
import { mft } from '../protocol/index.ts';
import { familyOf } from './families/index.ts';
import type { LinearModule } from './families/types.ts';
import { overridesOf } from './lora-overrides.ts';
import { isNamed, matchWhole } from './module-names.ts';
import { type SegmentShape, tensorShape } from './pack/layout.ts';
import { elementsOf } from './tensors/stream.ts';
import type { LoraOverride, LoraRequest, LoraTarget, ModelConfig } from './types.ts';

/** Every linear module but the output head, as in peft. */
export const ALL_LINEAR = 'all-linear';
const MAX_RANK = 4096;

/**
 * The adapters of a run, in walking order.
 * @throws MftError model.bad-rank, and what adaptedModules throws.
 */
export function resolveLoraTargets(config: ModelConfig, request: LoraRequest): LoraTarget[] {
  return adaptedModules(config, request).map(({ module, r = request.r, alpha = request.alpha }) => {
    checkRank(r, alpha);
    return targetOf(module, r, alpha, request.rslora);
  });
}

/**
 * The chosen modules in walking order, each with the rank and alpha that overrides give it.
 * @throws MftError model.unknown-module naming the module and the nearest known one; model.bad-pattern, config.value.
 */
export function adaptedModules(
  config: ModelConfig,
  request: Pick<LoraRequest, 'modules' | 'overrides'>,
): (LoraOverride & { module: LinearModule })[] {
  const family = familyOf(config.family, 'the model');
  const all = family.modules(config);
  const chosen = chosenModules(all, request.modules ?? family.defaultLoraModules);
  const paths = (modules: readonly LinearModule[]) => modules.map(({ path }) => path);
  const overrides = overridesOf(request.overrides ?? {}, paths(chosen), paths(all));
  return chosen.map((module, i) => ({ module, ...overrides[i] }));
}

/** The modules that a list of names or a regular expression means. */
function chosenModules(all: readonly LinearModule[], wanted: readonly string[] | string): LinearModule[] {
  if (typeof wanted === 'string') {
    const matches = matchWhole(
      wanted,
      all.map(({ path }) => path),
    );
    if (!matches.includes(true)) throw unknownModule(wanted, all);
    return all.filter((_, i) => matches[i]);
  }
  if (wanted.length === 0) throw unknownModule('', all);
  for (const name of wanted)
    if (name !== ALL_LINEAR && !all.some(({ path }) => isNamed(path, name))) throw unknownModule(name, all);
  return all.filter(({ path }) => wanted.some((name) => name === ALL_LINEAR || isNamed(path, name)));
}

function checkRank(r: number, alpha: number): void {
  if (Number.isSafeInteger(r) && r >= 1 && r <= MAX_RANK && Number.isFinite(alpha) && alpha > 0) return;
  throw new MftError(`LoRA with r = ${r} and alpha = ${alpha}: r must be 1 to ${MAX_RANK}, alpha positive`, {
    code: 'model.bad-rank',
    exit: ExitCode.usage,
  });
}

/** The adapter of one module. */
export function targetOf(module: LinearModule, r: number, alpha: number, rslora = false): LoraTarget {
  return mft.v1.LoraTarget.create({
    tensor: module.tensor,
    rowBegin: module.rowBegin,
    rowEnd: module.rowEnd,
    r,
    alpha: Math.fround(alpha),
    module: module.path,
    rslora,
  }) as LoraTarget;
}

/** What the product B A x is multiplied with. */
export function scaleOf({ r, alpha, rslora }: Pick<LoraTarget, 'r' | 'alpha' | 'rslora'>): number {
  return alpha / (rslora ? Math.sqrt(r) : r);
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

/** Values of all adapters together. */
export function countAdapterElements(targets: readonly LoraTarget[], config: ModelConfig): number {
  const { tensors } = adapterSegmentShape(targets, config);
  return tensors.reduce((sum, { shape }) => sum + elementsOf(shape), 0);
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
