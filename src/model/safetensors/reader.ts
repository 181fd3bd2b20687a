/** Reads tensors out of one safetensors file, or of several behind an index.json, by ranges of elements, as f32. */
import { join } from 'node:path';
import { ExitCode, MftError } from '../../base/errors.ts';
import { isObject, readJsonObject } from '../json.ts';
import { PositionedFile } from '../positioned-file.ts';
import { type F32, FLOAT_BYTES, widen } from '../tensors/float.ts';
import type { FloatType, TensorReader } from '../types.ts';
import { headerLength, malformedFile, parseHeader, type TensorEntry } from './header.ts';

const FLOAT_TYPES: Record<string, FloatType> = { F32: 'f32', BF16: 'bf16', F16: 'f16' };
const MAX_INDEX_BYTES = 100_000_000;

/** One open file and the tensors in it. */
class SafetensorsFile {
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  private readonly file: PositionedFile;

  private constructor(file: PositionedFile, tensors: ReadonlyMap<string, TensorEntry>) {
    this.file = file;
    this.tensors = tensors;
  }

  static async open(path: string): Promise<SafetensorsFile> {
    const file = await PositionedFile.open(path, malformedFile);
    try {
      if (file.bytes < 8) throw malformedFile(path, `it has only ${file.bytes} bytes`);
      const length = headerLength(await file.read(0, 8), file.bytes, path);
      const json = (await file.read(8, length)).toString('utf8');
      const entries = parseHeader(json, length, file.bytes - 8 - length, path);
      return new SafetensorsFile(file, new Map(entries.map((entry) => [entry.name, entry])));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  get path(): string {
    return this.file.path;
  }

  /** Elements [begin, end) of a tensor as f32. */
  async read(name: string, begin: number, end: number): Promise<F32> {
    const { type, bytes } = await this.readStored(name, begin, end);
    return widen(bytes, type);
  }

  /** The same as they lie in the file. */
  async readStored(name: string, begin: number, end: number): Promise<StoredElements> {
    const entry = this.tensors.get(name);
    const type = FLOAT_TYPES[entry?.dtype ?? ''];
    if (entry === undefined || type === undefined)
      throw new MftError(
        `${this.path}: tensor "${name}" is ${entry?.dtype ?? 'missing'}, not F32, BF16 or F16`,
        {
          code: 'model.unsupported-dtype',
          exit: ExitCode.usage,
          suggestions: ['Save the model in float32, bfloat16 or float16.'],
        },
      );
    const size = FLOAT_BYTES[type];
    if (!(begin >= 0 && begin <= end && end * size <= entry.end - entry.begin))
      throw new RangeError(`elements ${begin}..${end} of tensor ${name}`);
    const bytes = await this.file.read(entry.begin + begin * size, (end - begin) * size);
    return { type, bytes };
  }

  close(): Promise<void> {
    return this.file.close();
  }
}

interface StoredElements {
  type: FloatType;
  bytes: Uint8Array;
}

/** A TensorReader over whole files; `entries` tell dtype and place. */
export interface SafetensorsReader extends TensorReader {
  readonly entries: ReadonlyMap<string, TensorEntry>;
  /** The files read, in the order of their names. */
  readonly paths: readonly string[];
  /** Elements [begin, end) of a tensor as they lie in the file; absent where they lie in another form. */
  readStored?(name: string, begin: number, end: number): Promise<StoredElements>;
}

function readerOver(files: SafetensorsFile[], home: ReadonlyMap<string, SafetensorsFile>): SafetensorsReader {
  const entries = new Map<string, TensorEntry>();
  for (const [name, file] of home) {
    const entry = file.tensors.get(name);
    if (entry !== undefined) entries.set(name, entry);
  }
  const fileOf = (name: string) => {
    const file = home.get(name);
    if (file === undefined) throw new RangeError(`no tensor ${name}`);
    return file;
  };
  return {
    entries,
    paths: files.map((file) => file.path),
    shapes: new Map([...entries].map(([name, entry]) => [name, entry.shape])),
    read: (name, begin, end) => fileOf(name).read(name, begin, end),
    readStored: (name, begin, end) => fileOf(name).readStored(name, begin, end),
    async close() {
      for (const file of files) await file.close();
    },
  };
}

/** One file. */
export async function openSafetensors(path: string): Promise<SafetensorsReader> {
  const file = await SafetensorsFile.open(path);
  return readerOver([file], new Map([...file.tensors.keys()].map((name) => [name, file])));
}

/** Several files named by an index: `{"weight_map": {tensor: file}}`, files in the index's own folder. */
export async function openSharded(dir: string, indexName: string): Promise<SafetensorsReader> {
  const indexPath = join(dir, indexName);
  const map = (await readJsonObject(indexPath, MAX_INDEX_BYTES)).weight_map;
  if (!isObject(map)) throw malformedIndex(indexPath, 'weight_map is missing');
  const opened = new Map<string, SafetensorsFile>();
  const home = new Map<string, SafetensorsFile>();
  try {
    for (const [name, shard] of Object.entries(map)) {
      if (typeof shard !== 'string' || !/^[\w][\w.-]*$/.test(shard))
        throw malformedIndex(
          indexPath,
          `tensor "${name}" is in ${JSON.stringify(shard)}, not a plain file name`,
        );
      let file = opened.get(shard);
      if (file === undefined) {
        if (opened.size === 1000) throw malformedIndex(indexPath, 'it names more than 1000 files');
        file = await SafetensorsFile.open(join(dir, shard));
        opened.set(shard, file);
      }
      if (!file.tensors.has(name))
        throw malformedIndex(indexPath, `it says that tensor "${name}" is in ${shard}, which lacks it`);
      home.set(name, file);
    }
  } catch (error) {
    for (const file of opened.values()) await file.close();
    throw error;
  }
  return readerOver([...opened.values()], home);
}

function malformedIndex(path: string, why: string): MftError {
  return new MftError(`${path} is malformed: ${why}`, {
    code: 'model.safetensors-malformed',
    exit: ExitCode.usage,
    suggestions: ['Download the model folder again.'],
  });
}
