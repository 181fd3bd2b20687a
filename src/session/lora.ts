/** The adapters of a training: new ones as configured, or those of a folder, trained on. */
import { shortestDecimal } from '../base/decimal.ts';
import { ExitCode, MftError } from '../base/errors.ts';
import type { ResolvedConfig } from '../config/index.ts';
import {
  type AdapterInit,
  adaptedModules,
  type LoraTarget,
  type ModelConfig,
  resolveLoraTargets,
} from '../model/index.ts';

export interface LoraPlan {
  targets: LoraTarget[];
  dropout: number;
  /** Values to begin with; absent: A random, B zero. */
  init?: AdapterInit | undefined;
}

/**
 * @param init the adapter that lora.init_adapter names
 * @throws MftError model.unknown-module, config.value; config.adapter (the configuration contradicts the adapter).
 */
export function planLora(
  model: ModelConfig,
  config: ResolvedConfig,
  init: AdapterInit | undefined,
): LoraPlan {
  const { lora } = config;
  if (config.method === 'full') return { targets: [], dropout: 0 };
  if (lora.init_adapter === undefined)
    return { targets: resolveLoraTargets(model, { ...lora, modules: lora.targets }), dropout: lora.dropout };
  if (init === undefined) throw new Error('lora.init_adapter was not opened');
  checkAgreement(model, lora, init);
  return { targets: init.targets, dropout: lora.dropout ?? init.dropout ?? 0, init };
}

type GoesOn = Extract<ResolvedConfig['lora'], { init_adapter: string }>;

/** What the configuration says beside lora.init_adapter has to be what the adapter is. */
function checkAgreement(model: ModelConfig, lora: GoesOn, { targets }: AdapterInit): void {
  const [first] = targets;
  if (first === undefined) throw new Error('an adapter without modules');
  const differs = (said: string, has: string) =>
    new MftError(`the configuration says ${said}, but the adapter ${lora.init_adapter} has ${has}`, {
      code: 'config.adapter',
      exit: ExitCode.usage,
      suggestions: [
        'Leave the setting out: the adapter says it.',
        'Or train a new adapter, without --init-adapter.',
      ],
      ref: 'docs/configuration.md',
    });
  if (lora.rslora !== undefined && lora.rslora !== first.rslora)
    throw differs(`lora.rslora: ${lora.rslora}`, `use_rslora ${first.rslora}`);
  const has = new Map(targets.map((target) => [target.module, target]));
  const modules = lora.targets ?? [...has.keys()];
  const said = adaptedModules(model, { modules, overrides: lora.overrides });
  const more = new Set(has.keys());
  for (const { module, r = lora.r, alpha = lora.alpha } of said) {
    const target = has.get(module.path);
    if (target === undefined) throw differs(`lora.targets: ${lora.targets}`, `nothing on ${module.path}`);
    more.delete(module.path);
    if (r !== undefined && r !== target.r)
      throw differs(`r ${r} (lora.r, lora.overrides) for ${module.path}`, `r ${target.r} there`);
    if (alpha !== undefined && Math.fround(alpha) !== target.alpha)
      throw differs(
        `alpha ${alpha} (lora.alpha, lora.overrides) for ${module.path}`,
        `alpha ${shortestDecimal(target.alpha)} there`,
      );
  }
  for (const path of more) throw differs(`lora.targets: ${lora.targets}`, `an adapter on ${path} too`);
}
