/**
 * Pseudo-random normals that are the same on every machine: integer arithmetic, +, -, *, / and square root only (Math.log
 * may differ between versions of V8). xoshiro128** (Blackman and Vigna 2018), one stream a name, keyed by SHA-256.
 */
import { createHash } from 'node:crypto';
import type { F32 } from './tensors/float.ts';

const LN2 = Math.LN2;

/** Natural logarithm of a positive normal number, within 1e-15 relative of the true value near and far from 1. */
export function logarithm(x: number): number {
  scratch[0] = x;
  const high = scratchBits[1] ?? 0;
  let exponent = (high >>> 20) - 1023;
  scratchBits[1] = (high & 0xfffff) | 0x3ff00000;
  let m = scratch[0] ?? 1; // in [1, 2)
  if (m > Math.SQRT2) {
    m /= 2;
    exponent += 1;
  }
  // ln m = 2 artanh((m - 1) / (m + 1)); |t| <= 0.1716, so 11 terms reach the last bit.
  const t = (m - 1) / (m + 1);
  const t2 = t * t;
  let sum = 0;
  for (let k = 21; k >= 1; k -= 2) sum = sum * t2 + 1 / k;
  return exponent * LN2 + 2 * t * sum;
}

const scratch = new Float64Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

export class NormalStream {
  private a: number;
  private b: number;
  private c: number;
  private d: number;
  private spare: number | undefined;

  constructor(seed: number, name: string) {
    const key = createHash('sha256').update(`mft ${seed} ${name}`).digest();
    this.a = key.readUInt32LE(0);
    this.b = key.readUInt32LE(4);
    this.c = key.readUInt32LE(8);
    this.d = key.readUInt32LE(12) | 1; // never all zero
  }

  private next(): number {
    const product = Math.imul(this.b, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9);
    const shifted = this.b << 9;
    this.c ^= this.a;
    this.d ^= this.b;
    this.b ^= this.c;
    this.a ^= this.d;
    this.c ^= shifted;
    this.d = (this.d << 11) | (this.d >>> 21);
    return result; // signed 32 bits
  }

  /** Standard normal, by Marsaglia's polar method. */
  normal(): number {
    if (this.spare !== undefined) {
      const value = this.spare;
      this.spare = undefined;
      return value;
    }
    for (;;) {
      const x = (this.next() + 0.5) / 0x80000000;
      const y = (this.next() + 0.5) / 0x80000000;
      const s = x * x + y * y;
      if (s >= 1) continue;
      const factor = Math.sqrt((-2 * logarithm(s)) / s);
      this.spare = y * factor;
      return x * factor;
    }
  }

  fill(out: F32, deviation: number): void {
    for (let i = 0; i < out.length; i += 1) out[i] = this.normal() * deviation;
  }
}
