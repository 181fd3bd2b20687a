import { z } from 'zod';
import { ExitCode, MftError } from '../base/errors.ts';
import { nearest } from '../base/nearest.ts';
import { withDefaults } from './defaults.ts';
import { define, isTree, type Layer, own, type Path, type Tree } from './layers.ts';
import { configSchema, type PartialConfig, type ResolvedConfig } from './schema.ts';

/** Keys of which one says the same as the other: a later layer's choice replaces an earlier one's. */
const ALTERNATIVES = [
  ['train', 'steps', 'epochs'],
  ['train', 'warmup_steps', 'warmup_ratio'],
] as const;

/**
 * Checks each layer by the schema, lays later ones over earlier ones and fills in the defaults.
 *
 * @throws MftError config.unknown-key, config.type, config.value: each names where it was written.
 */
export function resolveConfig(layers: readonly Layer[]): ResolvedConfig {
  let merged: Tree = {};
  for (const layer of layers) {
    const config = checkLayer(layer);
    for (const [section, a, b] of ALTERNATIVES) {
      if (config[section]?.[a] !== undefined) merged = without(merged, section, b);
      if (config[section]?.[b] !== undefined) merged = without(merged, section, a);
    }
    merged = overlay(merged, config);
  }
  return withDefaults(merged as PartialConfig);
}

/** One layer by the schema. Several mistakes are reported together; the first gives the code. */
function checkLayer(layer: Layer): PartialConfig {
  const result = configSchema.safeParse(withoutNull(layer.values));
  if (!result.success) {
    const problems = result.error.issues.flatMap((issue) => problemsOf(issue, layer));
    const [first] = problems;
    throw new MftError(problems.map((problem) => problem.message).join('\n'), {
      code: first?.code ?? 'config.value',
      exit: ExitCode.usage,
      suggestions: problems.flatMap((problem) => problem.suggestions),
      ref: 'docs/configuration.md',
    });
  }
  for (const [section, a, b] of ALTERNATIVES)
    if (result.data[section]?.[a] !== undefined && result.data[section]?.[b] !== undefined)
      throw new MftError(
        `${layer.where([section, b])}: ${section}.${a} and ${section}.${b} say the same thing twice`,
        { code: 'config.value', exit: ExitCode.usage, suggestions: [`Keep one of ${a} and ${b}.`] },
      );
  return result.data;
}

interface Problem {
  code: string;
  message: string;
  suggestions: string[];
}

function problemsOf(issue: z.core.$ZodIssue, layer: Layer): Problem[] {
  const path = issue.path.map((step) => (typeof step === 'number' ? step : String(step)));
  if (issue.code === 'invalid_union') {
    // A list with a wrong entry: the entry is the mistake, not that it is no text.
    const within = issue.errors.find((issues) => issues.every((below) => below.path.length > 0));
    if (within !== undefined && within.length > 0)
      return within.flatMap((below) => problemsOf({ ...below, path: [...issue.path, ...below.path] }, layer));
  }
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey([...path, key], layer));
  const found = describe(path.reduce<unknown>((tree, step) => own(tree, step), layer.values));
  const wrongType = ['invalid_type', 'invalid_value', 'invalid_union'].includes(issue.code);
  return [
    {
      code: wrongType ? 'config.type' : 'config.value',
      message: `${layer.where(path)}: ${path.join('.')}: expected ${expected(issue)}, found ${found}`,
      suggestions: [],
    },
  ];
}

function expected(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return (
        {
          int: 'a whole number',
          number: 'a number',
          string: 'a text',
          boolean: 'true or false',
          array: 'a list',
          object: 'a section with keys',
        }[issue.expected as string] ?? String(issue.expected)
      );
    case 'invalid_union':
      return 'a text or a list of texts'; // lora.targets; there is no other
    case 'invalid_value':
      return `one of ${issue.values.map(String).join(', ')}`;
    case 'too_small':
      return issue.origin === 'string' || issue.origin === 'array'
        ? 'something, not nothing'
        : `a number ${issue.inclusive ? 'of at least' : 'over'} ${issue.minimum}`;
    case 'too_big':
      return issue.origin === 'string' || issue.origin === 'array'
        ? `at most ${issue.maximum} of them`
        : `a number ${issue.inclusive ? 'of at most' : 'below'} ${issue.maximum}`;
    default:
      return issue.message;
  }
}

function describe(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (isTree(value)) return 'a section';
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? String(value));
  return `${typeof value === 'string' ? 'the text ' : ''}${text.length > 60 ? `${text.slice(0, 57)}...` : text}`;
}

function unknownKey(path: Path, layer: Layer): Problem {
  const key = String(path.at(-1));
  if (path[1] === 'overrides' && path.length === 4)
    return {
      code: 'config.unknown-key',
      message: `${layer.where(path)}: unknown key ${key} of ${path.slice(0, 2).join('.')} "${path[2]}"`,
      suggestions: ['An override has r, alpha or both.'],
    };
  const known = keysAt(path.slice(0, -1));
  const sibling = nearest(key, known);
  const elsewhere = ALL_KEYS.filter((full) => full.split('.').at(-1) === key);
  const meant =
    sibling === undefined
      ? (elsewhere[0] ?? nearest(path.join('.'), ALL_KEYS))
      : [...path.slice(0, -1), sibling].join('.');
  return {
    code: 'config.unknown-key',
    message: `${layer.where(path)}: unknown key ${path.join('.')}`,
    suggestions: [meant === undefined ? `Known keys here: ${known.join(', ')}.` : `Did you mean ${meant}?`],
  };
}

/** Known keys below a section. */
function keysAt(path: Path): string[] {
  const prefix = path.length === 0 ? '' : `${path.join('.')}.`;
  const below = ALL_KEYS.filter((key) => key.startsWith(prefix)).map(
    (key) => key.slice(prefix.length).split('.')[0] ?? '',
  );
  return [...new Set(below)];
}

const ALL_KEYS: readonly string[] = keysOf(configSchema);

function keysOf(section: z.ZodObject): string[] {
  return Object.entries(section.shape).flatMap(([key, schema]) => {
    const inner: unknown = schema instanceof z.ZodOptional ? schema.unwrap() : schema;
    return inner instanceof z.ZodObject ? keysOf(inner).map((below) => `${key}.${below}`) : [key];
  });
}

/** Every key a configuration can hold, dotted: for completion and documentation. */
export function configKeys(): readonly string[] {
  return ALL_KEYS;
}

/** "train:" with nothing below is an empty section, a key with nothing is not said. */
function withoutNull(tree: Tree): Tree {
  const kept: Tree = {};
  for (const [key, value] of Object.entries(tree)) {
    if (value === null) continue;
    define(kept, key, isTree(value) ? withoutNull(value) : value);
  }
  return kept;
}

function without(tree: Tree, section: string, key: string): Tree {
  const below = tree[section];
  if (!isTree(below)) return tree;
  const { [key]: _dropped, ...rest } = below;
  return { ...tree, [section]: rest };
}

function overlay(base: Tree, over: Tree): Tree {
  const result = { ...base };
  for (const [key, value] of Object.entries(over)) {
    if (value === undefined) continue;
    const below = result[key];
    result[key] = isTree(value) && isTree(below) ? overlay(below, value) : value;
  }
  return result;
}
