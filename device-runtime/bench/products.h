// A matrix product measured by the engine and by the yardstick on the same operands.
#pragma once

#include <span>
#include <vector>

#include "base/threads.h"
#include "bench/yardstick.h"
#include "mft/v1/bench.pb.h"
#include "store/memory.h"

namespace mft::bench {

struct Product {
  GemmOp op = GemmOp::kNT;
  i64 M = 0, N = 0, K = 0;
  double flops() const {
    return 2.0 * static_cast<double>(M) * static_cast<double>(N) * static_cast<double>(K);
  }
};

// The products of a linear layer on `tokens` rows: y = x W^T, dx = dy W and, if weight_gradient, dW = dy^T x.
std::vector<Product> layer_products(i64 tokens, i64 in, i64 out, bool weight_gradient);

// Variant and sizes.
void set_product(const Product& product, v1::GemmTime* time);

// Operands large enough for each of these products, filled with noise.
class Operands {
 public:
  explicit Operands(std::span<const Product> products);
  const float* a() const { return at(a_); }
  const float* b() const { return at(b_); }
  float* c() const { return at(c_); }

 private:
  static float* at(const store::Memory& memory) { return reinterpret_cast<float*>(memory.data()); }
  store::Memory a_, b_, c_;
};

// The yardstick's idle threads spin for a while and would disturb what follows.
void let_rest(const Yardstick* yardstick, int threads);

}  // namespace mft::bench
