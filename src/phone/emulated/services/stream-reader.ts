import type { AdbStream } from '../wire/stream.ts';

/** Reads records from a stream whose records span its messages. */
export class StreamReader {
  readonly #stream: AdbStream;
  #rest: Buffer = Buffer.alloc(0);

  constructor(stream: AdbStream) {
    this.#stream = stream;
  }

  /** At least one and at most `limit` bytes, without copying; null at the end. */
  async some(limit: number): Promise<Buffer | null> {
    while (this.#rest.length === 0) {
      const piece = await this.#stream.read();
      if (piece === null) return null;
      this.#rest = piece;
    }
    const piece = this.#rest.subarray(0, limit);
    this.#rest = this.#rest.subarray(piece.length);
    return piece;
  }

  /** Exactly so many bytes; null if the stream ends before. The caller has checked the length. */
  async exactly(length: number): Promise<Buffer | null> {
    const first = length === 0 ? Buffer.alloc(0) : await this.some(length);
    if (first === null || first.length === length) return first;
    const whole = Buffer.allocUnsafe(length);
    first.copy(whole);
    for (let fill = first.length; fill < length; ) {
      const piece = await this.some(length - fill);
      if (piece === null) return null;
      piece.copy(whole, fill);
      fill += piece.length;
    }
    return whole;
  }
}
