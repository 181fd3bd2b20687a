/** A PEFT folder as an adapter to start from or to apply. Whatever would change the result is understood or refused. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { ExitCode, MftError } from '../../base/errors.ts';
import { familyOf } from '../families/index.ts';
import type { LinearModule } from '../families/types.ts';
import { isObject, type JsonObject, readJsonObject } from '../json.ts';
import { adapterSegmentShape, adapterTensorNames, targetOf } from '../lora.ts';
import { hexOf, segmentFileName, writeSegment } from '../pack/segment-file.ts';
import { openSafetensors, type SafetensorsReader } from '../safetensors/reader.ts';
import { elementsOf, readPieces } from '../tensors/stream.ts';
import type { AdapterInit, LoraTarget, ModelConfig } from '../types.ts';

export const ADAPTER_CONFIG = 'adapter_config.json';
const MAX_CONFIG_BYTES = 4 << 20;

/** Fields of adapter_config.json that do not change what the adapter computes once its tensors are there. */
const IRRELEVANT = new Set([
  'auto_mapping',
  'base_model_name_or_path',
  'ensure_weight_tying',
  'exclude_modules',
  'fan_in_fan_out', // peft corrects it by the kind of the layer, and A and B are stored the same either way
  'inference_mode',
  'layers_pattern',
  'layers_to_transform',
  'lora_dropout',
  'megatron_core',
  'peft_version',
  'qalora_group_size',
  'revision',
  'runtime_config',
  'target_modules',
]);

/** Ways to begin that leave the base weights alone (pissa, olora, corda, lora_ga and loftq change them). */
const HARMLESS_INITS: unknown[] = [true, false, 'gaussian', 'orthogonal', 'eva', undefined];

interface PeftConfig {
  r: number;
  alpha: number;
  rankPattern: JsonObject;
  alphaPattern: JsonObject;
  rslora: boolean;
}

function refuse(place: string, why: string): MftError {
  return new MftError(`${place}: ${why}`, { code: 'model.bad-adapter', exit: ExitCode.usage });
}

/** Reads `dir` and writes its values as a segment file into `cacheDir`. @throws MftError model.bad-adapter. */
export async function readPeft(dir: string, config: ModelConfig, cacheDir: string): Promise<AdapterInit> {
  const place = join(dir, ADAPTER_CONFIG);
  const peft = readConfig(await readJsonObject(place, MAX_CONFIG_BYTES), place);
  const reader = await openSafetensors(join(dir, 'adapter_model.safetensors'));
  try {
    const { targets, names } = matchTensors(reader, peft, config, reader.paths[0] ?? dir);
    await mkdir(cacheDir, { recursive: true });
    const segment = await writeSegment(cacheDir, adapterSegmentShape(targets, config), (tensor) => {
      const name = names.get(tensor) ?? '';
      return readPieces(reader, name, 0, elementsOf(reader.shapes.get(name) ?? []));
    });
    const path = join(cacheDir, segmentFileName(segment));
    const file = { name: 'adapter', path, sha256: hexOf(segment.sha256), bytes: segment.bytes };
    return { targets, segment, file };
  } finally {
    await reader.close();
  }
}

function readConfig(raw: JsonObject, place: string): PeftConfig {
  const { peft_type, task_type, bias, r, lora_alpha, rank_pattern, alpha_pattern, use_rslora, ...rest } = raw;
  const { init_lora_weights, ...others } = rest;
  if (peft_type !== 'LORA') throw refuse(place, `peft_type ${JSON.stringify(peft_type)} is not "LORA"`);
  if (task_type !== 'CAUSAL_LM' && task_type !== null && task_type !== undefined)
    throw refuse(place, `task_type ${JSON.stringify(task_type)} is not "CAUSAL_LM"`);
  if (bias !== 'none' && bias !== undefined)
    throw refuse(place, `bias ${JSON.stringify(bias)} is not "none"`);
  if (!HARMLESS_INITS.includes(init_lora_weights))
    throw refuse(place, `init_lora_weights ${JSON.stringify(init_lora_weights)} changes the base model`);
  for (const [name, value] of Object.entries(others)) {
    const off = value === null || value === false || (isObject(value) && Object.keys(value).length === 0);
    if (!off && !IRRELEVANT.has(name))
      throw refuse(place, `mft does not know ${name} = ${JSON.stringify(value).slice(0, 100)}`);
  }
  if (!isRank(r)) throw refuse(place, `r = ${JSON.stringify(r)} is no rank`);
  if (!isAlpha(lora_alpha))
    throw refuse(place, `lora_alpha = ${JSON.stringify(lora_alpha)} is no positive number`);
  return {
    r,
    alpha: lora_alpha,
    rankPattern: pattern(rank_pattern, 'rank_pattern', isRank, place),
    alphaPattern: pattern(alpha_pattern, 'alpha_pattern', isAlpha, place),
    rslora: use_rslora === true,
  };
}

function isRank(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1 && value <= 65536;
}

function isAlpha(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0;
}

/** Keys are module names; peft would take regular expressions too, mft takes none from a file. */
function pattern(
  value: unknown,
  name: string,
  isSound: (value: unknown) => boolean,
  place: string,
): JsonObject {
  if (value === undefined || value === null) return {};
  if (!isObject(value)) throw refuse(place, `${name} is not a map`);
  for (const [key, entry] of Object.entries(value))
    if (!/^[\w.]+$/.test(key) || !isSound(entry))
      throw refuse(place, `${name} has a bad entry "${key.slice(0, 100)}"`);
  return value;
}

/** The value for a module: the first key that is its path or its end. */
function lookUp(map: JsonObject, path: string, fallback: number): number {
  for (const [key, value] of Object.entries(map))
    if ((path === key || path.endsWith(`.${key}`)) && typeof value === 'number') return value;
  return fallback;
}

/** Every tensor is A or B of a module of the model, in its shape, and each A has its B. */
function matchTensors(
  reader: SafetensorsReader,
  peft: PeftConfig,
  config: ModelConfig,
  place: string,
): { targets: LoraTarget[]; names: Map<string, string> } {
  const family = familyOf(config.family, 'the model');
  const modules = new Map(family.modules(config).map((module) => [module.path, module]));
  const found = new Set<LinearModule>();
  const tensors = new Map<string, string>(); // "<path> A" -> name in the file
  for (const name of reader.entries.keys()) {
    const parts = /^base_model\.model\.(.+)\.lora_([AB])\.weight$/.exec(name);
    const path = parts?.[1] ?? '';
    const module = modules.get(path) ?? modules.get(`${family.prefix}${path}`);
    if (module === undefined)
      throw refuse(place, `tensor "${name.slice(0, 200)}" belongs to no linear module of the model`);
    const key = `${module.path} ${parts?.[2]}`;
    if (tensors.has(key)) throw refuse(place, `tensor "${name.slice(0, 200)}" is there under two names`);
    found.add(module);
    tensors.set(key, name);
  }
  if (found.size === 0) throw refuse(place, 'it has no tensors');
  const names = new Map<string, string>();
  const targets: LoraTarget[] = [];
  for (const module of modules.values()) {
    if (!found.has(module)) continue;
    const r = lookUp(peft.rankPattern, module.path, peft.r);
    const alpha = lookUp(peft.alphaPattern, module.path, peft.alpha);
    // Rank-stabilized: scale alpha / sqrt(r) instead of alpha / r.
    const target = targetOf(module, r, Math.fround(peft.rslora ? alpha * Math.sqrt(r) : alpha));
    const own = adapterTensorNames(target, config);
    const shapes = { A: [r, module.inFeatures], B: [module.rowEnd - module.rowBegin, r] };
    for (const half of ['A', 'B'] as const) {
      const name = tensors.get(`${module.path} ${half}`);
      const shape = reader.shapes.get(name ?? '')?.join(', ') ?? 'missing';
      if (name === undefined || shape !== shapes[half].join(', '))
        throw refuse(
          place,
          `lora_${half} of ${module.path} has shape [${shape}], [${shapes[half].join(', ')}] is expected`,
        );
      names.set(half === 'A' ? own.a : own.b, name);
    }
    targets.push(target);
  }
  return { targets, names };
}
