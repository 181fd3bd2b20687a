/** GGUF files field by field, true or not. */

export const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
export const u64 = (value: number | bigint): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};
export const text = (value: string): Buffer =>
  Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);

export const U8 = 0;
export const U32 = 4;
export const F32 = 6;
export const STRING = 8;
export const ARRAY = 9;

export const pair = (key: string, type: number, ...value: Buffer[]): Buffer =>
  Buffer.concat([text(key), u32(type), ...value]);
export const architecture = pair('general.architecture', STRING, text('gpt2'));

/** A tensor's entry: dimensions as the file has them, the fastest first. */
export const tensor = (
  name: string,
  dims: (number | bigint)[],
  type: number,
  offset: number | bigint,
): Buffer => Buffer.concat([text(name), u32(dims.length), ...dims.map(u64), u32(type), u64(offset)]);

export interface GgufParts {
  version?: number;
  pairs?: readonly Buffer[];
  tensors?: readonly Buffer[];
  /** What the file claims to have; default: what it has. */
  pairCount?: bigint;
  tensorCount?: bigint;
  /** Bytes behind the header. */
  data?: number;
}

export function gguf({ version = 3, pairs = [architecture], tensors = [], ...claims }: GgufParts): Buffer {
  const head = Buffer.concat([
    Buffer.from('GGUF'),
    u32(version),
    u64(claims.tensorCount ?? tensors.length),
    u64(claims.pairCount ?? pairs.length),
    ...pairs,
    ...tensors,
  ]);
  return Buffer.concat([head, Buffer.alloc((32 - (head.length % 32)) % 32), Buffer.alloc(claims.data ?? 0)]);
}
