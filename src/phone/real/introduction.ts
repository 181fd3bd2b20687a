import { Command, HEADER_BYTES, header } from '../emulated/wire/message.ts';

/** Longer than any introduction: what is not one is passed on as it is. */
const MAX_INTRODUCTION = 64 * 1024;

/**
 * Gives adbd's introduction the names that it reads from Android's properties. Debian's adbd has no properties and says
 * `ro.product.model=;`, so that `adb devices -l` would not know what phone it is. Nothing else on the wire is touched.
 */
export class Introduction {
  readonly #properties: ReadonlyMap<string, string>;
  #held: Buffer = Buffer.alloc(0);
  #done = false;

  constructor(properties: ReadonlyMap<string, string>) {
    this.#properties = properties;
  }

  /** @returns what is to be passed on; empty until the introduction is complete */
  push(chunk: Buffer): Buffer {
    if (this.#done) return chunk;
    const held = Buffer.concat([this.#held, chunk]);
    this.#held = held;
    if (held.length < HEADER_BYTES) return Buffer.alloc(0);
    const length = held.readUInt32LE(12);
    const end = HEADER_BYTES + length;
    const known = held.readUInt32LE(0) === Command.CNXN && length <= MAX_INTRODUCTION;
    if (known && held.length < end) return Buffer.alloc(0);
    this.#done = true;
    if (!known) return held;
    const named = held
      .toString('utf8', HEADER_BYTES, end)
      .replace(/(ro\.product\.[a-z]+)=;/g, (_, name) => `${name}=${this.#properties.get(name) ?? ''};`);
    const payload = Buffer.from(named);
    const head = header(Command.CNXN, held.readUInt32LE(4), held.readUInt32LE(8), payload, true);
    return Buffer.concat([head, payload, held.subarray(end)]);
  }
}
