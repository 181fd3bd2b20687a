/** Writing one segment file, hashed on the way, and reading tensors out of segment files. */
import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../base/errors.ts';
import type { F32 } from '../tensors/float.ts';
import { elementsOf } from '../tensors/stream.ts';
import type { Segment, Tensor, TensorReader } from '../types.ts';
import { layOut, type SegmentShape } from './layout.ts';
import { damaged } from './validate.ts';

export function hexOf(sha256: Uint8Array): string {
  return Buffer.from(sha256).toString('hex');
}

/** Name of a segment's file in a pack. */
export function segmentFileName(segment: Segment): string {
  return `${hexOf(segment.sha256)}.seg`;
}

export type TensorPieces = AsyncIterable<F32> | Iterable<F32>;

/**
 * Writes a segment into `dir` as `<sha256>.seg`, synced. `pieces(name)` is asked once for each tensor, in order, and
 * yields exactly its elements.
 */
export async function writeSegment(
  dir: string,
  shape: SegmentShape,
  pieces: (tensor: string) => TensorPieces,
): Promise<Segment> {
  const segment = layOut(shape);
  const temporary = join(dir, `.${randomBytes(6).toString('hex')}.part`);
  const file = await open(temporary, 'wx');
  try {
    const out = new HashingFile(file);
    for (const tensor of segment.tensors) {
      await out.zerosUntil(tensor.offset);
      let left = elementsOf(tensor.shape);
      for await (const piece of pieces(tensor.name)) {
        left -= piece.length;
        if (left < 0) break;
        await out.write(new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength));
      }
      if (left !== 0) throw new RangeError(`tensor ${tensor.name}: ${left} elements missing`);
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
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await this.file.write(bytes, done, bytes.length - done);
      done += bytesWritten;
    }
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
  return {
    shapes: new Map([...home].map(([name, { tensor }]) => [name, tensor.shape])),
    async read(name, begin, end) {
      const found = home.get(name);
      if (found === undefined) throw new RangeError(`no tensor ${name}`);
      const { tensor, path } = found;
      if (!(begin >= 0 && begin <= end && end * 4 <= tensor.bytes))
        throw new RangeError(`elements ${begin}..${end} of tensor ${name}`);
      let handle = handles.get(path);
      if (handle === undefined) {
        handle = open(path, 'r').catch((cause: unknown) => {
          throw damaged(path, messageOf(cause));
        });
        handles.set(path, handle);
      }
      const values = new Float32Array(end - begin);
      await fill(await handle, new Uint8Array(values.buffer), tensor.offset + begin * 4, path);
      return values;
    },
    async close() {
      for (const handle of handles.values()) await (await handle.catch(() => undefined))?.close();
      handles.clear();
    },
  };
}

async function fill(file: FileHandle, bytes: Uint8Array, position: number, path: string): Promise<void> {
  for (let have = 0; have < bytes.length; ) {
    const { bytesRead } = await file.read(bytes, have, bytes.length - have, position + have);
    if (bytesRead === 0) throw damaged(path, `it ends at byte ${position + have}`);
    have += bytesRead;
  }
}

/** SHA-256 of a file, hex. */
export async function hashFile(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  const stream = createReadStream(path, { highWaterMark: 1 << 20, ...(signal ? { signal } : {}) });
  for await (const chunk of stream) hash.update(chunk);
  return hash.digest('hex');
}
