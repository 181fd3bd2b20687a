/**
 * Where configuration comes from: a YAML file, `--set`, flags. Each becomes a layer: a tree of values that can say where
 * each of them was written.
 */
import { readFileSync } from 'node:fs';
import { isCollection, isPair, isScalar, LineCounter, type Node, parse, parseDocument } from 'yaml';
import { ExitCode, MftError, messageOf } from '../base/errors.ts';

export type Path = readonly (string | number)[];
/** Plain values as YAML gives them. */
export type Tree = { [key: string]: unknown };

export interface Layer {
  values: Tree;
  /** Where the value or key at a path was written, for people: "gpt2.yaml:12", "--set train.steps=x". */
  where(path: Path): string;
}

/** Larger files are not configurations. */
const YAML_LIMIT = 1 << 20;

/** @throws MftError config.file (cannot be read), config.syntax (not YAML). */
export function yamlLayer(file: string): Layer {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new MftError(`cannot read the configuration ${file}: ${messageOf(error)}`, {
      code: 'config.file',
      exit: ExitCode.usage,
      suggestions: ['Check the path given to --config.'],
      cause: error,
    });
  }
  return yamlTextLayer(text, file);
}

/** The same for text in hand; `name` is what errors call it. */
export function yamlTextLayer(text: string, name: string): Layer {
  const lines = new LineCounter();
  const syntax = (message: string, offset?: number) =>
    new MftError(`${offset === undefined ? name : `${name}:${lines.linePos(offset).line}`}: ${message}`, {
      code: 'config.syntax',
      exit: ExitCode.usage,
      suggestions: ['A configuration is YAML: "key: value" lines, indented by two spaces below a section.'],
    });
  if (text.length > YAML_LIMIT) throw syntax(`over ${YAML_LIMIT} characters is not a configuration`);
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const [error] = document.errors;
  if (error) throw syntax(error.message, error.pos[0]);
  let values: unknown;
  try {
    values = document.toJS({ maxAliasCount: 100 }) ?? {};
  } catch (cause) {
    throw syntax(messageOf(cause)); // too many aliases
  }
  if (typeof values !== 'object' || values === null || Array.isArray(values))
    throw syntax('expected sections and keys at the top', document.contents?.range?.[0]);
  return {
    values: values as Tree,
    where(path) {
      const offset = offsetOf(document.contents, path);
      return offset === undefined ? name : `${name}:${lines.linePos(offset).line}`;
    },
  };
}

/** The offset of the key (in a map) or the value (in a list) at a path, or of the nearest thing around it. */
function offsetOf(root: Node | null, path: Path): number | undefined {
  let node: unknown = root;
  let offset: number | undefined;
  for (const step of path) {
    if (!isCollection(node)) break;
    const items: unknown[] = node.items;
    const item =
      typeof step === 'number'
        ? items[step]
        : items.find((entry) => isPair(entry) && isScalar(entry.key) && String(entry.key.value) === step);
    const key = isPair(item) ? (item.key as Node | null) : (item as Node | undefined);
    if (key?.range) offset = key.range[0];
    node = isPair(item) ? item.value : item;
  }
  return offset;
}

/** `--set train.steps=20`: the value is read as YAML, so lists and booleans work. Later ones win. */
export function setLayer(assignments: readonly string[]): Layer {
  const values: Tree = {};
  const written = new Map<string, string>();
  for (const assignment of assignments) {
    const at = assignment.indexOf('=');
    const path = joinNames(assignment.slice(0, at).split('.'));
    if (at < 1 || path.some((step) => step === ''))
      throw new MftError(`--set ${assignment}: expected path=value, as in --set train.steps=20`, {
        code: 'config.set',
        exit: ExitCode.usage,
        suggestions: [`--set ${assignment.split(/[\s:=]/)[0] || 'train.steps'}=VALUE`],
      });
    put(values, path, parseValue(assignment.slice(at + 1), assignment));
    written.set(path.join('.'), `--set ${assignment}`);
  }
  return { values, where: (path) => nearestWritten(written, path, '--set') };
}

/** Below lora.overrides the names have dots of their own: lora.overrides.mlp.down_proj.r is r of "mlp.down_proj". */
function joinNames(path: string[]): string[] {
  if (path[0] !== 'lora' || path[1] !== 'overrides' || path.length < 5 || path.includes('')) return path;
  return ['lora', 'overrides', path.slice(2, -1).join('.'), path.at(-1) ?? ''];
}

function parseValue(text: string, assignment: string): unknown {
  try {
    return parse(text, { uniqueKeys: true, maxAliasCount: 0 });
  } catch (error) {
    throw new MftError(`--set ${assignment}: ${messageOf(error).split('\n')[0]}`, {
      code: 'config.syntax',
      exit: ExitCode.usage,
      suggestions: ['Quote a value that holds one of : [ ] { } # as in --set \'sample.prompt="Call: "\'.'],
    });
  }
}

/** Flags of the command line that stand for keys: { 'train.steps': 20 }; undefined ones were not given. */
export function flagLayer(flags: Readonly<Record<string, { flag: string; value: unknown }>>): Layer {
  const values: Tree = {};
  const written = new Map<string, string>();
  for (const [path, { flag, value }] of Object.entries(flags)) {
    if (value === undefined) continue;
    put(values, path.split('.'), value);
    written.set(path, flag);
  }
  return { values, where: (path) => nearestWritten(written, path, 'the flags') };
}

function nearestWritten(written: ReadonlyMap<string, string>, path: Path, fallback: string): string {
  for (let length = path.length; length > 0; length -= 1) {
    const found = written.get(path.slice(0, length).join('.'));
    if (found !== undefined) return found;
  }
  const prefix = `${path.join('.')}.`;
  for (const [key, where] of written) if (key.startsWith(prefix)) return where;
  return fallback;
}

/** Own properties only: "__proto__" in a file is just an unknown key. */
export function own(tree: unknown, key: string | number): unknown {
  return typeof tree === 'object' && tree !== null && Object.hasOwn(tree, key)
    ? (tree as Record<string | number, unknown>)[key]
    : undefined;
}

export function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function put(tree: Tree, path: readonly string[], value: unknown): void {
  const [first, ...rest] = path as [string, ...string[]];
  if (rest.length === 0) {
    define(tree, first, value);
    return;
  }
  const below = own(tree, first);
  const next: Tree = isTree(below) ? below : {};
  define(tree, first, next);
  put(next, rest, value);
}

/** Plain assignment to "__proto__" would set the prototype instead of a key. */
export function define(tree: Tree, key: string, value: unknown): void {
  Object.defineProperty(tree, key, { value, enumerable: true, configurable: true, writable: true });
}
