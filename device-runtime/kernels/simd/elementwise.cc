// Vectors: sums, products, conversion, dropout, the optimizer's update, rotation.
#include "kernels/simd/dropout.h"
#include "kernels/simd/gemm_block.h"
#include "kernels/simd/rows.h"

namespace mft::kernels::MFT_ISA {

void add_vectors(i64 n, const float* a, const float* b, float* y) {
  for_lanes(n, [&](i64 i, auto count) { store(add(load(a + i, count), load(b + i, count)), y + i, count); });
}

void scale_vector(i64 n, float s, const float* x, float* y) {
  const Lanes factor = set(s);
  for_lanes(n, [&](i64 i, auto count) { store(mul(factor, load(x + i, count)), y + i, count); });
}

void convert(const Weights& x, bool accumulate, float* y) {
  alignas(64) float buffer[256];
  for (i64 i = 0; i < x.columns; i += 256) {
    const i64 count = x.columns - i < 256 ? x.columns - i : 256;
    const bool direct = count == 256 && !accumulate;
    pack_columns(x, i, count, 1, 256, direct ? y + i : buffer);  // one row of one strip: a conversion
    if (direct) continue;
    if (accumulate) {
      add_vectors(count, y + i, buffer, y + i);
    } else {
      for (i64 j = 0; j < count; ++j) y[i + j] = buffer[j];
    }
  }
}

void column_sums(i64 rows, i64 columns, const float* x, i64 ld, float* sums) {
  for_column_groups(columns, [&](i64 c, auto groups, auto count) {
    constexpr int kGroups = decltype(groups)::kCount;
    Lanes total[kGroups];
    for (Lanes& t : total) t = set(0.0f);
    for (i64 block = 0; block < rows; block += kRowBlock) {
      const i64 last = block + kRowBlock < rows ? block + kRowBlock : rows;
      Lanes part[kGroups];
      MFT_UNROLL for (int g = 0; g < kGroups; ++g) part[g] = set(0.0f);
      for (i64 n = block; n < last; ++n) {
        MFT_UNROLL for (int g = 0; g < kGroups; ++g) part[g] =
            add(part[g], load(x + n * ld + c + g * kLanes, count));
      }
      for (int g = 0; g < kGroups; ++g) total[g] = add(total[g], part[g]);
    }
    for (int g = 0; g < kGroups; ++g) {
      float* const to = sums + c + g * kLanes;
      store(add(load(to, count), total[g]), to, count);
    }
  });
}

double sum_of_squares(i64 n, const float* x) {
  constexpr i64 kBlock = 1024;
  double total = 0;
  for (i64 block = 0; block < n; block += kBlock) {
    Lanes part = set(0.0f);
    for_lanes(n - block < kBlock ? n - block : kBlock, [&](i64 i, auto count) {
      const Lanes v = load(x + block + i, count);
      part = fma(v, v, part);
    });
    total += static_cast<double>(sum(part));
  }
  return total;
}

void dropout(const DropoutSite& site, i64 first, i64 n, const float* x, float* y) {
  const DropoutFactors factors(site);
  alignas(64) float keep[64];
  for (i64 i = 0; i < n; i += 64) {
    factors.sixty_four(first + i, keep);
    for_lanes(n - i < 64 ? n - i : 64, [&](i64 j, auto count) {
      store(mul(load(x + i + j, count), load(keep + j)), y + i + j, count);
    });
  }
}

void adamw(i64 n, const AdamWStep& s, float* p, float* g, float* m, float* v, bool zero_gradient) {
  const Lanes beta1 = set(s.beta1), beta2 = set(s.beta2), rest1 = set(s.one_minus_beta1),
              rest2 = set(s.one_minus_beta2);
  const Lanes gradient_scale = set(s.gradient_scale), eps = set(s.eps);
  const Lanes decay = set(s.decay), inverse_root = set(s.inverse_root), rate = set(-s.rate);
  for_lanes(n, [&](i64 i, auto count) {
    const Lanes gradient = mul(load(g + i, count), gradient_scale);
    const Lanes first = fma(beta1, load(m + i, count), mul(rest1, gradient));
    const Lanes second = fma(beta2, load(v + i, count), mul(rest2, mul(gradient, gradient)));
    const Lanes denominator = fma(sqrt(second), inverse_root, eps);
    const Lanes parameter = fma(rate, div(first, denominator), mul(load(p + i, count), decay));
    store(first, m + i, count);
    store(second, v + i, count);
    store(parameter, p + i, count);
    if (zero_gradient) store(set(0.0f), g + i, count);
  });
}

void rope(i64 heads, i64 D, const float* angles, bool inverse, float* x) {
  const i64 half = D / 2;
  for (i64 h = 0; h < heads; ++h) {
    float *const low = x + h * D, *const high = low + half;
    for_lanes(half, [&](i64 i, auto count) {
      const Lanes cosine = load(angles + i, count);
      const Lanes sine =
          inverse ? sub(set(0.0f), load(angles + half + i, count)) : load(angles + half + i, count);
      const Lanes a = load(low + i, count), b = load(high + i, count);
      store(fma(a, cosine, mul(b, sub(set(0.0f), sine))), low + i, count);
      store(fma(b, cosine, mul(a, sine)), high + i, count);
    });
  }
}

}  // namespace mft::kernels::MFT_ISA
