// Correct, slow stand-ins by the reference, each replaced as its fast kernel arrives.
#include <cmath>

#include "base/error.h"
#include "kernels/activation.h"
#include "kernels/adamw.h"
#include "kernels/attention.h"
#include "kernels/cross_entropy.h"
#include "kernels/dropout.h"
#include "kernels/elementwise.h"
#include "kernels/embedding.h"
#include "kernels/gemm.h"
#include "kernels/isa.h"
#include "kernels/math.h"
#include "kernels/norm.h"
#include "kernels/reference/attention.h"
#include "kernels/reference/cross_entropy.h"
#include "kernels/reference/dropout.h"
#include "kernels/reference/gemm.h"
#include "kernels/reference/rows.h"
#include "kernels/rope.h"

namespace mft::kernels {
namespace {
const float* f32(Weights w) {
  if (w.dtype != DType::kF32) throw Failure("kernels.dtype", "only f32 weights yet");
  return static_cast<const float*>(w.data);
}
}  // namespace


std::size_t cross_entropy_workspace(int threads, const CrossEntropyShape&, bool) { return (std::size_t{32} << 20) + (std::size_t{1} << 19) * static_cast<std::size_t>(threads); }
CrossEntropyResult cross_entropy_forward(ThreadPool&, const CrossEntropyShape& s, const float* hidden, Weights W,
                                         const std::int32_t* targets, float* losses, Workspace) {
  return reference::cross_entropy<float>(s, hidden, f32(W), targets, 1, losses, nullptr, nullptr);
}
CrossEntropyResult cross_entropy_forward_backward(ThreadPool&, const CrossEntropyShape& s, const float* hidden,
                                                  Weights W, const std::int32_t* targets, float gradient_scale,
                                                  float* losses, float* d_hidden, float* dW, Workspace) {
  return reference::cross_entropy<float>(s, hidden, f32(W), targets, gradient_scale, losses, d_hidden, dW);
}
void dropout(ThreadPool&, i64 n, const float* x, float* y, const DropoutSite& s) {
  for (i64 i = 0; i < n; ++i) y[i] = x[i] * static_cast<float>(reference::keep_factor(s, i));
}
void philox(const DropoutSite& s, std::uint64_t block, std::uint32_t out[4]) {
  for (i64 i = 0; i < 4; ++i) out[i] = reference::random_word(s, static_cast<i64>(block) * 4 + i);
}
void layernorm_forward(ThreadPool&, i64 N, i64 C, const float* x, const float* w, const float* b, float eps, float* y,
                       float* mean, float* rstd) {
  reference::layernorm_forward(N, C, x, w, b, eps, y, mean, rstd);
}
void layernorm_backward(ThreadPool&, i64 N, i64 C, const float* dy, const float* x, const float* w, const float* mean,
                        const float* rstd, float beta, float* dx, float* dw, float* db) {
  reference::layernorm_backward(N, C, dy, x, w, mean, rstd, beta, dx, dw, db);
}
void rmsnorm_forward(ThreadPool&, i64 N, i64 C, const float* x, i64 ldx, const float* w, bool plus_one, float eps,
                     float* y, i64 ldy, float* rstd) {
  reference::rmsnorm_forward(N, C, x, ldx, w, plus_one, eps, y, ldy, rstd);
}
void rmsnorm_backward(ThreadPool&, i64 N, i64 C, const float* dy, i64 ld_dy, const float* x, i64 ldx, const float* w,
                      bool plus_one, const float* rstd, float beta, float* dx, i64 ld_dx, float* dw) {
  reference::rmsnorm_backward(N, C, dy, ld_dy, x, ldx, w, plus_one, rstd, beta, dx, ld_dx, dw);
}
void activation_forward(ThreadPool&, ActivationKind kind, i64 n, const float* x, float* y) {
  reference::activation_forward(kind, n, x, y);
}
void activation_backward(ThreadPool&, ActivationKind kind, i64 n, const float* x, const float* dy, float* dx) {
  reference::activation_backward(kind, n, x, dy, dx);
}
void gated_forward(ThreadPool&, ActivationKind kind, i64 N, i64 F, const float* gate, const float* up, i64 ld, float* y,
                   i64 ldy) {
  reference::gated_forward(kind, N, F, gate, up, ld, y, ldy);
}
void gated_backward(ThreadPool&, ActivationKind kind, i64 N, i64 F, const float* gate, const float* up, i64 ld,
                    const float* dy, i64 ldy, float* d_gate, float* d_up, i64 ld_d) {
  reference::gated_backward(kind, N, F, gate, up, ld, dy, ldy, d_gate, d_up, ld_d);
}
void add(ThreadPool&, i64 n, const float* a, const float* b, float* y) { for (i64 i = 0; i < n; ++i) y[i] = a[i] + b[i]; }
void scale(ThreadPool&, i64 n, float s, const float* x, float* y) { for (i64 i = 0; i < n; ++i) y[i] = s * x[i]; }
void fill(ThreadPool&, i64 n, float value, float* x) { for (i64 i = 0; i < n; ++i) x[i] = value; }
void convert(ThreadPool&, i64 n, Weights x, float* y) { for (i64 i = 0; i < n; ++i) y[i] = f32(x)[i]; }
void bias_gradient(ThreadPool&, i64 N, i64 C, const float* dy, i64 ld, float* db) { reference::bias_gradient(N, C, dy, ld, db); }
double sum_of_squares(ThreadPool&, i64 n, const float* x) { return reference::sum_of_squares(n, x); }
void embedding_forward(ThreadPool&, i64 N, i64 C, const std::int32_t* ids, Weights table, i64, float beta, float* out) {
  reference::embedding_forward(N, C, ids, f32(table), beta, out);
}
void embedding_backward(ThreadPool&, i64 N, i64 C, const std::int32_t* ids, const float* d_out, i64, float* d_table) {
  reference::embedding_backward(N, C, ids, d_out, d_table);
}
void rope_table(i64 T, i64 D, double base, double position_scale, float* table) {
  reference::rope_table(T, D, base, position_scale, table);
}
void rope(ThreadPool&, i64 N, i64 heads, i64 D, i64 T, const float* table, const std::int32_t* positions, bool inverse,
          float* x, i64 ld) {
  reference::rope(N, heads, D, T, table, positions, inverse, x, ld);
}
AdamWStep adamw_step(double lr, double b1, double b2, double eps, double wd, i64 t, double gradient_scale) {
  const auto f = [](double x) { return static_cast<float>(x); };
  const double n = static_cast<double>(t);
  return {f(lr), f(b1), f(b2), f(eps), f(wd), f(1 - std::pow(b1, n)), f(std::sqrt(1 - std::pow(b2, n))), f(gradient_scale)};
}
void adamw(ThreadPool&, i64 n, const AdamWStep& s, float* p, float* g, float* m, float* v, bool zero) {
  reference::adamw(n, s, p, g, m, v);
  if (zero) for (i64 i = 0; i < n; ++i) g[i] = 0;
}
namespace math {
double exp(double x) { return std::exp(x); }
double log(double x) { return std::log(x); }
double pow(double x, double y) { return std::pow(x, y); }
double sin(double x) { return std::sin(x); }
double cos(double x) { return std::cos(x); }
double tanh(double x) { return std::tanh(x); }
}  // namespace math
}  // namespace mft::kernels
