/** A Hugging Face folder or a GGUF file becomes a model pack. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ExitCode, MftError } from '../base/errors.ts';
import type { Operation } from '../base/progress.ts';
import { familyOf } from './families/index.ts';
import type { Family, HfTensor } from './families/types.ts';
import { elementsIn, type TensorPiece } from './pack/encode.ts';
import { canonicalSegments } from './pack/layout.ts';
import { chosenType } from './pack/storage.ts';
import { configFault } from './pack/validate.ts';
import { writePack } from './pack/write.ts';
import { isGgufName, type ModelSource, openSource, type SourceWeights } from './source.ts';
import { elementsOf, inRows, readPieces, readTransposed } from './tensors/stream.ts';
import { readTokenizer, TOKENIZER_SIDE_FILES, type Tokenizer } from './tokenizer-files.ts';
import type { ModelConfig, PackManifest, StorageType, WeightType } from './types.ts';

export interface ImportOptions extends Operation {
  /** A folder with tokenizer.json, when the model has none of its own; 'none': make a pack that can't read text. */
  tokenizer?: string | undefined;
  /** How the matrices are stored in the pack; 'auto' when absent. */
  dtype?: WeightType | undefined;
  /** What the pack says it came from; the path when absent. */
  origin?: string | undefined;
}

/** The configuration of a Hugging Face folder or GGUF file, understood. @throws MftError naming the field. */
export async function readModelConfig(path: string): Promise<ModelConfig> {
  return understand(await openSource(path));
}

function understand({ config: raw, configPath }: ModelSource): ModelConfig {
  const config = familyOf(raw.model_type, configPath).readConfig(raw, configPath);
  const fault = configFault(config);
  if (fault !== undefined)
    throw new MftError(`${configPath}: ${fault}`, { code: 'model.bad-config-field', exit: ExitCode.usage });
  return config;
}

/** Imports a Hugging Face folder or GGUF file into the new folder `target`. @throws MftError naming file, field or tensor. */
export async function importSource(
  path: string,
  target: string,
  options: ImportOptions = {},
): Promise<PackManifest> {
  const source = await openSource(path);
  const config = understand(source);
  const family = familyOf(config.family, path);
  const tokenizer = await tokenizerOf(source, config, options.tokenizer);
  const sideFiles = await source.sideFiles();
  for (const name of TOKENIZER_SIDE_FILES) sideFiles.delete(name);
  for (const [name, bytes] of tokenizer?.files ?? []) sideFiles.set(name, bytes);

  const weights = await source.openWeights();
  try {
    const { prefix, parts: partsOf } = matchTensors(weights, family, config, source);
    await checkTied(weights, family, config, prefix, source);
    const typeOf = (tensor: string) =>
      chosenType(tensor, options.dtype ?? 'auto', sourceType(weights, partsOf.get(tensor) ?? [], prefix));
    const counter = progressCounter(weights, options);
    return await writePack(
      target,
      {
        config,
        source: options.origin ?? path,
        tokenizer: tokenizer?.compiled,
        sideFiles,
        typeOf,
        pieces(tensor) {
          const [parts, type] = [partsOf.get(tensor) ?? [], typeOf(tensor)];
          const columns = parts[0]?.hfShape[1] ?? 1;
          return counter(canonicalPieces(weights, parts, prefix, type), type, columns);
        },
      },
      options.signal === undefined ? {} : { signal: options.signal },
    );
  } finally {
    await weights.close();
  }
}

async function tokenizerOf(
  source: ModelSource,
  config: ModelConfig,
  chosen: string | undefined,
): Promise<Tokenizer | undefined> {
  if (chosen === 'none') return undefined;
  return await readTokenizer(chosen ?? source.tokenizer ?? new Map(), config, chosen ?? source.path);
}

interface MatchedTensors {
  prefix: string;
  /** Of each canonical tensor: its Hugging Face parts in the order of their rows. */
  parts: Map<string, HfTensor[]>;
}

/** Every tensor that the model needs is there in its shape and type, and nothing else is there. */
function matchTensors(
  reader: SourceWeights,
  family: Family,
  config: ModelConfig,
  source: ModelSource,
): MatchedTensors {
  const list = hfTensors(family, config).map((item) =>
    source.conv1dAsRows && item.transposed
      ? { ...item, transposed: false, hfShape: [...item.hfShape].reverse() }
      : item,
  );
  const anchor = list[0]?.hf ?? '';
  const prefix =
    reader.entries.has(`${family.prefix}${anchor}`) || !reader.entries.has(anchor) ? family.prefix : '';
  const problems: { code: string; text: string }[] = [];
  const expected = new Set<string>();
  const parts = new Map<string, HfTensor[]>();
  for (const item of list) {
    const name = fullName(item.hf, prefix);
    expected.add(name);
    parts.set(item.tensor, [...(parts.get(item.tensor) ?? []), item]);
    const entry = reader.entries.get(name);
    const wanted = `[${item.hfShape.join(', ')}]`;
    if (entry === undefined)
      problems.push({ code: 'model.tensor-missing', text: `${name} ${wanted} is missing` });
    else if (entry.shape.join() !== item.hfShape.join())
      problems.push({
        code: 'model.tensor-shape',
        text: `${name} has shape [${entry.shape.join(', ')}], ${wanted} is expected`,
      });
    else if (entry.type === undefined)
      problems.push({
        code: 'model.unsupported-dtype',
        text: `${name} is stored as ${entry.dtype}, not F32, BF16 or F16`,
      });
  }
  for (const name of reader.entries.keys()) {
    const bare = name.startsWith(prefix) ? name.slice(prefix.length) : name;
    if (expected.has(name) || name === 'lm_head.weight' || family.isIgnored(bare)) continue;
    problems.push({
      code: 'model.tensor-unknown',
      text: `${name.slice(0, 200)} is no tensor of a ${family.modelType} model`,
    });
  }
  if (problems.length > 0) throw tensorProblems(source, problems);
  for (const items of parts.values()) items.sort((a, b) => a.rowBegin - b.rowBegin);
  for (const { tensors } of canonicalSegments(config))
    for (const { name } of tensors) if (!parts.has(name)) throw new Error(`no source for ${name}`);
  return { prefix, parts };
}

/** The output head has no prefix in any save. */
const HEAD = 'lm_head.weight';

/** All tensors of a CausalLM of the family, the head too when it is not tied. Names without prefix. */
export function hfTensors(family: Family, config: ModelConfig): HfTensor[] {
  if (config.tiedEmbeddings) return family.tensors(config);
  const hfShape = [config.vocabSize, config.hiddenSize];
  const head = { hf: HEAD, hfShape, tensor: HEAD, rowBegin: 0, rowEnd: config.vocabSize, transposed: false };
  return [...family.tensors(config), head];
}

export function fullName(hf: string, prefix: string): string {
  return hf === HEAD ? hf : `${prefix}${hf}`;
}

function tensorProblems(source: ModelSource, problems: { code: string; text: string }[]): MftError {
  const [first] = problems;
  const shown = problems.slice(0, 5).map((problem) => `  ${problem.text}`);
  if (problems.length > 5) shown.push(`  ... and ${problems.length - 5} more`);
  return new MftError(
    `the tensors in ${source.path} are not those that its configuration describes:\n${shown.join('\n')}`,
    {
      code: first?.code ?? 'model.tensor-missing',
      exit: ExitCode.usage,
      suggestions: ['Check that configuration and weights belong together and are completely downloaded.'],
    },
  );
}

/** A tied model may carry its head again; then it must be the same to the bit. */
async function checkTied(
  reader: SourceWeights,
  family: Family,
  config: ModelConfig,
  prefix: string,
  source: ModelSource,
): Promise<void> {
  if (!config.tiedEmbeddings || !reader.entries.has(HEAD)) return;
  const table = family.tensors(config).find((item) => item.tensor === 'embed.tokens');
  const name = fullName(table?.hf ?? '', prefix);
  const shape = reader.entries.get(HEAD)?.shape ?? [];
  const differs = (why: string) =>
    new MftError(`${source.path}: ${HEAD} ${why}, but its configuration ties it to ${name}`, {
      code: 'model.tied-differs',
      exit: ExitCode.usage,
      suggestions: ['Set "tie_word_embeddings": false in config.json if the head is a tensor of its own.'],
    });
  if (shape.join() !== table?.hfShape.join()) throw differs(`has shape [${shape.join(', ')}]`);
  const total = elementsOf(shape);
  const step = 4 << 20;
  for (let at = 0; at < total; at += step) {
    const end = Math.min(at + step, total);
    const [head, embedding] = [await reader.read(HEAD, at, end), await reader.read(name, at, end)];
    if (Buffer.compare(new Uint8Array(head.buffer), new Uint8Array(embedding.buffer)) !== 0)
      throw differs('has other values');
  }
}

/** A canonical tensor, row by row, from its parts; as bytes where they are stored already as they are to be. */
async function* canonicalPieces(
  reader: SourceWeights,
  parts: readonly HfTensor[],
  prefix: string,
  type: StorageType,
): AsyncGenerator<TensorPiece> {
  const { readStored } = reader;
  const isExact = parts.every(({ hf }) => reader.entries.get(fullName(hf, prefix))?.isExact);
  const isStored = readStored !== undefined && isExact && sourceType(reader, parts, prefix) === type;
  for (const part of parts) {
    const name = fullName(part.hf, prefix);
    const [rows = 0, columns = 1] = part.hfShape;
    const total = elementsOf(part.hfShape);
    if (part.transposed) yield* readTransposed(reader, name, rows, columns);
    else if (isStored) yield* inRows((begin, end) => readStored(name, begin, end), total, columns);
    else yield* readPieces(reader, name, 0, total);
  }
}

/** The type that keeps every part of a canonical tensor best: theirs, or when they differ the narrowest float that does. */
function sourceType(reader: SourceWeights, parts: readonly HfTensor[], prefix: string): StorageType {
  const types = new Set(parts.map(({ hf }) => reader.entries.get(fullName(hf, prefix))?.type ?? 'f32'));
  const [type = 'f32'] = types;
  if (types.size === 1) return type;
  return types.has('f32') || types.has('bf16') ? 'f32' : 'f16';
}

/** Counts values as they pass; a source of one type gives its bytes. */
function progressCounter({ entries }: SourceWeights, { signal, onProgress }: Operation) {
  let [total, elements, done] = [0, 0, 0];
  for (const { shape, bytes } of entries.values()) {
    total += bytes;
    elements += elementsOf(shape);
  }
  return async function* counted(
    pieces: AsyncIterable<TensorPiece>,
    type: StorageType,
    columns: number,
  ): AsyncGenerator<TensorPiece> {
    for await (const piece of pieces) {
      signal?.throwIfAborted();
      yield piece;
      done += elementsIn(piece, type, columns);
      onProgress?.({ phase: 'importing', done: Math.round((total * done) / elements), total, unit: 'bytes' });
    }
  };
}

/** Whether a path looks like something to import: a Hugging Face folder or a GGUF file. */
export async function isModelSource(path: string): Promise<boolean> {
  const found = await stat(isGgufName(path) ? path : join(path, 'config.json')).catch(() => undefined);
  return found?.isFile() === true;
}
