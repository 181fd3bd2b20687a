/** Metadata of a GGUF file to be written: keys in the order they were given, each with its type. */
import type { GgufValue } from './header.ts';

/** Numbers of the value types in the format's description (gguf.md, gguf_metadata_value_type). */
const TYPES = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8 } as const;
const ARRAY = 9;
type Scalar = keyof typeof TYPES;

export class GgufMetadata {
  /** As a reader of the file will see them. */
  readonly values = new Map<string, GgufValue>();
  private readonly types = new Map<string, Scalar>();

  u32(key: string, value: number): this {
    if (!Number.isInteger(value) || value < 0 || value > 0xffffffff)
      throw new RangeError(`${key} = ${value} is no u32`);
    return this.set(key, 'u32', value);
  }

  f32(key: string, value: number): this {
    return this.set(key, 'f32', Math.fround(value));
  }

  bool(key: string, value: boolean): this {
    return this.set(key, 'bool', value);
  }

  string(key: string, value: string): this {
    return this.set(key, 'string', value);
  }

  strings(key: string, values: readonly string[]): this {
    return this.set(key, 'string', [...values]);
  }

  i32s(key: string, values: readonly number[]): this {
    return this.set(key, 'i32', [...values]);
  }

  f32s(key: string, values: readonly number[]): this {
    return this.set(key, 'f32', values.map(Math.fround));
  }

  /** All pairs as they stand in the file. */
  encode(): Buffer {
    const parts: Buffer[] = [];
    for (const [key, value] of this.values) {
      const type = this.types.get(key) ?? 'string';
      parts.push(encodeString(key));
      if (Array.isArray(value)) parts.push(u32(ARRAY), u32(TYPES[type]), u64(value.length));
      else parts.push(u32(TYPES[type]));
      for (const item of Array.isArray(value) ? value : [value]) parts.push(encodeScalar(type, item));
    }
    return Buffer.concat(parts);
  }

  private set(key: string, type: Scalar, value: GgufValue): this {
    if (this.values.has(key)) throw new RangeError(`${key} is there twice`);
    this.values.set(key, value);
    this.types.set(key, type);
    return this;
  }
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

export function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

export function encodeString(text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8');
  return Buffer.concat([u64(bytes.length), bytes]);
}

function encodeScalar(type: Scalar, value: string | number | boolean): Buffer {
  if (type === 'string') return encodeString(String(value));
  if (type === 'bool') return Buffer.from([value === true ? 1 : 0]);
  const bytes = Buffer.alloc(4);
  if (type === 'f32') bytes.writeFloatLE(Number(value));
  else if (type === 'i32') bytes.writeInt32LE(Number(value));
  else bytes.writeUInt32LE(Number(value));
  return bytes;
}
