/** Recognises Llama 3's scaling of RoPE in the factors that GGUF keeps of it. */
import type { JsonObject } from '../json.ts';

/** Published values: Llama 3.1 (factor 8) and 3.2 (factor 32). */
const KNOWN = [8, 32].map((factor) => ({
  rope_type: 'llama3',
  factor,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 8192,
}));

/**
 * `factors` [D/2] divide the frequencies (convert_hf_to_gguf.py, LlamaModel.generate_extra_tensors). undefined: of none of
 * the known scalings.
 */
export function llama3Scaling(factors: Float32Array, dim: number, base: number): JsonObject | undefined {
  return KNOWN.find(
    (scaling) =>
      factors.length === dim / 2 &&
      factors.every((factor, i) => Math.abs(factor / llama3Factor(scaling, i, dim, base) - 1) < 1e-4),
  );
}

/** transformers' modeling_rope_utils.py, _compute_llama3_parameters. */
function llama3Factor(scaling: (typeof KNOWN)[number], i: number, dim: number, base: number): number {
  const wavelength = 2 * Math.PI * base ** ((2 * i) / dim);
  const { factor, low_freq_factor: low, high_freq_factor: high } = scaling;
  const original = scaling.original_max_position_embeddings;
  if (wavelength < original / high) return 1;
  if (wavelength > original / low) return factor;
  const smooth = (original / wavelength - low) / (high - low);
  return 1 / ((1 - smooth) / factor + smooth);
}
