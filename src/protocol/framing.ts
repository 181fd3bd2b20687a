/**
 * Varint-delimited framing: a base-128 varint length (as in protobuf's writeDelimitedTo), then that many bytes.
 * Nothing a phone sends is trusted: the length is checked before anything is allocated for it.
 */

/** No frame is larger: 1 MiB. Bulk data goes through adb's sync, never through frames. */
export const FRAME_LIMIT = 1 << 20;

/** The stream is not what the protocol says; it can't be read on. */
export class FrameError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'FrameError';
  }
}

/** One frame: length varint + payload. */
export function encodeFrame(payload: Uint8Array): Buffer {
  if (payload.length > FRAME_LIMIT)
    throw new FrameError(`frame of ${payload.length} bytes is over the limit`);
  const head: number[] = [];
  let rest = payload.length;
  while (rest > 0x7f) {
    head.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  head.push(rest);
  return Buffer.concat([Buffer.from(head), payload]);
}

/** Takes chunks as they come from a stream, gives whole frames. */
export class FrameDecoder {
  private pending: Buffer[] = [];
  private pendingBytes = 0;

  /** Bytes received that do not make a whole frame yet; not 0 at the end of a stream means it was cut. */
  get buffered(): number {
    return this.pendingBytes;
  }

  /** @throws FrameError when a length is over the limit or malformed. */
  push(chunk: Uint8Array): Buffer[] {
    this.pending.push(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
    this.pendingBytes += chunk.byteLength;
    let data = this.pending.length === 1 ? (this.pending[0] as Buffer) : Buffer.concat(this.pending);
    const frames: Buffer[] = [];
    for (;;) {
      const head = readLength(data);
      if (head === undefined || data.length < head.bytes + head.length) break;
      frames.push(Buffer.from(data.subarray(head.bytes, head.bytes + head.length)));
      data = data.subarray(head.bytes + head.length);
    }
    this.pending = data.length === 0 ? [] : [data];
    this.pendingBytes = data.length;
    return frames;
  }
}

function readLength(data: Buffer): { length: number; bytes: number } | undefined {
  let length = 0;
  for (let i = 0; i < 4; i += 1) {
    const byte = data[i];
    if (byte === undefined) return undefined;
    length |= (byte & 0x7f) << (7 * i);
    if ((byte & 0x80) === 0) {
      if (length > FRAME_LIMIT)
        throw new FrameError(`frame of ${length} bytes is over the limit of ${FRAME_LIMIT}`);
      return { length, bytes: i + 1 };
    }
  }
  throw new FrameError('malformed frame length');
}
