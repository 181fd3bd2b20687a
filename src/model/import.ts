/** A Hugging Face folder becomes a model pack. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ExitCode, MftError } from '../base/errors.ts';
import type { Operation } from '../base/progress.ts';
import { familyOf } from './families/index.ts';
import type { Family, HfTensor } from './families/types.ts';
import { readBounded, readJsonObject } from './json.ts';
import { elementsIn, type TensorPiece } from './pack/encode.ts';
import { canonicalSegments } from './pack/layout.ts';
import { chosenType } from './pack/storage.ts';
import { configFault } from './pack/validate.ts';
import { writePack } from './pack/write.ts';
import { openSafetensors, openSharded, type SafetensorsReader } from './safetensors/reader.ts';
import { elementsOf, inPieces, readPieces, readTransposed } from './tensors/stream.ts';
import { readTokenizer, SIDE_FILES, TOKENIZER_SIDE_FILES } from './tokenizer-files.ts';
import type { ModelConfig, PackManifest, StorageType, WeightType } from './types.ts';

const MAX_CONFIG_BYTES = 16 << 20;

export interface ImportOptions extends Operation {
  /** A folder with tokenizer.json, when the model's own has none; 'none': make a pack that can't read text. */
  tokenizer?: string | undefined;
  /** How the matrices are stored in the pack; 'auto' when absent. */
  dtype?: WeightType | undefined;
}

/** config.json of a Hugging Face folder, understood. @throws MftError naming the field. */
export async function readModelConfig(dir: string): Promise<ModelConfig> {
  const path = join(dir, 'config.json');
  const raw = await readJsonObject(path, MAX_CONFIG_BYTES);
  const config = familyOf(raw.model_type, path).readConfig(raw, path);
  const fault = configFault(config);
  if (fault !== undefined)
    throw new MftError(`${path}: ${fault}`, { code: 'model.bad-config-field', exit: ExitCode.usage });
  return config;
}

/** Imports `dir` into the new folder `target`. @throws MftError naming file, field or tensor. */
export async function importFolder(
  dir: string,
  target: string,
  options: ImportOptions = {},
): Promise<PackManifest> {
  const config = await readModelConfig(dir);
  const family = familyOf(config.family, dir);
  const tokenizer =
    options.tokenizer === 'none' ? undefined : await readTokenizer(options.tokenizer ?? dir, config);
  const sideFiles = await readSideFiles(
    dir,
    tokenizer === undefined ? SIDE_FILES : SIDE_FILES.filter((name) => !TOKENIZER_SIDE_FILES.includes(name)),
  );
  for (const [name, bytes] of tokenizer?.files ?? []) sideFiles.set(name, bytes);

  const reader = await openWeights(dir);
  try {
    const source = matchTensors(reader, family, config, dir);
    await checkTied(reader, family, config, source.prefix, dir);
    const typeOf = (tensor: string) =>
      chosenType(
        tensor,
        options.dtype ?? 'auto',
        sourceType(reader, source.parts.get(tensor) ?? [], source.prefix),
      );
    const counter = progressCounter(reader, options);
    return await writePack(
      target,
      {
        config,
        source: dir,
        tokenizer: tokenizer?.compiled,
        sideFiles,
        typeOf,
        pieces(tensor) {
          const [parts, type] = [source.parts.get(tensor) ?? [], typeOf(tensor)];
          return counter(canonicalPieces(reader, parts, source.prefix, type), type);
        },
      },
      options.signal === undefined ? {} : { signal: options.signal },
    );
  } finally {
    await reader.close();
  }
}

async function openWeights(dir: string): Promise<SafetensorsReader> {
  const names = new Set(await readdir(dir));
  if (names.has('model.safetensors')) return openSafetensors(join(dir, 'model.safetensors'));
  if (names.has('model.safetensors.index.json')) return openSharded(dir, 'model.safetensors.index.json');
  const pickled = [...names].some((name) => /^pytorch_model.*\.bin(\.index\.json)?$/.test(name));
  throw new MftError(
    `${dir} has no model.safetensors${pickled ? ', only PyTorch pickles, which mft does not run' : ''}`,
    {
      code: 'model.file-missing',
      exit: ExitCode.usage,
      suggestions: [
        pickled
          ? 'Save it as safetensors: AutoModelForCausalLM.from_pretrained(DIR).save_pretrained(OUT)'
          : 'Give the folder that a Hugging Face model was downloaded or saved to.',
      ],
    },
  );
}

async function readSideFiles(dir: string, names: readonly string[]): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (const name of names) {
    const path = join(dir, name);
    const found = await stat(path).catch(() => undefined);
    if (found?.isFile()) files.set(name, await readBounded(path, 256 << 20));
  }
  return files;
}

interface MatchedTensors {
  prefix: string;
  /** Of each canonical tensor: its Hugging Face parts in the order of their rows. */
  parts: Map<string, HfTensor[]>;
}

/** Every tensor that the model needs is there in its shape and type, and nothing else is there. */
function matchTensors(
  reader: SafetensorsReader,
  family: Family,
  config: ModelConfig,
  dir: string,
): MatchedTensors {
  const list = hfTensors(family, config);
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
    else if (!['F32', 'BF16', 'F16'].includes(entry.dtype))
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
  if (problems.length > 0) throw tensorProblems(dir, problems);
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

function tensorProblems(dir: string, problems: { code: string; text: string }[]): MftError {
  const [first] = problems;
  const shown = problems.slice(0, 5).map((problem) => `  ${problem.text}`);
  if (problems.length > 5) shown.push(`  ... and ${problems.length - 5} more`);
  return new MftError(
    `the tensors in ${dir} are not those that its config.json describes:\n${shown.join('\n')}`,
    {
      code: first?.code ?? 'model.tensor-missing',
      exit: ExitCode.usage,
      suggestions: ['Check that config.json and the weights belong together and are completely downloaded.'],
    },
  );
}

/** A tied model may carry its head again; then it must be the same to the bit. */
async function checkTied(
  reader: SafetensorsReader,
  family: Family,
  config: ModelConfig,
  prefix: string,
  dir: string,
): Promise<void> {
  if (!config.tiedEmbeddings || !reader.entries.has(HEAD)) return;
  const table = family.tensors(config).find((item) => item.tensor === 'embed.tokens');
  const name = fullName(table?.hf ?? '', prefix);
  const shape = reader.shapes.get(HEAD) ?? [];
  const differs = (why: string) =>
    new MftError(`${dir}: ${HEAD} ${why}, but config.json ties it to ${name}`, {
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
  reader: SafetensorsReader,
  parts: readonly HfTensor[],
  prefix: string,
  type: StorageType,
): AsyncGenerator<TensorPiece> {
  const { readStored } = reader;
  const isStored = readStored !== undefined && sourceType(reader, parts, prefix) === type;
  for (const part of parts) {
    const name = fullName(part.hf, prefix);
    const [rows = 0, columns = 1] = part.hfShape;
    const total = elementsOf(part.hfShape);
    if (part.transposed) yield* readTransposed(reader, name, rows, columns);
    else if (isStored)
      yield* inPieces(async (begin, end) => (await readStored(name, begin, end)).bytes, 0, total);
    else yield* readPieces(reader, name, 0, total);
  }
}

/** The type that keeps every part of a canonical tensor as it is: theirs, or f32 when they differ. */
function sourceType(reader: SafetensorsReader, parts: readonly HfTensor[], prefix: string): StorageType {
  const types = new Set(parts.map(({ hf }) => reader.entries.get(fullName(hf, prefix))?.dtype));
  const [type] = types;
  if (types.size !== 1) return 'f32';
  return type === 'BF16' ? 'bf16' : type === 'F16' ? 'f16' : 'f32'; // matchTensors let no other pass
}

/** Counts values as they pass; a source of one type gives its bytes. */
function progressCounter({ entries }: SafetensorsReader, { signal, onProgress }: Operation) {
  let [total, elements, done] = [0, 0, 0];
  for (const { shape, begin, end } of entries.values()) {
    total += end - begin;
    elements += elementsOf(shape);
  }
  return async function* counted(
    pieces: AsyncIterable<TensorPiece>,
    type: StorageType,
  ): AsyncGenerator<TensorPiece> {
    for await (const piece of pieces) {
      signal?.throwIfAborted();
      yield piece;
      done += elementsIn(piece, type);
      onProgress?.({ phase: 'importing', done: Math.round((total * done) / elements), total, unit: 'bytes' });
    }
  };
}

/** Whether a folder looks like a Hugging Face model. */
export async function isModelFolder(dir: string): Promise<boolean> {
  const found = await stat(join(dir, 'config.json')).catch(() => undefined);
  return found?.isFile() === true;
}
