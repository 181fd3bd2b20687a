/** Where a model comes from: a Hugging Face folder, or a GGUF file seen as one. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ExitCode, MftError } from '../base/errors.ts';
import { openGgufModel } from './gguf/model.ts';
import { type GgufTokenizer, tokenizerOf } from './gguf/tokenizer.ts';
import { type JsonObject, readBounded, readJsonObject } from './json.ts';
import { openSafetensors, openSharded } from './safetensors/reader.ts';
import type { F32 } from './tensors/float.ts';
import { SIDE_FILES } from './tokenizer-files.ts';
import type { StorageType } from './types.ts';

const MAX_CONFIG_BYTES = 16 << 20;

export interface SourceEntry {
  shape: readonly number[];
  /** What the file calls its type. */
  dtype: string;
  /** The type of a pack that keeps it best; undefined for one that mft does not compute with. */
  type: StorageType | undefined;
  /** Whether that is the type that the file has, so that readStored gives its bytes. */
  isExact: boolean;
  bytes: number;
}

/** Tensors by their Hugging Face names. */
export interface SourceWeights {
  readonly entries: ReadonlyMap<string, SourceEntry>;
  /** Elements [begin, end) as f32. */
  read(name: string, begin: number, end: number): Promise<F32>;
  /** Whole rows of an exact `type`, as a pack stores them; absent where they lie in another form. */
  readStored?(name: string, begin: number, end: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

export interface ModelSource {
  /** Folder or file, for messages. */
  path: string;
  /** Where the configuration is, for messages. */
  configPath: string;
  config: JsonObject;
  /** Linear layers that Hugging Face keeps as Conv1D [in, out] are [out, in] here. */
  conv1dAsRows: boolean;
  openWeights(): Promise<SourceWeights>;
  /** config.json, tokenizer.json and the like, by name. */
  sideFiles(): Promise<Map<string, Uint8Array>>;
  /** A folder with tokenizer.json, or such files that were rebuilt. */
  tokenizer: string | ReadonlyMap<string, Uint8Array> | undefined;
}

/** Whether something is, by its name, a GGUF file. */
export function isGgufName(path: string): boolean {
  return /\.gguf$/i.test(path);
}

/** @throws MftError model.file-missing, model.json-malformed, model.gguf-* */
export async function openSource(path: string): Promise<ModelSource> {
  return isGgufName(path) ? await ggufSource(path) : await folderSource(path);
}

async function folderSource(dir: string): Promise<ModelSource> {
  const configPath = join(dir, 'config.json');
  return {
    path: dir,
    configPath,
    config: await readJsonObject(configPath, MAX_CONFIG_BYTES),
    conv1dAsRows: false,
    openWeights: () => folderWeights(dir),
    sideFiles: () => readSideFiles(dir),
    tokenizer: dir,
  };
}

const FLOATS: Record<string, StorageType> = { F32: 'f32', BF16: 'bf16', F16: 'f16' };

async function folderWeights(dir: string): Promise<SourceWeights> {
  const reader = await openSafetensorsOf(dir);
  const { readStored } = reader;
  return {
    entries: new Map(
      [...reader.entries].map(([name, { shape, dtype, begin, end }]) => [
        name,
        { shape, dtype, type: FLOATS[dtype], isExact: true, bytes: end - begin },
      ]),
    ),
    read: (name, begin, end) => reader.read(name, begin, end),
    ...(readStored === undefined
      ? {}
      : {
          readStored: async (name: string, begin: number, end: number) =>
            (await readStored(name, begin, end)).bytes,
        }),
    close: () => reader.close(),
  };
}

async function openSafetensorsOf(dir: string) {
  const names = new Set(await readdir(dir));
  if (names.has('model.safetensors')) return openSafetensors(join(dir, 'model.safetensors'));
  if (names.has('model.safetensors.index.json')) return openSharded(dir, 'model.safetensors.index.json');
  const pickled = [...names].some((name) => /^pytorch_model.*\.bin(\.index\.json)?$/.test(name));
  const gguf = [...names].find(isGgufName);
  throw new MftError(
    `${dir} has no model.safetensors${pickled ? ', only PyTorch pickles, which mft does not run' : ''}`,
    {
      code: 'model.file-missing',
      exit: ExitCode.usage,
      suggestions: [
        gguf !== undefined
          ? `Name the GGUF file itself: ${join(dir, gguf)}`
          : pickled
            ? 'Save it as safetensors: AutoModelForCausalLM.from_pretrained(DIR).save_pretrained(OUT)'
            : 'Give the folder that a Hugging Face model was downloaded or saved to.',
      ],
    },
  );
}

async function readSideFiles(dir: string): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  for (const name of SIDE_FILES) {
    const path = join(dir, name);
    const found = await stat(path).catch(() => undefined);
    if (found?.isFile()) files.set(name, await readBounded(path, 256 << 20));
  }
  return files;
}

/**
 * The types of a pack that keep ggml's: Q8_0 and Q4_0 are the same blocks; the others have more bits than int4 and no like
 * among packs, so that f16 keeps them to one part in two thousand.
 */
const GGML_TYPES: Record<string, StorageType> = { ...FLOATS, Q8_0: 'int8', Q4_0: 'int4' };

async function ggufSource(path: string): Promise<ModelSource> {
  const model = await openGgufModel(path);
  await model.close(); // opened again when its tensors are read
  const tokenizer = tokenizerFiles(tokenizerOf(model.metadata, path));
  return {
    path,
    configPath: path,
    config: model.config,
    conv1dAsRows: true,
    async openWeights() {
      const { entries, read, readStored, close } = await openGgufModel(path);
      return {
        entries: new Map(
          [...entries].map(([name, { type, shape, bytes }]) => [
            name,
            { shape, dtype: type, type: GGML_TYPES[type] ?? 'f16', isExact: type in GGML_TYPES, bytes },
          ]),
        ),
        read,
        readStored,
        close,
      };
    },
    sideFiles: async () => new Map([['config.json', jsonBytes(model.config)], ...(tokenizer ?? [])]),
    tokenizer,
  };
}

function tokenizerFiles(found: GgufTokenizer | undefined): ReadonlyMap<string, Uint8Array> | undefined {
  if (found === undefined) return undefined;
  return new Map([
    ['tokenizer.json', jsonBytes(found.tokenizerJson)],
    ['tokenizer_config.json', jsonBytes(found.tokenizerConfig)],
  ]);
}

function jsonBytes(value: JsonObject): Uint8Array {
  return new TextEncoder().encode(`${JSON.stringify(value, undefined, 2)}\n`);
}
