/**
 * The header of a GGUF file: metadata (typed key-value pairs) and where its tensors lie. Format:
 * https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little-endian. Nothing in it is trusted:
 * counts and lengths are checked against what is there before anything is allocated for them.
 */
import { ExitCode, MftError } from '../../base/errors.ts';
import { elementsOf } from '../tensors/stream.ts';
import { blockTypeOf } from './blocks.ts';

export type GgufScalar = string | number | boolean;
/** Integers beyond 2^53 are refused; no field that mft reads has them. */
export type GgufValue = GgufScalar | GgufScalar[];

export interface GgufTensor {
  name: string;
  /** ggml's name of the storage type: "F32", "Q4_K", ... */
  type: string;
  /** Row-major as everywhere in mft: the file's dimensions reversed. */
  shape: number[];
  /** Bytes from the start of the file. */
  begin: number;
  end: number;
}

export interface GgufHeader {
  version: number;
  metadata: ReadonlyMap<string, GgufValue>;
  tensors: ReadonlyMap<string, GgufTensor>;
}

const MAX_PAIRS = 65_536;
const MAX_TENSORS = 1 << 20;
const MAX_STRING = 16 << 20;
/** Of all arrays of a file: the vocabularies of today, with scores, types and merges, have 1.3 million. */
const MAX_ELEMENTS = 1 << 22;
const MAX_DIMS = 4;
const DEFAULT_ALIGNMENT = 32;

export function malformedGguf(path: string, why: string): MftError {
  return new MftError(`${path} is not a sound GGUF file: ${why}`, {
    code: 'model.gguf-malformed',
    exit: ExitCode.usage,
    suggestions: ['Download the file again; it is probably incomplete or damaged.'],
  });
}

/** More bytes are needed than were given: the caller reads more of the file and tries again. */
export class HeaderTruncated extends Error {}

/** Parses a header that lies whole in `bytes`, the start of a file of `fileBytes`. @throws HeaderTruncated */
export function parseGgufHeader(bytes: Buffer, fileBytes: number, path: string): GgufHeader {
  const cursor = new Cursor(bytes, fileBytes, path);
  if (cursor.take(4).toString('latin1') !== 'GGUF')
    throw malformedGguf(path, 'it does not begin with "GGUF"');
  const version = cursor.u32();
  if (version !== 2 && version !== 3)
    throw new MftError(`${path} is GGUF version ${version}; mft reads versions 2 and 3`, {
      code: 'model.gguf-unsupported',
      exit: ExitCode.usage,
      suggestions: ['Convert the model with a current llama.cpp; big-endian files are not read.'],
    });
  const tensorCount = cursor.count('tensors', MAX_TENSORS);
  const pairCount = cursor.count('metadata entries', MAX_PAIRS);
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < pairCount; i += 1) {
    const key = cursor.string();
    if (metadata.has(key)) throw malformedGguf(path, `metadata key "${clip(key)}" is there twice`);
    metadata.set(key, cursor.value(cursor.u32(), key));
  }
  const infos = Array.from({ length: tensorCount }, () => tensorInfo(cursor, path));
  const alignment = metadata.get('general.alignment') ?? DEFAULT_ALIGNMENT;
  if (typeof alignment !== 'number' || alignment < 8 || alignment > 1 << 20 || alignment % 8 !== 0)
    throw malformedGguf(path, `general.alignment = ${String(alignment)}`);
  const dataStart = Math.ceil(cursor.position / alignment) * alignment;
  return { version, metadata, tensors: placeTensors(infos, dataStart, alignment, fileBytes, path) };
}

interface TensorInfo {
  name: string;
  type: number;
  shape: number[];
  offset: number;
}

function tensorInfo(cursor: Cursor, path: string): TensorInfo {
  const name = cursor.string();
  const dims = cursor.u32();
  if (dims < 1 || dims > MAX_DIMS) throw malformedGguf(path, `tensor "${clip(name)}" has ${dims} dimensions`);
  const shape = Array.from({ length: dims }, () => cursor.u64()).reverse();
  return { name, shape, type: cursor.u32(), offset: cursor.u64() };
}

function placeTensors(
  infos: readonly TensorInfo[],
  dataStart: number,
  alignment: number,
  fileBytes: number,
  path: string,
): Map<string, GgufTensor> {
  const tensors = new Map<string, GgufTensor>();
  for (const { name, shape, type, offset } of infos) {
    const fail = (why: string) => malformedGguf(path, `tensor "${clip(name)}": ${why}`);
    if (tensors.has(name)) throw fail('it is there twice');
    const block = blockTypeOf(type);
    if (block === undefined)
      throw new MftError(`${path}: tensor "${clip(name)}" is stored as ggml type ${type}`, {
        code: 'model.gguf-unsupported',
        exit: ExitCode.usage,
        suggestions: [
          'mft reads F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K and Q6_K; take a file of such a type.',
        ],
      });
    const elements = elementsOf(shape);
    const row = shape[shape.length - 1] ?? 0;
    if (!Number.isSafeInteger(elements) || elements < 1) throw fail(`shape [${shape.join(', ')}]`);
    if (row % block.elements !== 0)
      throw fail(`rows of ${row} are not whole blocks of ${block.elements} (${block.name})`);
    if (offset % alignment !== 0) throw fail(`offset ${offset} is not a multiple of ${alignment}`);
    const begin = dataStart + offset;
    const end = begin + (elements / block.elements) * block.bytes;
    if (!Number.isSafeInteger(end) || end > fileBytes)
      throw fail(`it ends at byte ${end}, the file has ${fileBytes}`);
    tensors.set(name, { name, type: block.name, shape, begin, end });
  }
  checkOverlap(tensors, path);
  return tensors;
}

function checkOverlap(tensors: ReadonlyMap<string, GgufTensor>, path: string): void {
  const places = [...tensors.values()].sort((a, b) => a.begin - b.begin || a.end - b.end);
  for (const [i, { name, begin }] of places.entries()) {
    const before = places[i - 1];
    if (before !== undefined && begin < before.end)
      throw malformedGguf(
        path,
        `tensor "${clip(name)}" begins at byte ${begin}, within tensor "${clip(before.name)}"`,
      );
  }
}

/** Reads little-endian fields one after the other. */
class Cursor {
  position = 0;
  private elements = 0;
  private readonly bytes: Buffer;
  private readonly fileBytes: number;
  private readonly path: string;

  constructor(bytes: Buffer, fileBytes: number, path: string) {
    this.bytes = bytes;
    this.fileBytes = fileBytes;
    this.path = path;
  }

  take(length: number): Buffer {
    const end = this.position + length;
    if (end > this.fileBytes)
      throw malformedGguf(this.path, `it ends at byte ${this.fileBytes}, in its header`);
    if (end > this.bytes.length) throw new HeaderTruncated();
    const taken = this.bytes.subarray(this.position, end);
    this.position = end;
    return taken;
  }

  u32(): number {
    return this.take(4).readUInt32LE();
  }

  u64(): number {
    return this.safe(this.take(8).readBigUInt64LE());
  }

  count(what: string, limit: number): number {
    const count = this.u64();
    if (count > limit) throw malformedGguf(this.path, `it claims ${count} ${what}, the limit is ${limit}`);
    return count;
  }

  string(): string {
    return this.take(this.count('bytes of a string', MAX_STRING)).toString('utf8');
  }

  value(type: number, key: string): GgufValue {
    if (type !== 9) return this.scalar(type, key);
    const element = this.u32();
    const count = this.count(`elements of ${clip(key)}`, MAX_ELEMENTS);
    this.elements += count;
    if (this.elements > MAX_ELEMENTS)
      throw malformedGguf(this.path, `its arrays have more than ${MAX_ELEMENTS} elements, with ${clip(key)}`);
    // No element is smaller than a byte, so a count beyond the rest of the file is a lie.
    if (count > this.fileBytes - this.position)
      throw malformedGguf(this.path, `it claims ${count} elements of ${clip(key)}`);
    const values: GgufScalar[] = [];
    for (let i = 0; i < count; i += 1) values.push(this.scalar(element, key));
    return values;
  }

  private scalar(type: number, key: string): GgufScalar {
    switch (type) {
      case 0:
        return this.take(1).readUInt8();
      case 1:
        return this.take(1).readInt8();
      case 2:
        return this.take(2).readUInt16LE();
      case 3:
        return this.take(2).readInt16LE();
      case 4:
        return this.u32();
      case 5:
        return this.take(4).readInt32LE();
      case 6:
        return this.take(4).readFloatLE();
      case 7:
        return this.take(1).readUInt8() !== 0;
      case 8:
        return this.string();
      case 10:
        return this.u64();
      case 11:
        return this.safe(this.take(8).readBigInt64LE());
      case 12:
        return this.take(8).readDoubleLE();
      case 9:
        throw malformedGguf(this.path, `metadata ${clip(key)} is an array of arrays`);
      default:
        throw malformedGguf(this.path, `metadata ${clip(key)} has unknown type ${type}`);
    }
  }

  private safe(value: bigint): number {
    const number = Number(value);
    if (!Number.isSafeInteger(number)) throw malformedGguf(this.path, `the number ${value} is out of range`);
    return number;
  }
}

function clip(text: string): string {
  return JSON.stringify(text.slice(0, 80)).slice(1, -1);
}
