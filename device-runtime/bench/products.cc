#include "bench/products.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "bench/random_weights.h"

namespace mft::bench {

std::vector<Product> layer_products(i64 tokens, i64 in, i64 out, bool weight_gradient) {
  std::vector<Product> products = {{GemmOp::kNT, tokens, out, in}, {GemmOp::kNN, tokens, in, out}};
  if (weight_gradient) products.push_back({GemmOp::kTN, out, in, tokens});
  return products;
}

void set_product(const Product& product, v1::GemmTime* time) {
  const GemmOp op = product.op;
  time->set_variant(op == GemmOp::kNT ? v1::GEMM_NT : op == GemmOp::kNN ? v1::GEMM_NN : v1::GEMM_TN);
  time->set_m(static_cast<uint64_t>(product.M));
  time->set_n(static_cast<uint64_t>(product.N));
  time->set_k(static_cast<uint64_t>(product.K));
}

Operands::Operands(std::span<const Product> products) {
  i64 a = 0, b = 0, c = 0;
  for (const Product& product : products) {
    a = std::max(a, product.M * product.K);
    b = std::max(b, product.K * product.N);
    c = std::max(c, product.M * product.N);
  }
  const auto memory = [](i64 count) { return store::Memory(static_cast<uint64_t>(count) * 4, "operands"); };
  a_ = memory(a);
  b_ = memory(b);
  c_ = memory(c);
  fill_noise(1, a, at(a_));
  fill_noise(2, b, at(b_));
  fill_noise(3, c, at(c_));
}

void let_rest(const Yardstick* yardstick, int threads) {
  if (yardstick != nullptr && threads > 1) std::this_thread::sleep_for(std::chrono::milliseconds(50));
}

}  // namespace mft::bench
