/** Llama 3's scaling of RoPE as the factors that GGUF keeps of it, there and back. */
import type { JsonObject } from '../json.ts';

/** As in RopeScaling of proto/mft/v1/model.proto. */
interface Llama3Scaling {
  factor: number;
  lowFreqFactor: number;
  highFreqFactor: number;
  originalMaxPositions: number;
}

/** Published values: Llama 3.1 (factor 8) and 3.2 (factor 32). */
const KNOWN = [8, 32].map((factor) => ({
  factor,
  lowFreqFactor: 1,
  highFreqFactor: 4,
  originalMaxPositions: 8192,
}));

/**
 * What the frequencies base^(-2i/D) are divided by, [D/2] (convert_hf_to_gguf.py, LlamaModel.generate_extra_tensors;
 * transformers' modeling_rope_utils.py, _compute_llama3_parameters).
 */
export function llama3Factors(
  { factor, lowFreqFactor: low, highFreqFactor: high, originalMaxPositions: original }: Llama3Scaling,
  dim: number,
  base: number,
): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: dim / 2 }, (_, i) => {
    const wavelength = 2 * Math.PI * base ** ((2 * i) / dim);
    if (wavelength < original / high) return 1;
    if (wavelength > original / low) return factor;
    const smooth = (original / wavelength - low) / (high - low);
    return 1 / ((1 - smooth) / factor + smooth);
  });
}

/** The scaling in a config.json's words. undefined: the factors are of none of the known scalings. */
export function llama3Scaling(factors: Float32Array, dim: number, base: number): JsonObject | undefined {
  const found = KNOWN.find((scaling) => {
    const expected = llama3Factors(scaling, dim, base);
    return (
      factors.length === expected.length &&
      factors.every((factor, i) => Math.abs(factor / (expected[i] ?? Number.NaN) - 1) < 1e-4)
    );
  });
  if (found === undefined) return undefined;
  return {
    rope_type: 'llama3',
    factor: found.factor,
    low_freq_factor: found.lowFreqFactor,
    high_freq_factor: found.highFreqFactor,
    original_max_position_embeddings: found.originalMaxPositions,
  };
}
