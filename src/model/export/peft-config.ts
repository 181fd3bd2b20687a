/** adapter_config.json, as peft 0.21 writes it (tuners/lora/config.py). What would change the result is understood or refused. */
import { ExitCode, MftError } from '../../base/errors.ts';
import { isObject, type JsonObject } from '../json.ts';
import { isNamed, isPlainName, matchWhole } from '../module-names.ts';

/** Fields that do not change what the adapter computes once its tensors are there. */
const IRRELEVANT = new Set([
  'auto_mapping',
  'ensure_weight_tying',
  'eva_config', // how A began
  'fan_in_fan_out', // peft corrects it by the kind of the layer, and A and B are stored the same either way
  'inference_mode',
  'megatron_core',
  'peft_version',
  'qalora_group_size',
  'revision',
  'runtime_config',
]);

/** Ways to begin that leave the base weights alone (pissa, olora, corda, lora_ga and loftq change them). */
const HARMLESS_INITS: unknown[] = [true, false, 'gaussian', 'orthogonal', 'eva', undefined];

export interface PeftConfig {
  r: number;
  alpha: number;
  /** base_model_name_or_path, for people. */
  base: string | undefined;
  /** Of the run that it was trained in. */
  dropout: number;
  rslora: boolean;
  /** Keys are names of modules or expressions for them: module-names.ts, patternKeys. */
  ranks: Record<string, number>;
  alphas: Record<string, number>;
  /** Of each path whether it has an adapter; undefined: the file does not say it in a way that mft can follow. */
  isTargeted: ((paths: readonly string[]) => boolean[]) | undefined;
}

/** The error of an adapter that mft can't take. */
export function refusePeft(place: string, why: string, suggestions: string[] = []): MftError {
  const shown = why.length > 1000 ? `${why.slice(0, 1000)}...` : why; // it quotes the file
  return new MftError(`${place}: ${shown}`, { code: 'model.bad-adapter', exit: ExitCode.usage, suggestions });
}

/** @throws MftError model.bad-adapter naming the field. */
export function parsePeftConfig(raw: JsonObject, place: string): PeftConfig {
  const { peft_type, task_type, bias, init_lora_weights, use_rslora, ...others } = raw;
  const { r, lora_alpha, lora_dropout, rank_pattern, alpha_pattern, ...more } = others;
  const { target_modules, exclude_modules, layers_to_transform, layers_pattern, ...last } = more;
  const { base_model_name_or_path, ...rest } = last;
  const wrong = (name: string, value: unknown, why: string) =>
    refusePeft(place, `${name} ${JSON.stringify(value)?.slice(0, 100)} ${why}`);
  if (peft_type !== 'LORA') throw wrong('peft_type', peft_type, 'is not "LORA"');
  if (!isOff(task_type) && task_type !== 'CAUSAL_LM')
    throw wrong('task_type', task_type, 'is not "CAUSAL_LM"');
  if (bias !== undefined && bias !== 'none') throw wrong('bias', bias, 'is not "none"');
  if (!HARMLESS_INITS.includes(init_lora_weights))
    throw wrong('init_lora_weights', init_lora_weights, 'changes the base model, or is new to mft');
  if (!isOff(use_rslora) && use_rslora !== true)
    throw wrong('use_rslora', use_rslora, 'is not true or false');
  for (const [name, value] of Object.entries(rest))
    if (!isOff(value) && !IRRELEVANT.has(name))
      throw refusePeft(place, `mft can't do ${name} = ${JSON.stringify(value).slice(0, 100)}`);
  if (!isRank(r)) throw refusePeft(place, `r = ${JSON.stringify(r)} is no rank`);
  if (!isAlpha(lora_alpha))
    throw refusePeft(place, `lora_alpha = ${JSON.stringify(lora_alpha)} is no positive number`);
  if (!isOff(lora_dropout) && !isDropout(lora_dropout))
    throw wrong('lora_dropout', lora_dropout, 'is no probability below 1');
  return {
    r,
    alpha: lora_alpha,
    base: typeof base_model_name_or_path === 'string' ? base_model_name_or_path : undefined,
    dropout: isDropout(lora_dropout) ? lora_dropout : 0,
    rslora: use_rslora === true,
    ranks: pattern(rank_pattern, 'rank_pattern', isRank, place),
    alphas: pattern(alpha_pattern, 'alpha_pattern', isAlpha, place),
    isTargeted: targetedBy({ target_modules, exclude_modules, layers_to_transform, layers_pattern }, place),
  };
}

function isOff(value: unknown): boolean {
  const empty =
    (Array.isArray(value) && value.length === 0) || (isObject(value) && Object.keys(value).length === 0);
  return value === null || value === undefined || value === false || empty;
}

function isRank(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1 && value <= 65536;
}

function isAlpha(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0;
}

function isDropout(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value < 1;
}

function pattern(
  value: unknown,
  name: string,
  isSound: (value: unknown) => value is number,
  place: string,
): Record<string, number> {
  if (isOff(value)) return {};
  if (!isObject(value)) throw refusePeft(place, `${name} is not a map`);
  const entries = Object.entries(value).map(([key, entry]): [string, number] => {
    if (isSound(entry)) return [key, entry];
    throw refusePeft(place, `${name} has a bad entry "${key.slice(0, 100)}"`);
  });
  return Object.fromEntries(entries);
}

type Targets = Record<
  'target_modules' | 'exclude_modules' | 'layers_to_transform' | 'layers_pattern',
  unknown
>;
type Test = (paths: readonly string[]) => boolean[];

/** peft's check_target_module_exists. */
function targetedBy(targets: Targets, place: string): Test | undefined {
  const { target_modules, exclude_modules, layers_to_transform, layers_pattern } = targets;
  const chosen = modulesTest(target_modules, 'target_modules', place);
  const excluded = isOff(exclude_modules)
    ? undefined
    : modulesTest(exclude_modules, 'exclude_modules', place);
  if (chosen === undefined || (!isOff(exclude_modules) && excluded === undefined)) return undefined;
  const layers = layersTest(layers_to_transform, layers_pattern, place);
  return (paths) => {
    const [isChosen, isExcluded] = [chosen(paths), excluded?.(paths)];
    // A module named by its whole path is one whatever its layer is.
    const isWhole = (path: string) => Array.isArray(target_modules) && target_modules.includes(path);
    return paths.map(
      (path, i) => isChosen[i] === true && isExcluded?.[i] !== true && (isWhole(path) || layers(path)),
    );
  };
}

/** Names in a list, "all-linear", or an expression; undefined: an expression that mft can't read. */
function modulesTest(value: unknown, name: string, place: string): Test | undefined {
  if (Array.isArray(value)) {
    const names = value.map((entry: unknown) => {
      if (typeof entry === 'string' && entry !== '') return entry;
      throw refusePeft(place, `${name} has an entry that is no name`);
    });
    return (paths) => paths.map((path) => names.some((entry) => isNamed(path, entry)));
  }
  if (isOff(value)) return undefined;
  if (typeof value !== 'string') throw refusePeft(place, `${name} is neither a list nor a text`);
  if (value.toLowerCase() === 'all-linear') return (paths) => paths.map(() => true);
  try {
    matchWhole(value, []);
  } catch {
    return undefined; // Python's own syntax: the tensors tell as well which modules have an adapter
  }
  return (paths) => matchWhole(value, paths);
}

function layersTest(indexes: unknown, patterns: unknown, place: string): (path: string) => boolean {
  if (isOff(indexes)) return () => true;
  const wanted: unknown[] = Array.isArray(indexes) ? indexes : [indexes];
  if (!wanted.every((index) => Number.isSafeInteger(index)))
    throw refusePeft(place, 'layers_to_transform is no list of layers');
  const names: unknown[] =
    isOff(patterns) || patterns === '' ? [] : Array.isArray(patterns) ? patterns : [patterns];
  const expressions = names.map((name) => {
    if (typeof name !== 'string' || !isPlainName(name))
      throw refusePeft(place, `layers_pattern ${JSON.stringify(name)?.slice(0, 100)} is no name`);
    return new RegExp(`^(?:|.*?\\.)${name.replaceAll('.', '\\.')}\\.(\\d+)\\.`);
  });
  if (expressions.length === 0) expressions.push(/^.*?\.[^.]*\.(\d+)\./);
  return (path) => {
    const found = expressions
      .map((expression) => expression.exec(path)?.[1])
      .find((index) => index !== undefined);
    return found !== undefined && wanted.includes(Number(found));
  };
}
