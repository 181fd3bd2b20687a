// Speed of the matrix products in GFLOP/s, and of the other kernels of a GPT-2 step (124M, 4 x 128 tokens) in
// ms, best and median of a few calls. Not a test; build it by name:
//   ninja kernels_bench && kernels/kernels_bench [threads] [isa] [libopenblas] [part]
//   ... THREADS ISA PATH-OF-LIBOPENBLAS: products with f32 weights and the same by OpenBLAS, calls alternating
//   ... THREADS ISA: products with weights of every storage type, calls alternating
//   ... THREADS ISA "" PART: only lines that contain PART, e.g. "NN", "bf16", "4864", "others"
#include <dlfcn.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
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
  double median() const { return seconds[seconds.size() / 2]; }  // sorted by report()
  void report(const char* name, double flops) {
    std::sort(seconds.begin(), seconds.end());
    std::printf("  %s %5.1f best %5.1f", name, flops / seconds.front() * 1e-9, flops / median() * 1e-9);
  }
};

const char* part = "";
bool wanted(const std::string& line) { return line.find(part) != std::string::npos; }

struct Shape {
  GemmOp op;
  i64 M, N, K;
};

struct Stored {
  DType dtype;
  const char* name;
};

void measure(ThreadPool& pool, const Shape& s, const std::vector<Stored>& types, Sgemm blas) {
  const auto [op, M, N, K] = s;
  const char* const names[] = {"NT", "NN", "TN"};
  char line[64];
  std::snprintf(line, sizeof(line), "%s %lldx%lldx%lld", names[static_cast<int>(op)],
                static_cast<long long>(M), static_cast<long long>(N), static_cast<long long>(K));
  if (!wanted(line)) return;
  const std::vector<float> A = test::random_vector(M * K, 1), B = test::random_vector(N * K, 2);
  std::vector<float> C(static_cast<std::size_t>(M * N));
  const test::Scratch scratch(gemm_workspace(pool.threads(), op, M, N, K));
  const i64 lda = op == GemmOp::kTN ? M : K, ldb = op == GemmOp::kNT ? K : N;
  // Any bytes are bf16 and int4 or int8 weights; small ones, so that no product is subnormal or infinite.
  const i64 rows = op == GemmOp::kNT ? N : K;
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(rows * row_bytes(DType::kBF16, ldb)), 0x35);
  const double flops = 2.0 * static_cast<double>(M) * static_cast<double>(N) * static_cast<double>(K);
  const int calls = std::clamp(static_cast<int>(4e10 / flops), 9, 100);
  std::vector<Times> own(types.size());
  Times other;
  for (int i = 0; i < calls; ++i) {
    for (std::size_t t = 0; t < types.size(); ++t) {
      const Weights weights = types[t].dtype == DType::kF32 ? Weights(B.data())
                                                            : Weights(bytes.data(), types[t].dtype, ldb);
      own[t].seconds.push_back(seconds_of(
          [&] { gemm(pool, op, M, N, K, A.data(), lda, weights, ldb, C.data(), N, 0.0f, {}, scratch); }));
    }
    if (blas == nullptr) continue;
    other.seconds.push_back(seconds_of([&] {
      blas(101, op == GemmOp::kTN ? 112 : 111, op == GemmOp::kNT ? 112 : 111, static_cast<int>(M),
           static_cast<int>(N), static_cast<int>(K), 1.0f, A.data(), static_cast<int>(lda), B.data(),
           static_cast<int>(ldb), 0.0f, C.data(), static_cast<int>(N));
    }));
    if (pool.threads() > 1)
      std::this_thread::sleep_for(std::chrono::milliseconds(50));  // its idle workers spin
  }
  std::printf("%-18s", line);
  for (std::size_t t = 0; t < types.size(); ++t) {
    own[t].report(types[t].name, flops);
    if (t > 0) std::printf(" (%.3f)", own[0].median() / own[t].median());
  }
  if (blas != nullptr) {
    other.report("| OpenBLAS", flops);
    std::printf(" (%.3f)", other.median() / own[0].median());
  }
  std::printf("\n");
  std::fflush(stdout);
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
  const AttentionShape shape{H, H, D, 0, 0.125f};
  const test::Starts sequences = test::Starts::uniform(B, T);
  const std::vector<float> qkv = test::random_vector(N * 3 * C, 1), x = test::random_vector(N * 4 * C, 2),
                           dy = test::random_vector(N * 4 * C, 3), w = test::random_vector(C, 4);
  std::vector<float> out(static_cast<std::size_t>(N * C)), lse(static_cast<std::size_t>(N * H)),
      d_qkv(qkv.size());
  DropoutSite dropout_site;
  const test::Scratch attention(attention_workspace(pool.threads(), shape, N));
  for (const float p : {0.0f, 0.1f}) {
    dropout_site.probability = p;
    report(p > 0 ? "attention forward, dropout" : "attention forward", [&] {
      attention_forward(pool, shape, sequences, qkv.data(), 3 * C, out.data(), C, lse.data(), dropout_site,
                        attention);
    });
    report(p > 0 ? "attention backward, dropout" : "attention backward", [&] {
      attention_backward(pool, shape, sequences, qkv.data(), 3 * C, out.data(), C, lse.data(), dy.data(), C,
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
         [&] { cross_entropy_forward(pool, head, x.data(), W.data(), targets.data(), nullptr, nullptr, scratch); });
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
  if (argc > 4) part = argv[4];
  if (argc > 3 && argv[3][0] != '\0') {
    void* const library = dlopen(argv[3], RTLD_NOW);
    if (library == nullptr) {
      std::fprintf(stderr, "%s\n", dlerror());
      return 1;
    }
    blas = reinterpret_cast<Sgemm>(dlsym(library, "cblas_sgemm"));
  }
  std::printf("%s, %d threads, GFLOP/s best and median; (ratio of medians: to f32, of f32 to OpenBLAS)\n",
              std::string(isa()).c_str(), pool.threads());
  const struct {
    i64 tokens, in, out;
  } layers[] = {{512, 768, 2304}, {512, 768, 3072},  {512, 3072, 768},
                {128, 896, 4864}, {1024, 1024, 1024}, {512, 768, 50257}};
  std::vector<Stored> all = {{DType::kF32, "f32"}};
  if (blas == nullptr) {  // else each of the two finds in the caches what the other left, and nothing else
    all.insert(all.end(), {{DType::kBF16, "bf16"}, {DType::kI8Block32, "i8"}, {DType::kI4Block32, "i4"}});
  }
  for (const auto& l : layers) {
    measure(pool, {GemmOp::kNT, l.tokens, l.out, l.in}, all, blas);
    measure(pool, {GemmOp::kNN, l.tokens, l.in, l.out}, all, blas);
    measure(pool, {GemmOp::kTN, l.out, l.in, l.tokens}, {all[0]}, blas);
  }
  measure(pool, {GemmOp::kNN, 128, 768, 50257}, all, blas);
  // An adapter of rank 8, and one token.
  measure(pool, {GemmOp::kNT, 8, 512, 768}, {all[0]}, blas);
  measure(pool, {GemmOp::kNN, 8, 768, 512}, {all[0]}, blas);
  measure(pool, {GemmOp::kTN, 512, 768, 8}, {all[0]}, blas);
  for (const i64 tokens : {1, 4, 8}) measure(pool, {GemmOp::kNT, tokens, 3072, 768}, all, blas);
  if (wanted("others")) measure_others(pool);
  return 0;
}
