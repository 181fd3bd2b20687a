// Activations of the MLP and their gradients.
#pragma once

#include "base/threads.h"
#include "kernels/types.h"

namespace mft::kernels {

enum class ActivationKind : std::uint8_t {
  kGeluTanh,  // 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), "gelu_new"
  kSilu,      // x / (1 + exp(-x))
};

// y[i] = f(x[i]), i < n. y may be x if x is not needed again.
void activation_forward(ThreadPool& pool, ActivationKind kind, i64 n, const float* x, float* y);
// dx[i] = f'(x[i]) dy[i]; x is the input of forward. dx may be dy.
void activation_backward(ThreadPool& pool, ActivationKind kind, i64 n, const float* x, const float* dy,
                         float* dx);

// Gated MLP: y = f(gate) * up, all [N, F]; gate and up with row distance ld (two halves of one fused
// product).
void gated_forward(ThreadPool& pool, ActivationKind kind, i64 N, i64 F, const float* gate, const float* up,
                   i64 ld, float* y, i64 ldy);
// d_gate and d_up with row distance ld_d; they may be gate and up themselves (ld_d == ld).
void gated_backward(ThreadPool& pool, ActivationKind kind, i64 N, i64 F, const float* gate, const float* up,
                    i64 ld, const float* dy, i64 ldy, float* d_gate, float* d_up, i64 ld_d);

}  // namespace mft::kernels
