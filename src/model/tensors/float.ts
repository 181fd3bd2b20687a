/**
 * f32, bf16 and f16 as bits. Values travel as Float32Array, but conversions and copies work on the bits, so that a NaN
 * keeps its payload. Narrowing rounds to nearest, ties to even (IEEE 754). Typed arrays are little-endian on every
 * platform that Node supports mft on, and so are all file formats here.
 */
import type { FloatType } from '../types.ts';

export const FLOAT_BYTES: Record<FloatType, number> = { f32: 4, bf16: 2, f16: 2 };

export type F32 = Float32Array<ArrayBuffer>;

/** `bytes` hold whole elements of `type`; the result is a new array. */
export function widen(bytes: Uint8Array, type: FloatType): F32 {
  const count = bytes.byteLength / FLOAT_BYTES[type];
  const out = new Float32Array(count);
  if (type === 'f32') {
    new Uint8Array(out.buffer).set(bytes);
    return out;
  }
  const halves = new Uint16Array(count);
  new Uint8Array(halves.buffer).set(bytes);
  const bits = new Uint32Array(out.buffer);
  if (type === 'bf16') for (let i = 0; i < count; i += 1) bits[i] = (halves[i] ?? 0) << 16;
  else {
    const table = halfTable();
    for (let i = 0; i < count; i += 1) bits[i] = table[halves[i] ?? 0] ?? 0;
  }
  return out;
}

/** The bytes of `values` stored as `type`. An f32 result shares memory with `values`. */
export function narrow(values: F32, type: FloatType): Uint8Array {
  if (type === 'f32') return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  if (type === 'bf16') for (let i = 0; i < out.length; i += 1) out[i] = toBfloat(bits[i] ?? 0);
  else for (let i = 0; i < out.length; i += 1) out[i] = toHalf(bits[i] ?? 0);
  return new Uint8Array(out.buffer);
}

/** Whether a finite value became infinite when it was narrowed to `bytes`. */
export function overflows(values: F32, bytes: Uint8Array, type: 'bf16' | 'f16'): boolean {
  const exponent = type === 'bf16' ? 0x7f80 : 0x7c00;
  const stored = new Uint16Array(bytes.buffer, bytes.byteOffset, values.length);
  for (let i = 0; i < stored.length; i += 1)
    if (((stored[i] as number) & 0x7fff) === exponent && Number.isFinite(values[i])) return true;
  return false;
}

function toBfloat(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40; // NaN stays one, quiet
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

function toHalf(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00 | ((magnitude >>> 13) & 0x3ff); // NaN
  if (magnitude >= 0x47800000) return sign | 0x7c00; // 65536 and above: infinity
  if (magnitude >= 0x38800000) {
    // 2^-14 and above: a normal half; rounding may carry into the exponent, up to infinity.
    const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
    return sign | ((rounded >>> 13) - 0x1c000);
  }
  // Subnormal half: value in units of 2^-24. Below 2^-25 (and at it, by ties to even) it is zero.
  const exponent = magnitude >>> 23;
  const shift = 126 - exponent;
  if (shift > 24) return sign;
  const mantissa = (magnitude & 0x7fffff) | 0x800000;
  const half = 1 << (shift - 1);
  const odd = (mantissa >>> shift) & 1;
  return sign | ((mantissa + half - 1 + odd) >>> shift);
}

let halves: Uint32Array | undefined;

/** f32 bits of each of the 65536 halves. */
function halfTable(): Uint32Array {
  if (halves !== undefined) return halves;
  const table = new Uint32Array(0x10000);
  const value = new Float32Array(1);
  const valueBits = new Uint32Array(value.buffer);
  for (let half = 0; half < 0x10000; half += 1) {
    const sign = half >>> 15 === 0 ? 0 : 0x80000000;
    const exponent = (half >>> 10) & 0x1f;
    const fraction = half & 0x3ff;
    if (exponent === 0) {
      value[0] = fraction * 2 ** -24; // exact
      table[half] = sign | (valueBits[0] ?? 0);
    } else {
      const wide = exponent === 0x1f ? 0xff : exponent + 112;
      table[half] = sign | (wide << 23) | (fraction << 13);
    }
  }
  halves = table;
  return table;
}
