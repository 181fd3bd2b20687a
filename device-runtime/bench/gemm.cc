#include <algorithm>
#include <optional>

#include "bench/bench.h"
#include "bench/disturber.h"
#include "bench/products.h"
#include "bench/random_weights.h"
#include "bench/spec.h"
#include "bench/timing.h"
#include "kernels/isa.h"

namespace mft::bench {
namespace {

constexpr double kFlopsOfAProduct = 1e11;  // about a second on one core of a desktop, some on a phone
constexpr uint32_t kFewest = 7, kMost = 61;

uint32_t rounds_of(const v1::GemmBench& spec, const Product& product) {
  if (spec.rounds() != 0) return spec.rounds();
  return std::clamp(static_cast<uint32_t>(kFlopsOfAProduct / product.flops()), kFewest, kMost);
}

// C = the product by the engine, with B stored as `weights` says.
class Engine {
 public:
  Engine(int threads, const v1::GemmBench& spec) : pool_(threads) {
    epilogue_.compute = kernel_compute(spec.compute());
  }

  void multiply(const Product& p, const Operands& operands, kernels::Weights weights, bool as_asked) {
    const size_t need = kernels::gemm_workspace(pool_.threads(), p.op, p.M, p.N, p.K);
    if (need > workspace_.size()) workspace_ = store::Memory(need, "the workspace");
    const i64 lda = p.op == GemmOp::kTN ? p.M : p.K, ldb = p.op == GemmOp::kNT ? p.K : p.N;
    kernels::gemm(pool_, p.op, p.M, p.N, p.K, operands.a(), lda, weights, ldb, operands.c(), p.N, 0,
                  as_asked ? epilogue_ : kernels::Epilogue{}, {workspace_.data(), workspace_.size()});
  }

 private:
  ThreadPool pool_;
  kernels::Epilogue epilogue_;
  store::Memory workspace_;
};

}  // namespace

v1::GemmBenchReport measure_gemm(const v1::GemmBench& spec, Yardstick* yardstick) {
  std::optional<Disturber> disturber;
  if (spec.disturbed()) disturber.emplace();
  const int threads = thread_count(spec.threads());
  if (yardstick != nullptr) yardstick->set_threads(threads);
  Engine engine(threads, spec);
  const kernels::DType dtype = kernel_dtype(spec.dtype());
  // The engine's plain f32 product is measured beside anything else.
  const bool plain = dtype == kernels::DType::kF32 && spec.compute() == v1::COMPUTE_F32;
  v1::GemmBenchReport report;
  for (const v1::GemmBench::Layer& layer : spec.layers()) {
    for (const Product& p : layer_products(layer.tokens(), layer.in(), layer.out(),
                                           dtype == kernels::DType::kF32)) {
      const Operands operands(std::span(&p, 1));
      const i64 rows = p.op == GemmOp::kNT ? p.N : p.K, columns = p.op == GemmOp::kNT ? p.K : p.N;
      store::Memory stored(static_cast<uint64_t>(rows * kernels::row_bytes(dtype, columns)), "the weights");
      fill_matrix(2, rows, columns, dtype, stored.data());
      const kernels::Weights weights(stored.data(), dtype, columns);
      std::vector<double> own, own_f32, other;
      const uint32_t rounds = rounds_of(spec, p);
      for (uint32_t round = 0; round <= rounds; ++round) {  // the first one warms up
        const auto keep = [&](std::vector<double>* times, double seconds) {
          if (round > 0) times->push_back(seconds);
        };
        keep(&own, seconds_of([&] { engine.multiply(p, operands, weights, true); }));
        if (!plain) keep(&own_f32, seconds_of([&] { engine.multiply(p, operands, operands.b(), false); }));
        if (yardstick == nullptr) continue;
        keep(&other, seconds_of([&] {
               yardstick->multiply(p.op, p.M, p.N, p.K, operands.a(), operands.b(), operands.c());
             }));
        let_rest(yardstick, threads);
      }
      v1::GemmTime* time = report.add_gemms();
      set_product(p, time);
      time->set_count(1);
      time->set_seconds(median(own));
      time->set_f32_seconds(plain ? median(own) : median(own_f32));
      time->set_yardstick_seconds(median(other));
    }
  }
  report.set_isa(std::string(kernels::isa()));
  report.set_threads(static_cast<uint32_t>(threads));
  if (yardstick != nullptr) report.set_yardstick(yardstick->description());
  return report;
}

}  // namespace mft::bench
