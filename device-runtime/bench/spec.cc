#include "bench/spec.h"

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/process.h"
#include "base/threads.h"

namespace mft::bench {
namespace {

constexpr uint64_t kMaxBytes = uint64_t{1} << 20;
constexpr uint32_t kMost = 1u << 20;  // of anything that is counted

void check(bool good, const std::string& what) {
  if (good) return;
  throw Failure("bench.spec-invalid", "the measurement can't be done: " + what,
                "It was made by another version of mft, or for a model of another kind.");
}

void check_count(const char* field, uint32_t value) {
  check(value >= 1 && value <= kMost, std::string(field) + " = " + std::to_string(value));
}

void check_common(uint32_t threads, v1::DType dtype, v1::ComputeType compute) {
  check(threads <= static_cast<uint32_t>(ThreadPool::kMaxThreads), "threads = " + std::to_string(threads));
  switch (dtype) {
    case v1::DTYPE_F32:
    case v1::DTYPE_BF16:
    case v1::DTYPE_F16:
    case v1::DTYPE_I8_BLOCK32:
    case v1::DTYPE_I4_BLOCK32:
      break;
    default:
      check(false, "dtype = " + std::to_string(dtype));
  }
  check(compute == v1::COMPUTE_F32 || compute == v1::COMPUTE_BF16, "compute = " + std::to_string(compute));
}

}  // namespace

v1::BenchSpec read_spec(const std::string& path) {
  v1::BenchSpec spec;
  check(spec.ParseFromString(read_all(path, kMaxBytes)), path + " holds no specification");
  if (spec.has_engine()) {
    const v1::EngineBench& engine = spec.engine();
    check_common(engine.threads(), engine.dtype(), engine.compute());
    check_count("batch_size", engine.batch_size());
    check_count("sequence_length", engine.sequence_length());
    check_count("steps", engine.steps());
    check(!engine.full() || engine.dtype() == v1::DTYPE_F32, "full fine-tuning of weights that are not f32");
  } else {
    check(spec.has_gemm(), "it asks for nothing");
    const v1::GemmBench& gemm = spec.gemm();
    check_common(gemm.threads(), gemm.dtype(), gemm.compute());
    check(gemm.layers_size() > 0, "no layers");
    for (const v1::GemmBench::Layer& layer : gemm.layers()) {
      check_count("tokens", layer.tokens());
      check_count("in", layer.in());
      check_count("out", layer.out());
    }
  }
  return spec;
}

kernels::Compute kernel_compute(v1::ComputeType compute) {
  return compute == v1::COMPUTE_BF16 ? kernels::Compute::kBF16 : kernels::Compute::kF32;
}

int thread_count(uint32_t threads) {
  const auto most = static_cast<uint32_t>(ThreadPool::kMaxThreads);
  return static_cast<int>(threads == 0 ? std::min(static_cast<uint32_t>(usable_cpus()), most) : threads);
}

}  // namespace mft::bench
