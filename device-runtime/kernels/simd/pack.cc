// Packing: source matrices of any storage type and orientation become strips of f32 (layout in table.h).
#include "kernels/simd/stored.h"

namespace mft::kernels::MFT_ISA {
namespace {

// 4 x 4 words inside each 128-bit lane: y[j] has word j of each lane, of rows x[0] .. x[3].
MFT_INLINE void transpose_lanes(const Word* x, Word* y) {
  const hn::RepartitionToWide<U> wide;
  const auto low = hn::BitCast(wide, hn::InterleaveLower(kU, x[0], x[1]));
  const auto high = hn::BitCast(wide, hn::InterleaveUpper(kU, x[0], x[1]));
  const auto low2 = hn::BitCast(wide, hn::InterleaveLower(kU, x[2], x[3]));
  const auto high2 = hn::BitCast(wide, hn::InterleaveUpper(kU, x[2], x[3]));
  y[0] = hn::BitCast(kU, hn::InterleaveLower(wide, low, low2));
  y[1] = hn::BitCast(kU, hn::InterleaveUpper(wide, low, low2));
  y[2] = hn::BitCast(kU, hn::InterleaveLower(wide, high, high2));
  y[3] = hn::BitCast(kU, hn::InterleaveUpper(wide, high, high2));
}

// kWidth rows of kWidth words, transposed in place.
MFT_INLINE void transpose(Word (&x)[kWidth]) {
  Word y[kWidth];
  MFT_UNROLL for (int i = 0; i < kWidth; i += 4) transpose_lanes(x + i, y + i);
  // Then the lanes as a matrix of their own.
  MFT_UNROLL for (int j = 0; j < 4; ++j) {
#if HWY_TARGET == HWY_AVX3
    const __m512i a = _mm512_shuffle_i32x4(y[j].raw, y[4 + j].raw, 0x88);  // lanes 0 and 2
    const __m512i b = _mm512_shuffle_i32x4(y[j].raw, y[4 + j].raw, 0xDD);  // lanes 1 and 3
    const __m512i c = _mm512_shuffle_i32x4(y[8 + j].raw, y[12 + j].raw, 0x88);
    const __m512i d = _mm512_shuffle_i32x4(y[8 + j].raw, y[12 + j].raw, 0xDD);
    x[j].raw = _mm512_shuffle_i32x4(a, c, 0x88);
    x[4 + j].raw = _mm512_shuffle_i32x4(b, d, 0x88);
    x[8 + j].raw = _mm512_shuffle_i32x4(a, c, 0xDD);
    x[12 + j].raw = _mm512_shuffle_i32x4(b, d, 0xDD);
#elif HWY_TARGET == HWY_AVX2
    x[j] = hn::ConcatLowerLower(kU, y[4 + j], y[j]);
    x[4 + j] = hn::ConcatUpperUpper(kU, y[4 + j], y[j]);
#else
    x[j] = y[j];
#endif
  }
}

// The values of a word go to packed[P * strip].
template <class Stored, int P = 0>
MFT_INLINE void store_word(Word word, const typename Stored::Scales& scales, i64 strip, float* packed) {
  hn::StoreU(Stored::template value<P>(word, scales), kF, packed + P * strip);
  if constexpr (P + 1 < Stored::kPerWord) store_word<Stored, P + 1>(word, scales, strip, packed);
}

// kWidth rows, kWidth words of each from column c on: value i of row r goes to packed[i * strip + r].
template <class Stored>
MFT_INLINE void pack_square(const Stored& stored, const std::byte* top, i64 stride, i64 c, i64 strip,
                            float* packed) {
  Word words[kWidth];
  MFT_UNROLL for (int r = 0; r < kWidth; ++r) words[r] = Stored::words(top + r * stride, c);
  transpose(words);
  typename Stored::Scales scales = stored.scales(top, stride, c);
  MFT_UNROLL for (int w = 0; w < kWidth; ++w) {
    constexpr int kValues = Stored::kPerWord;
    if (w > 0 && w % Stored::kWordsPerScale == 0) scales = stored.scales(top, stride, c + w * kValues);
    store_word<Stored>(words[w], scales, strip, packed + w * kValues * strip);
  }
}

// The same for the last values of the rows, fewer than kWidth words: nothing beyond them is read.
template <class Stored>
void pack_square_end(const Stored& stored, const std::byte* top, i64 stride, i64 c, i64 values, i64 strip,
                     float* packed) {
  constexpr int kValues = Stored::kPerWord;
  alignas(64) float all[kWidth * kValues * kWidth];
  alignas(64) std::byte ends[kWidth][Stored::offset(kWidth * kValues)] = {};
  Word words[kWidth];
  MFT_UNROLL for (int r = 0; r < kWidth; ++r) {
    const std::byte* const from = top + r * stride + Stored::offset(c);
    const i64 bytes = Stored::offset(values + 1) - Stored::offset(1);  // rounded up where two share a byte
    for (i64 i = 0; i < bytes; ++i) ends[r][i] = from[i];
    words[r] = Stored::words(ends[r], 0);
  }
  transpose(words);
  for (int w = 0; w * kValues < values; ++w) {
    const typename Stored::Scales scales = stored.scales(top, stride, c + w * kValues);
    store_word<Stored>(words[w], scales, kWidth, all + w * kValues * kWidth);
  }
  for (i64 i = 0; i < values; ++i) hn::StoreU(hn::Load(kF, all + i * kWidth), kF, packed + i * strip);
}

// The same for what does not fill the square (fewer rows or values), value by value; missing rows become 0.
template <class Stored>
void pack_rest(const Stored& stored, const std::byte* top, i64 stride, i64 rows, i64 c, i64 values, int strip,
               int width, float* packed) {
  for (i64 r = 0; r < width; ++r) {
    for (i64 i = 0; i < values; ++i) {
      packed[i * strip + r] = r < rows ? stored.value_at(top + r * stride, c + i) : 0.0f;
    }
  }
}

// Strips as wide as whole vectors.
template <class Stored>
void pack_squares(const Stored& stored, const std::byte* source, i64 stride, i64 column, i64 rows, i64 depth,
                  int strip, float* packed) {
  constexpr i64 kStep = kWidth * Stored::kPerWord;  // values of a row at once
  constexpr i64 kAhead = 4 * kStep;
  for (i64 first = 0; first < rows; first += strip, packed += strip * depth) {
    for (i64 r = 0; r < strip; r += kWidth) {
      const std::byte* const top = source + (first + r) * stride;
      const i64 here = rows - first - r;
      i64 k = 0;
      if (here >= kWidth) {
        for (; k + kStep <= depth; k += kStep) {
          // Rows of a power-of-two distance share few cache sets: what is fetched is used at once.
          if (k + kAhead < depth) {
            MFT_UNROLL for (int i = 0; i < kWidth; ++i) {
              __builtin_prefetch(top + i * stride + Stored::offset(column + k + kAhead));
            }
          } else if (here >= 2 * kWidth) {
            MFT_UNROLL for (int i = 0; i < kWidth; ++i) {
              __builtin_prefetch(top + (kWidth + i) * stride + Stored::offset(column + k + kAhead - depth));
            }
          }
          pack_square(stored, top, stride, column + k, strip, packed + k * strip + r);
        }
        if (k < depth) {
          pack_square_end(stored, top, stride, column + k, depth - k, strip, packed + k * strip + r);
        }
      } else {
        pack_rest(stored, top, stride, here, column + k, depth - k, strip, kWidth, packed + k * strip + r);
      }
    }
  }
}

#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2
// Four rows of kWidth values, for strips narrower than a vector: f32 alone, as A is.
MFT_INLINE void pack_quad(const std::byte* top, i64 stride, i64 c, int strip, float* packed) {
  Word rows[4], four[4];
  MFT_UNROLL for (int r = 0; r < 4; ++r) rows[r] = StoredF32::words(top + r * stride, c);
  transpose_lanes(rows, four);
  MFT_UNROLL for (int i = 0; i < 4; ++i) {  // lane l of four[i] is value 4 l + i
    const auto value = hn::BitCast(kF, four[i]).raw;
#if HWY_TARGET == HWY_AVX3
    _mm_storeu_ps(packed + i * strip, _mm512_castps512_ps128(value));
    _mm_storeu_ps(packed + (4 + i) * strip, _mm512_extractf32x4_ps(value, 1));
    _mm_storeu_ps(packed + (8 + i) * strip, _mm512_extractf32x4_ps(value, 2));
    _mm_storeu_ps(packed + (12 + i) * strip, _mm512_extractf32x4_ps(value, 3));
#else
    _mm_storeu_ps(packed + i * strip, _mm256_castps256_ps128(value));
    _mm_storeu_ps(packed + (4 + i) * strip, _mm256_extractf128_ps(value, 1));
#endif
  }
}

void pack_quads(const StoredF32& stored, const std::byte* source, i64 stride, i64 column, i64 rows, i64 depth,
                int strip, float* packed) {
  for (i64 first = 0; first < rows; first += strip, packed += strip * depth) {
    for (i64 k = 0; k < depth; k += kWidth) {
      const i64 values = depth - k < kWidth ? depth - k : kWidth;
      for (i64 r = 0; r < strip; r += 4) {
        const std::byte* const top = source + (first + r) * stride;
        const i64 here = rows - first - r;
        if (here >= 4 && values == kWidth) {
          // Four lines ahead; behind the end of the rows the next rows begin.
          const i64 ahead = column + k + 64;
          const i64 next = k + 64 < depth      ? 4 * ahead
                           : here >= strip + 4 ? strip * stride + 4 * (ahead - (depth + 15) / 16 * 16)
                                               : 0;
          MFT_UNROLL for (int i = 0; i < 4; ++i) __builtin_prefetch(top + i * stride + next);
          pack_quad(top, stride, column + k, strip, packed + k * strip + r);
        } else {
          pack_rest(stored, top, stride, here, column + k, values, strip, 4, packed + k * strip + r);
        }
      }
    }
  }
}
#endif

template <class Stored>
void pack_rows_from(const Stored& stored, const Weights& source, i64 column, i64 rows, i64 depth, int strip,
                    float* packed) {
  const std::byte* const data = static_cast<const std::byte*>(source.data);
  const i64 stride = row_bytes(source.dtype, source.columns);
  if (strip % kWidth == 0) return pack_squares(stored, data, stride, column, rows, depth, strip, packed);
#if HWY_TARGET == HWY_AVX3 || HWY_TARGET == HWY_AVX2
  if (source.dtype == DType::kF32) {
    return pack_quads(StoredF32{}, data, stride, column, rows, depth, strip, packed);
  }
#endif
  for (i64 first = 0; first < rows; first += strip, packed += strip * depth) {
    pack_rest(stored, data + first * stride, stride, rows - first, column, depth, strip, strip, packed);
  }
}

// Part of a row as f32, `count` a multiple of 4: narrow strips, which are those of A and so f32 in memory.
MFT_INLINE void copy_part(const StoredF32&, const std::byte* row, i64 c, int count, float* to) {
  const hn::FixedTag<float, 4> four;
  const float* const from = reinterpret_cast<const float*>(row) + c;
  for (int i = 0; i < count; i += 4) hn::StoreU(hn::LoadU(four, from + i), four, to + i);
}
template <class Stored>
MFT_INLINE void copy_part(const Stored& stored, const std::byte* row, i64 c, int count, float* to) {
  for (int i = 0; i < count; ++i) to[i] = stored.value_at(row, c + i);
}

template <class Stored>
void pack_columns_from(const Stored& stored, const Weights& source, i64 column, i64 rows, i64 depth,
                       int strip, float* packed) {
  constexpr i64 kAhead = 8;  // rows of the source; the hardware does not see a stride this long coming
  const i64 stride = row_bytes(source.dtype, source.columns), full = rows / strip;
  const i64 bytes = Stored::offset(column + rows) - Stored::offset(column);
  for (i64 k = 0; k < depth; ++k) {
    const std::byte* const at = static_cast<const std::byte*>(source.data) + k * stride;
    if (k + kAhead < depth) {
      const std::byte* const ahead = at + kAhead * stride + Stored::offset(column);
      for (i64 i = 0; i < bytes; i += 64) __builtin_prefetch(ahead + i);
    }
    float* to = packed + k * strip;
    i64 c = column;
    if (strip % kWidth == 0 && (!Stored::kBlocks || column % kWidth == 0)) {
      for (i64 s = 0; s < full; ++s, to += strip * depth) {
        for (int i = 0; i < strip; i += kWidth, c += kWidth) hn::StoreU(stored.vector(at, c), kF, to + i);
      }
    } else {
      for (i64 s = 0; s < full; ++s, c += strip, to += strip * depth) copy_part(stored, at, c, strip, to);
    }
    if (full * strip == rows) continue;
    for (i64 i = 0; i < strip; ++i) to[i] = full * strip + i < rows ? stored.value_at(at, c + i) : 0.0f;
  }
}

}  // namespace

void pack_rows(const Weights& source, i64 column, i64 rows, i64 depth, int strip, void* packed) {
  float* const to = static_cast<float*>(packed);
  switch (source.dtype) {
    case DType::kF32:
      return pack_rows_from(StoredF32{}, source, column, rows, depth, strip, to);
    case DType::kBF16:
      return pack_rows_from(StoredBF16{}, source, column, rows, depth, strip, to);
    case DType::kF16:
      return pack_rows_from(StoredF16{}, source, column, rows, depth, strip, to);
    case DType::kI8Block32:
      return pack_rows_from(StoredI8(source.columns), source, column, rows, depth, strip, to);
    case DType::kI4Block32:
      return pack_rows_from(StoredI4(source.columns), source, column, rows, depth, strip, to);
  }
}

void pack_columns(const Weights& source, i64 column, i64 rows, i64 depth, int strip, void* packed) {
  float* const to = static_cast<float*>(packed);
  switch (source.dtype) {
    case DType::kF32:
      return pack_columns_from(StoredF32{}, source, column, rows, depth, strip, to);
    case DType::kBF16:
      return pack_columns_from(StoredBF16{}, source, column, rows, depth, strip, to);
    case DType::kF16:
      return pack_columns_from(StoredF16{}, source, column, rows, depth, strip, to);
    case DType::kI8Block32:
      return pack_columns_from(StoredI8(source.columns), source, column, rows, depth, strip, to);
    case DType::kI4Block32:
      return pack_columns_from(StoredI4(source.columns), source, column, rows, depth, strip, to);
  }
}

}  // namespace mft::kernels::MFT_ISA
