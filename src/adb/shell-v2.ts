/**
 * The shell protocol ("shell v2", AOSP shell_protocol.h): each packet is id u8, length u32 little-endian, payload.
 * Packets span the transport's writes, so the decoder keeps its place, and it passes payload on as it comes instead of
 * collecting what a length promises: nothing is allocated for a length that a phone claims.
 */
export const ShellId = { stdin: 0, stdout: 1, stderr: 2, exit: 3, closeStdin: 4 } as const;

const HEADER_BYTES = 5;

/** The stream is not the shell protocol. */
export class ShellProtocolError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ShellProtocolError';
  }
}

export type ShellOutput =
  | { kind: 'stdout'; data: Buffer }
  | { kind: 'stderr'; data: Buffer }
  | { kind: 'exit'; code: number };

export class ShellDecoder {
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerFill = 0;
  #remaining = 0;

  /** Parts of one packet may come as several outputs. What follows the exit packet is not looked at. */
  *push(chunk: Buffer): Generator<ShellOutput, void, void> {
    let at = 0;
    while (at < chunk.length) {
      if (this.#headerFill < HEADER_BYTES) {
        const taken = chunk.copy(this.#header, this.#headerFill, at, at + HEADER_BYTES - this.#headerFill);
        this.#headerFill += taken;
        at += taken;
        if (this.#headerFill < HEADER_BYTES) return;
        this.#remaining = this.#header.readUInt32LE(1);
        this.#checkHeader();
      }
      const data = chunk.subarray(at, at + this.#remaining);
      at += data.length;
      this.#remaining -= data.length;
      if (this.#remaining === 0) this.#headerFill = 0;
      if (data.length === 0) continue;
      const id = this.#header[0];
      if (id === ShellId.exit) {
        yield { kind: 'exit', code: data[0] ?? 0 };
        return;
      }
      yield { kind: id === ShellId.stdout ? 'stdout' : 'stderr', data };
    }
  }

  #checkHeader(): void {
    const id = this.#header[0];
    if (id === ShellId.exit && this.#remaining !== 1)
      throw new ShellProtocolError(`exit packet of ${this.#remaining} bytes instead of 1`);
    if (id !== ShellId.stdout && id !== ShellId.stderr && id !== ShellId.exit)
      throw new ShellProtocolError(`unknown shell packet id ${id}`);
    // An empty packet has no payload to wait for.
    if (this.#remaining === 0) this.#headerFill = 0;
  }
}

/** A packet to the phone. */
export function encodeShellPacket(id: number, payload: Uint8Array = new Uint8Array(0)): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header[0] = id;
  header.writeUInt32LE(payload.length, 1);
  return Buffer.concat([header, payload]);
}
