// Speed of the matrix products in GFLOP/s, best and median of a few calls. Not a test; build it by name:
//   ninja kernels_bench && kernels/kernels_bench [threads] [isa] [libopenblas]
//   ... THREADS ISA PATH-OF-LIBOPENBLAS adds the same products by OpenBLAS, calls alternating
#include <dlfcn.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "kernels/gemm.h"
#include "kernels/test_support.h"

namespace {

using namespace mft;
using namespace mft::kernels;
using Clock = std::chrono::steady_clock;

// cblas_sgemm(order, transA, transB, M, N, K, alpha, A, lda, B, ldb, beta, C, ldc)
using Sgemm = void (*)(int, int, int, int, int, int, float, const float*, int, const float*, int, float, float*, int);

double seconds_of(const std::function<void()>& call) {
  const auto start = Clock::now();
  call();
  return std::chrono::duration<double>(Clock::now() - start).count();
}

struct Times {
  std::vector<double> seconds;
  void report(const char* name, double flops) {
    std::sort(seconds.begin(), seconds.end());
    std::printf("  %s %6.1f best %6.1f median", name, flops / seconds.front() * 1e-9,
                flops / seconds[seconds.size() / 2] * 1e-9);
  }
};

void measure(ThreadPool& pool, GemmOp op, i64 M, i64 N, i64 K, Sgemm blas) {
  const std::vector<float> A = test::random_vector(M * K, 1), B = test::random_vector(N * K, 2);
  std::vector<float> C(static_cast<std::size_t>(M * N));
  const test::Scratch scratch(gemm_workspace(pool.threads(), op, M, N, K));
  const i64 lda = op == GemmOp::kTN ? M : K, ldb = op == GemmOp::kNT ? K : N;
  const double flops = 2.0 * static_cast<double>(M) * static_cast<double>(N) * static_cast<double>(K);
  const int calls = std::clamp(static_cast<int>(2e10 / flops), 5, 60);
  Times own, other;
  for (int i = 0; i < calls; ++i) {
    own.seconds.push_back(seconds_of(
        [&] { gemm(pool, op, M, N, K, A.data(), lda, B.data(), ldb, C.data(), N, 0.0f, {}, scratch); }));
    if (blas == nullptr) continue;
    other.seconds.push_back(seconds_of([&] {
      blas(101, op == GemmOp::kTN ? 112 : 111, op == GemmOp::kNT ? 112 : 111, static_cast<int>(M),
           static_cast<int>(N), static_cast<int>(K), 1.0f, A.data(), static_cast<int>(lda), B.data(),
           static_cast<int>(ldb), 0.0f, C.data(), static_cast<int>(N));
    }));
    if (pool.threads() > 1) std::this_thread::sleep_for(std::chrono::milliseconds(50));  // its idle workers spin
  }
  const char* const names[] = {"NT", "NN", "TN"};
  std::printf("%s %5lld x %5lld x %5lld:", names[static_cast<int>(op)], static_cast<long long>(M),
              static_cast<long long>(N), static_cast<long long>(K));
  own.report("mft", flops);
  if (blas != nullptr) other.report("| OpenBLAS", flops);
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  ThreadPool pool(argc > 1 ? std::atoi(argv[1]) : 1);
  if (argc > 2) set_isa(argv[2]);
  Sgemm blas = nullptr;
  if (argc > 3) {
    void* const library = dlopen(argv[3], RTLD_NOW);
    if (library == nullptr) {
      std::fprintf(stderr, "%s\n", dlerror());
      return 1;
    }
    blas = reinterpret_cast<Sgemm>(dlsym(library, "cblas_sgemm"));
  }
  std::printf("%s, %d threads, GFLOP/s\n", std::string(isa()).c_str(), pool.threads());
  const struct {
    i64 M, N, K;
  } shapes[] = {{512, 2304, 768}, {512, 768, 768}, {512, 3072, 768}, {512, 768, 3072}, {128, 4864, 896}, {8, 512, 768}};
  for (const auto& s : shapes) {
    for (const GemmOp op : {GemmOp::kNT, GemmOp::kNN}) measure(pool, op, s.M, s.N, s.K, blas);
  }
  measure(pool, GemmOp::kTN, 2304, 768, 512, blas);
  measure(pool, GemmOp::kTN, 768, 3072, 512, blas);
  measure(pool, GemmOp::kTN, 512, 768, 8, blas);
  measure(pool, GemmOp::kNT, 512, 50257, 768, blas);
  measure(pool, GemmOp::kNN, 128, 768, 50257, blas);
  return 0;
}
