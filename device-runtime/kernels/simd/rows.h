// Declarations of the row kernels of this instruction set; what they compute is said in simd/table.h and the
// public headers.
#pragma once

#include "kernels/simd/functions.h"
#include "kernels/simd/table.h"

namespace mft::kernels::MFT_ISA {

constexpr i64 kRowBlock =
    64;  // rows whose sum is formed apart before it is added: shorter chains, smaller errors

// Lanes beyond the end are `rest`.
MFT_INLINE Lanes load_or(const float* x, All all, float) { return load(x, all); }
MFT_INLINE Lanes load_or(const float* x, First count, float rest) { return load(x, count, rest); }

// body(column, Groups<4>{}, All{}) for stretches of 64 columns, then by 16, then for the rest: sums over rows
// read several neighbouring cache lines of a row, since the next row is far away.
template <int N>
struct Groups {
  static constexpr int kCount = N;
};
template <class Body>
MFT_INLINE void for_column_groups(i64 columns, const Body& body) {
  i64 c = 0;
  for (; c + 4 * kLanes <= columns; c += 4 * kLanes) body(c, Groups<4>{}, All{});
  for_lanes(columns - c, [&](i64 i, auto count) { body(c + i, Groups<1>{}, count); });
}

void layernorm_forward(const LayerNormRows&, i64 begin, i64 end);
void layernorm_backward(const LayerNormRows&, i64 begin, i64 end);
void layernorm_parameters(const LayerNormRows&, i64 rows, i64 begin, i64 end, float* d_weight, float* d_bias);
void rmsnorm_forward(const RmsNormRows&, i64 begin, i64 end);
void rmsnorm_backward(const RmsNormRows&, i64 begin, i64 end);
void rmsnorm_parameters(const RmsNormRows&, i64 rows, i64 begin, i64 end, float* d_weight);

void activation_forward(ActivationKind, i64 n, const float* x, float* y);
void activation_backward(ActivationKind, i64 n, const float* x, const float* dy, float* dx);
void gated_forward(ActivationKind, i64 n, const float* gate, const float* up, float* y);
void gated_backward(ActivationKind, i64 n, const float* gate, const float* up, const float* dy, float* d_gate,
                    float* d_up);

void add_vectors(i64 n, const float* a, const float* b, float* y);
void scale_vector(i64 n, float s, const float* x, float* y);
void convert(const Weights& x, bool accumulate, float* y);
void column_sums(i64 rows, i64 columns, const float* x, i64 ld, float* sums);
double sum_of_squares(i64 n, const float* x);
void dropout(const DropoutSite&, i64 first, i64 n, const float* x, float* y);
void adamw(i64 n, const AdamWStep&, float* p, float* g, float* m, float* v, bool zero_gradient);
void rope(i64 heads, i64 D, const float* angles, bool inverse, float* x);

void logsumexp(i64 n, const float* logits, float* largest, float* total);
void softcap(i64 n, float cap, float* logits);
void softmax_gradient(i64 n, float* logits, float lse, float factor, float cap);

}  // namespace mft::kernels::MFT_ISA
