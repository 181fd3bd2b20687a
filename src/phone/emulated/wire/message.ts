/**
 * ADB messages: a header of six little-endian u32 (command, arg0, arg1, payload length, payload checksum, command ^ 0xffffffff) and the
 * payload. AOSP: packages/modules/adb/protocol.txt, types.h.
 */

export const Command = {
  CNXN: 0x4e584e43,
  AUTH: 0x48545541,
  OPEN: 0x4e45504f,
  OKAY: 0x59414b4f,
  CLSE: 0x45534c43,
  WRTE: 0x45545257,
} as const;

export const HEADER_BYTES = 24;
/** From this version on a payload's checksum may be 0, if both sides have it. */
export const VERSION_SKIP_CHECKSUM = 0x01000001;
export const VERSION_MIN = 0x01000000;
/** What this side accepts in one payload. */
export const MAX_PAYLOAD = 1024 * 1024;
/** What a peer may send before it has said CNXN (MAX_PAYLOAD_V1 of AOSP). */
export const MAX_PAYLOAD_UNKNOWN = 4096;

export interface Message {
  command: number;
  arg0: number;
  arg1: number;
  checksum: number;
  payload: Buffer;
}

/** The sum of all bytes, modulo 2^32: what the protocol calls its CRC. */
export function checksumOf(payload: Uint8Array): number {
  let sum = 0;
  for (const byte of payload) sum = (sum + byte) >>> 0;
  return sum;
}

export function header(command: number, arg0: number, arg1: number, payload: Buffer, withChecksum: boolean) {
  const head = Buffer.allocUnsafe(HEADER_BYTES);
  head.writeUInt32LE(command, 0);
  head.writeUInt32LE(arg0 >>> 0, 4);
  head.writeUInt32LE(arg1 >>> 0, 8);
  head.writeUInt32LE(payload.length, 12);
  head.writeUInt32LE(withChecksum ? checksumOf(payload) : 0, 16);
  head.writeUInt32LE((command ^ 0xffffffff) >>> 0, 20);
  return head;
}

/** The peer broke the protocol; the transport has to be dropped. */
export class ProtocolError extends Error {}

/** Cuts a byte stream into messages. The length is checked before memory for it is taken. */
export class MessageParser {
  #head = Buffer.alloc(HEADER_BYTES);
  #headFill = 0;
  #payload: Buffer | undefined;
  #payloadFill = 0;
  #limit = MAX_PAYLOAD_UNKNOWN;

  /** Raises the limit once the peer has introduced itself. */
  setLimit(bytes: number): void {
    this.#limit = bytes;
  }

  /** @throws ProtocolError on a header that can't be one. */
  *push(chunk: Buffer): Generator<Message> {
    let at = 0;
    while (at < chunk.length) {
      if (this.#payload === undefined) {
        const take = Math.min(HEADER_BYTES - this.#headFill, chunk.length - at);
        chunk.copy(this.#head, this.#headFill, at, at + take);
        this.#headFill += take;
        at += take;
        if (this.#headFill < HEADER_BYTES) return;
        this.#payload = Buffer.allocUnsafe(this.#checkedLength());
        this.#payloadFill = 0;
      }
      const take = Math.min(this.#payload.length - this.#payloadFill, chunk.length - at);
      chunk.copy(this.#payload, this.#payloadFill, at, at + take);
      this.#payloadFill += take;
      at += take;
      if (this.#payloadFill < this.#payload.length) return;
      const payload = this.#payload;
      this.#payload = undefined;
      this.#headFill = 0;
      yield {
        command: this.#head.readUInt32LE(0),
        arg0: this.#head.readUInt32LE(4),
        arg1: this.#head.readUInt32LE(8),
        checksum: this.#head.readUInt32LE(16),
        payload,
      };
    }
  }

  #checkedLength(): number {
    const command = this.#head.readUInt32LE(0);
    const length = this.#head.readUInt32LE(12);
    if (this.#head.readUInt32LE(20) !== (command ^ 0xffffffff) >>> 0) {
      throw new ProtocolError('header without its magic');
    }
    if (length > this.#limit) throw new ProtocolError(`payload of ${length} bytes, limit ${this.#limit}`);
    return length;
  }
}
