/** Writing one segment file, hashed on the way, and reading tensors out of segment files. */
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../base/errors.ts';
import { blockRowBytes, unpackRows } from '../tensors/blocks.ts';
import { type F32, FLOAT_BYTES, widen } from '../tensors/float.ts';
import { elementsOf } from '../tensors/stream.ts';
import type { Segment, StorageType, Tensor, TensorReader } from '../types.ts';
import { encoded, type TensorPieces } from './encode.ts';
import { layOut, type SegmentShape } from './layout.ts';
import { storageTypeOf } from './storage.ts';
import { damaged } from './validate.ts';

export function hexOf(sha256: Uint8Array): string {
  return Buffer.from(sha256).toString('hex');
}

/** Name of a segment's file in a pack. */
export function segmentFileName(segment: Segment): string {
  return `${hexOf(segment.sha256)}.seg`;
}

/**
 * Writes a segment into `dir` as `<sha256>.seg`, synced. `pieces(name)` is asked once for each tensor, in order, and
 * yields exactly its elements; they are stored as `typeOf(name)`, f32 when nothing is said.
 */
export async function writeSegment(
  dir: string,
  shape: SegmentShape,
  pieces: (tensor: string) => TensorPieces,
  typeOf: (tensor: string) => StorageType = () => 'f32',
): Promise<Segment> {
  const segment = layOut(shape, typeOf);
  const temporary = join(dir, `.${randomBytes(6).toString('hex')}.part`);
  const file = await open(temporary, 'wx');
  try {
    const out = new HashingFile(file);
    for (const { name, shape: sizes, offset } of segment.tensors) {
      await out.zerosUntil(offset);
      for await (const bytes of encoded({ name, shape: sizes, type: typeOf(name) }, pieces(name)))
        await out.write(bytes);
    }
    await out.zerosUntil(segment.bytes);
    await file.sync();
    segment.sha256 = out.digest();
  } catch (error) {
    await file.close();
    await rm(temporary, { force: true });
    throw error;
  }
  await file.close();
  await rename(temporary, join(dir, segmentFileName(segment)));
  return segment;
}

class HashingFile {
  private readonly file: FileHandle;
  private readonly hash = createHash('sha256');
  private position = 0;

  constructor(file: FileHandle) {
    this.file = file;
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.hash.update(bytes);
    await this.file.appendFile(bytes);
    this.position += bytes.length;
  }

  async zerosUntil(position: number): Promise<void> {
    if (position > this.position) await this.write(new Uint8Array(position - this.position));
  }

  digest(): Uint8Array {
    return this.hash.digest();
  }
}

/** A segment's description and the file that holds it. */
export interface SegmentSource {
  segment: Segment;
  path: string;
}

/** Tensors of several (checked) segments by name. Files are opened when first needed. */
export function openSegments(sources: readonly SegmentSource[]): TensorReader {
  const home = new Map<string, { tensor: Tensor; path: string }>();
  for (const { segment, path } of sources)
    for (const tensor of segment.tensors) home.set(tensor.name, { tensor, path });
  const handles = new Map<string, Promise<FileHandle>>();
  const opened = (path: string) => {
    let handle = handles.get(path);
    if (handle === undefined) {
      handle = open(path, 'r').catch((cause: unknown) => {
        throw damaged(path, messageOf(cause));
      });
      handles.set(path, handle);
    }
    return handle;
  };
  const find = (name: string, begin: number, end: number, limit: (shape: number[]) => number) => {
    const found = home.get(name);
    if (found === undefined) throw new RangeError(`no tensor ${name}`);
    if (begin >= 0 && begin <= end && end <= limit(found.tensor.shape)) return found;
    throw new RangeError(`${begin}..${end} of tensor ${name}`);
  };
  return {
    shapes: new Map([...home].map(([name, { tensor }]) => [name, tensor.shape])),
    async read(name, begin, end) {
      const { tensor, path } = find(name, begin, end, elementsOf);
      return readElements(await opened(path), path, tensor, begin, end);
    },
    readInt8(name, begin, end) {
      const { tensor, path } = find(name, begin, end, ([rows = 0]) => rows);
      if (storageTypeOf(tensor.dtype) !== 'int8') return undefined;
      const stride = blockRowBytes('int8', tensor.shape[1] ?? 1);
      return opened(path).then((file) =>
        readBytes(file, path, tensor.offset + begin * stride, (end - begin) * stride),
      );
    },
    async close() {
      for (const handle of handles.values()) await (await handle.catch(() => undefined))?.close();
      handles.clear();
    },
  };
}

/** Elements [begin, end) of a tensor; of blocks, whole rows are read. */
async function readElements(
  file: FileHandle,
  path: string,
  tensor: Tensor,
  begin: number,
  end: number,
): Promise<F32> {
  const type = storageTypeOf(tensor.dtype);
  if (type === undefined) throw damaged(path, `tensor ${tensor.name} has type ${tensor.dtype}`);
  const read = (from: number, length: number) => readBytes(file, path, tensor.offset + from, length);
  if (type !== 'int8' && type !== 'int4') {
    const size = FLOAT_BYTES[type];
    return widen(await read(begin * size, (end - begin) * size), type);
  }
  const columns = tensor.shape[1] ?? 1;
  const [first, last] = [Math.floor(begin / columns), Math.ceil(end / columns)];
  const stride = blockRowBytes(type, columns);
  const rows = unpackRows(await read(first * stride, (last - first) * stride), columns, type);
  return rows.slice(begin - first * columns, end - first * columns);
}

async function readBytes(
  file: FileHandle,
  path: string,
  position: number,
  length: number,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let have = 0; have < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, have, bytes.length - have, position + have);
    if (bytesRead === 0) throw damaged(path, `it ends at byte ${position + have}`);
    have += bytesRead;
  }
  return bytes;
}

/** SHA-256 of a file, hex. */
export async function hashFile(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  const stream = createReadStream(path, { highWaterMark: 1 << 20, ...(signal ? { signal } : {}) });
  for await (const chunk of stream) hash.update(chunk);
  return hash.digest('hex');
}
