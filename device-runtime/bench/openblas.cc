#include <dlfcn.h>

#include "base/error.h"
#include "bench/yardstick.h"

namespace mft::bench {
namespace {

// cblas_sgemm(order, transA, transB, M, N, K, alpha, A, lda, B, ldb, beta, C, ldc)
using Sgemm = void (*)(int, int, int, int, int, int, float, const float*, int, const float*, int, float,
                       float*, int);
constexpr int kRowMajor = 101, kNoTranspose = 111, kTranspose = 112;

class OpenBlas final : public Yardstick {
 public:
  explicit OpenBlas(const std::string& path) : path_(path) {
    library_ = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library_ == nullptr) fail(dlerror());
    sgemm_ = find<Sgemm>("cblas_sgemm");
    set_threads_ = find<void (*)(int)>("openblas_set_num_threads");
    config_ = find<char* (*)()>("openblas_get_config");
  }
  // Not closed: its threads run its code until the process ends.

  std::string description() const override { return config_(); }
  void set_threads(int threads) override { set_threads_(threads); }
  void multiply(GemmOp op, i64 M, i64 N, i64 K, const float* A, const float* B, float* C) override {
    const bool a_transposed = op == GemmOp::kTN, b_transposed = op == GemmOp::kNT;
    const auto size = [](i64 x) { return static_cast<int>(x); };
    sgemm_(kRowMajor, a_transposed ? kTranspose : kNoTranspose, b_transposed ? kTranspose : kNoTranspose,
           size(M), size(N), size(K), 1.0f, A, size(a_transposed ? M : K), B, size(b_transposed ? K : N),
           0.0f, C, size(N));
  }

 private:
  template <class Function>
  Function find(const char* name) const {
    void* const symbol = dlsym(library_, name);
    if (symbol == nullptr) fail(std::string("it has no ") + name);
    return reinterpret_cast<Function>(symbol);
  }
  [[noreturn]] void fail(const std::string& why) const {
    throw Failure("bench.no-yardstick", path_ + " can't be used as OpenBLAS: " + why,
                  "Name another library with --openblas.");
  }

  std::string path_;
  void* library_ = nullptr;
  Sgemm sgemm_ = nullptr;
  void (*set_threads_)(int) = nullptr;
  char* (*config_)() = nullptr;
};

}  // namespace

std::unique_ptr<Yardstick> load_openblas(const std::string& path) { return std::make_unique<OpenBlas>(path); }

}  // namespace mft::bench
