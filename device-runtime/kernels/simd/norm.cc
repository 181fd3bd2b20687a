// LayerNorm and RMSNorm over rows. Sums over channels go in 16 lanes and one tree; sums over rows in blocks.
#include "kernels/simd/rows.h"

namespace mft::kernels::MFT_ISA {
namespace {

// 1 / sqrt(x) in f32 by one correctly rounded square root and one division.
MFT_INLINE float reciprocal_root(float x) { return 1.0f / __builtin_sqrtf(x); }

// dx = scale * (g - mean_g - xhat * dot), g = dy * weight: the last step of both norms' backward.
template <class Count>
MFT_INLINE void write_dx(float* dx, const Lanes& d, bool add_dx, Count count) {
  store(add_dx ? add(load(dx, count), d) : d, dx, count);
}

}  // namespace

void layernorm_forward(const LayerNormRows& a, i64 begin, i64 end) {
  const i64 C = a.channels;
  const float inverse = 1.0f / static_cast<float>(C);
  for (i64 n = begin; n < end; ++n) {
    const float* const x = a.x + n * C;
    float* const y = a.y + n * C;
    Lanes total = set(0.0f);
    for_lanes(C, [&](i64 i, auto count) { total = add(total, load(x + i, count)); });
    const float mean = sum(total) * inverse;
    const Lanes center = set(mean);
    Lanes squares = set(0.0f);
    for_lanes(C, [&](i64 i, auto count) {
      const Lanes d = sub(load_or(x + i, count, mean), center);
      squares = fma(d, d, squares);
    });
    const float rstd = reciprocal_root(sum(squares) * inverse + a.eps);
    const Lanes factor = set(rstd);
    for_lanes(C, [&](i64 i, auto count) {
      const Lanes xhat = mul(sub(load(x + i, count), center), factor);
      const Lanes bias = a.bias != nullptr ? load(a.bias + i, count) : set(0.0f);
      store(fma(xhat, load(a.weight + i, count), bias), y + i, count);
    });
    a.mean[n] = mean;
    a.rstd[n] = rstd;
  }
}

void layernorm_backward(const LayerNormRows& a, i64 begin, i64 end) {
  const i64 C = a.channels;
  const float inverse = 1.0f / static_cast<float>(C);
  for (i64 n = begin; n < end; ++n) {
    const float *const x = a.x + n * C, *const dy = a.dy + n * C;
    const Lanes mean = set(a.mean[n]), rstd = set(a.rstd[n]);
    Lanes total = set(0.0f), dot = set(0.0f);
    for_lanes(C, [&](i64 i, auto count) {
      const Lanes g = mul(load(dy + i, count), load(a.weight + i, count));
      const Lanes xhat = mul(sub(load(x + i, count), mean), rstd);
      total = add(total, g);
      dot = fma(g, xhat, dot);
    });
    const Lanes mean_g = set(sum(total) * inverse), mean_dot = set(sum(dot) * inverse);
    for_lanes(C, [&](i64 i, auto count) {
      const Lanes g = mul(load(dy + i, count), load(a.weight + i, count));
      const Lanes xhat = mul(sub(load(x + i, count), mean), rstd);
      const Lanes d = mul(sub(sub(g, mean_g), mul(xhat, mean_dot)), rstd);
      write_dx(a.dx + n * C + i, d, a.add_dx, count);
    });
  }
}

void layernorm_parameters(const LayerNormRows& a, i64 rows, i64 begin, i64 end, float* d_weight,
                          float* d_bias) {
  const i64 C = a.channels;
  for_column_groups(end - begin, [&](i64 offset, auto groups, auto count) {
    constexpr int kGroups = decltype(groups)::kCount;
    const i64 c = begin + offset;
    Lanes weight[kGroups], bias[kGroups];
    for (int g = 0; g < kGroups; ++g) weight[g] = bias[g] = set(0.0f);
    for (i64 block = 0; block < rows; block += kRowBlock) {
      const i64 last = block + kRowBlock < rows ? block + kRowBlock : rows;
      Lanes block_weight[kGroups], block_bias[kGroups];
      MFT_UNROLL for (int g = 0; g < kGroups; ++g) block_weight[g] = block_bias[g] = set(0.0f);
      for (i64 n = block; n < last; ++n) {
        const Lanes mean = set(a.mean[n]), rstd = set(a.rstd[n]);
        MFT_UNROLL for (int g = 0; g < kGroups; ++g) {
          const i64 at = n * C + c + g * kLanes;
          const Lanes d = load(a.dy + at, count);
          block_weight[g] = fma(d, mul(sub(load(a.x + at, count), mean), rstd), block_weight[g]);
          block_bias[g] = add(block_bias[g], d);
        }
      }
      for (int g = 0; g < kGroups; ++g) {
        weight[g] = add(weight[g], block_weight[g]);
        bias[g] = add(bias[g], block_bias[g]);
      }
    }
    for (int g = 0; g < kGroups; ++g) {
      const i64 at = c + g * kLanes;
      if (d_weight != nullptr) store(add(load(d_weight + at, count), weight[g]), d_weight + at, count);
      if (d_bias != nullptr) store(add(load(d_bias + at, count), bias[g]), d_bias + at, count);
    }
  });
}

void rmsnorm_forward(const RmsNormRows& a, i64 begin, i64 end) {
  const i64 C = a.channels;
  const float inverse = 1.0f / static_cast<float>(C);
  const Lanes one = set(a.plus_one ? 1.0f : 0.0f);
  for (i64 n = begin; n < end; ++n) {
    const float* const x = a.x + n * a.ldx;
    float* const y = a.y + n * a.ldy;
    Lanes squares = set(0.0f);
    for_lanes(C, [&](i64 i, auto count) {
      const Lanes v = load(x + i, count);
      squares = fma(v, v, squares);
    });
    const float rstd = reciprocal_root(sum(squares) * inverse + a.eps);
    const Lanes factor = set(rstd);
    for_lanes(C, [&](i64 i, auto count) {
      store(mul(mul(load(x + i, count), factor), add(load(a.weight + i, count), one)), y + i, count);
    });
    a.rstd[n] = rstd;
  }
}

void rmsnorm_backward(const RmsNormRows& a, i64 begin, i64 end) {
  const i64 C = a.channels;
  const float inverse = 1.0f / static_cast<float>(C);
  const Lanes one = set(a.plus_one ? 1.0f : 0.0f);
  for (i64 n = begin; n < end; ++n) {
    const float *const x = a.x + n * a.ldx, *const dy = a.dy + n * a.ld_dy;
    const Lanes rstd = set(a.rstd[n]);
    Lanes dot = set(0.0f);
    for_lanes(C, [&](i64 i, auto count) {
      const Lanes g = mul(load(dy + i, count), add(load(a.weight + i, count), one));
      dot = fma(g, mul(load(x + i, count), rstd), dot);
    });
    const Lanes mean_dot = set(sum(dot) * inverse);
    for_lanes(C, [&](i64 i, auto count) {
      const Lanes g = mul(load(dy + i, count), add(load(a.weight + i, count), one));
      const Lanes d = mul(sub(g, mul(mul(load(x + i, count), rstd), mean_dot)), rstd);
      write_dx(a.dx + n * a.ld_dx + i, d, a.add_dx, count);
    });
  }
}

void rmsnorm_parameters(const RmsNormRows& a, i64 rows, i64 begin, i64 end, float* d_weight) {
  for_lanes(end - begin, [&](i64 offset, auto count) {
    const i64 c = begin + offset;
    Lanes weight = set(0.0f);
    for (i64 block = 0; block < rows; block += kRowBlock) {
      const i64 last = block + kRowBlock < rows ? block + kRowBlock : rows;
      Lanes block_weight = set(0.0f);
      for (i64 n = block; n < last; ++n) {
        const Lanes xhat = mul(load(a.x + n * a.ldx + c, count), set(a.rstd[n]));
        block_weight = fma(load(a.dy + n * a.ld_dy + c, count), xhat, block_weight);
      }
      weight = add(weight, block_weight);
    }
    store(add(load(d_weight + c, count), weight), d_weight + c, count);
  });
}

}  // namespace mft::kernels::MFT_ISA
