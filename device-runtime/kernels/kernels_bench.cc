// Speed of the matrix products in GFLOP/s, and of the other kernels of a GPT-2 step (124M, 4 x 128 tokens) in
// ms, best and median of a few calls. Not a test; build it by name:
//   ninja kernels_bench && kernels/kernels_bench [threads] [isa] [libopenblas]
//   ... THREADS ISA PATH-OF-LIBOPENBLAS adds the same products by OpenBLAS, calls alternating
#include <dlfcn.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "kernels/activation.h"
#include "kernels/adamw.h"
#include "kernels/attention.h"
#include "kernels/cross_entropy.h"
#include "kernels/elementwise.h"
#include "kernels/gemm.h"
#include "kernels/norm.h"
#include "kernels/test_support.h"

namespace {

using namespace mft;
using namespace mft::kernels;

// cblas_sgemm(order, transA, transB, M, N, K, alpha, A, lda, B, ldb, beta, C, ldc)
using Sgemm = void (*)(int, int, int, int, int, int, float, const float*, int, const float*, int, float,
                       float*, int);

bool alone =
    true;  // one thread: its CPU time, which other processes disturb less; several: the time on the wall

double now() {
  timespec t{};
  clock_gettime(alone ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

double seconds_of(const std::function<void()>& call) {
  const double start = now();
  call();
  return now() - start;
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
    if (pool.threads() > 1)
      std::this_thread::sleep_for(std::chrono::milliseconds(50));  // its idle workers spin
  }
  const char* const names[] = {"NT", "NN", "TN"};
  std::printf("%s %5lld x %5lld x %5lld:", names[static_cast<int>(op)], static_cast<long long>(M),
              static_cast<long long>(N), static_cast<long long>(K));
  own.report("mft", flops);
  if (blas != nullptr) other.report("| OpenBLAS", flops);
  std::printf("\n");
}

void report(const char* name, const std::function<void()>& call) {
  Times times;
  for (int i = 0; i < 15; ++i) times.seconds.push_back(seconds_of(call));
  std::sort(times.seconds.begin(), times.seconds.end());
  std::printf("%-28s %8.3f ms best %8.3f median\n", name, times.seconds.front() * 1e3,
              times.seconds[7] * 1e3);
}

void measure_others(ThreadPool& pool) {
  constexpr i64 B = 4, T = 128, H = 12, D = 64, C = H * D, N = B * T, V = 50257;
  const AttentionShape shape{B, T, H, H, D, 0, 0.125f};
  const std::vector<float> qkv = test::random_vector(N * 3 * C, 1), x = test::random_vector(N * 4 * C, 2),
                           dy = test::random_vector(N * 4 * C, 3), w = test::random_vector(C, 4);
  std::vector<float> out(static_cast<std::size_t>(N * C)), lse(static_cast<std::size_t>(N * H)),
      d_qkv(qkv.size());
  DropoutSite dropout_site;
  const test::Scratch attention(attention_workspace(pool.threads(), shape));
  for (const float p : {0.0f, 0.1f}) {
    dropout_site.probability = p;
    report(p > 0 ? "attention forward, dropout" : "attention forward", [&] {
      attention_forward(pool, shape, qkv.data(), 3 * C, out.data(), C, lse.data(), dropout_site, attention);
    });
    report(p > 0 ? "attention backward, dropout" : "attention backward", [&] {
      attention_backward(pool, shape, qkv.data(), 3 * C, out.data(), C, lse.data(), dy.data(), C,
                         d_qkv.data(), 3 * C, dropout_site, attention);
    });
  }
  std::vector<float> y(x.size()), mean(static_cast<std::size_t>(N)), rstd(mean),
      dw(static_cast<std::size_t>(4 * C)), db(dw);
  report("layernorm forward", [&] {
    layernorm_forward(pool, N, C, x.data(), w.data(), w.data(), 1e-5f, y.data(), mean.data(), rstd.data());
  });
  report("layernorm backward", [&] {
    layernorm_backward(pool, N, C, dy.data(), x.data(), w.data(), mean.data(), rstd.data(), 1.0f, y.data(),
                       dw.data(), db.data());
  });
  report("gelu forward",
         [&] { activation_forward(pool, ActivationKind::kGeluTanh, N * 4 * C, x.data(), y.data()); });
  report("gelu backward", [&] {
    activation_backward(pool, ActivationKind::kGeluTanh, N * 4 * C, x.data(), dy.data(), y.data());
  });
  report("add", [&] { add(pool, N * C, x.data(), dy.data(), y.data()); });
  report("dropout", [&] { dropout(pool, N * C, x.data(), y.data(), dropout_site); });
  report("bias gradient, 3072 wide", [&] { bias_gradient(pool, N, 4 * C, dy.data(), 4 * C, db.data()); });
  const i64 block = 7087872;  // parameters of one block
  std::vector<float> p = test::random_vector(block, 1), g = p, m(p.size()), v(p.size());
  report("adamw, one block", [&] {
    adamw(pool, block, adamw_step(1e-4, 0.9, 0.999, 1e-8, 0.01, 1, 1), p.data(), g.data(), m.data(), v.data(),
          true);
  });
  report("sum of squares, one block", [&] { sum_of_squares(pool, block, p.data()); });
  const CrossEntropyShape head{N, C, V};
  const std::vector<float> W = test::random_vector(V * C, 5, 0.05f);
  std::vector<float> dW(W.size()), d_hidden(out.size());
  std::vector<std::int32_t> targets;
  for (i64 n = 0; n < N; ++n) targets.push_back(static_cast<std::int32_t>(n * 97));
  const test::Scratch scratch(cross_entropy_workspace(pool.threads(), head, true));
  report("head and loss, forward",
         [&] { cross_entropy_forward(pool, head, x.data(), W.data(), targets.data(), nullptr, scratch); });
  for (const bool full : {false, true}) {
    report(full ? "head and loss, with dW" : "head and loss, frozen", [&] {
      cross_entropy_forward_backward(pool, head, x.data(), W.data(), targets.data(), 1.0f, nullptr,
                                     d_hidden.data(), full ? dW.data() : nullptr, scratch);
    });
  }
}

}  // namespace

int main(int argc, char** argv) {
  ThreadPool pool(argc > 1 ? std::atoi(argv[1]) : 1);
  alone = pool.threads() == 1;
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
  } shapes[] = {{512, 2304, 768}, {512, 768, 768},  {512, 3072, 768},
                {512, 768, 3072}, {128, 4864, 896}, {8, 512, 768}};
  for (const auto& s : shapes) {
    for (const GemmOp op : {GemmOp::kNT, GemmOp::kNN}) measure(pool, op, s.M, s.N, s.K, blas);
  }
  measure(pool, GemmOp::kTN, 2304, 768, 512, blas);
  measure(pool, GemmOp::kTN, 768, 3072, 512, blas);
  measure(pool, GemmOp::kTN, 512, 768, 8, blas);
  measure(pool, GemmOp::kNT, 512, 50257, 768, blas);
  measure(pool, GemmOp::kNN, 128, 768, 50257, blas);
  measure_others(pool);
  return 0;
}
