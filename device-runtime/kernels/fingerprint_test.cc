// One number over the bits of every kernel's outputs. It is committed, so that builds for other architectures
// (arm64 under an emulator or on a phone) are compared with this one without meeting it. A change of the
// number means that training curves change: say so in the commit.
#include "kernels/activation.h"
#include "kernels/adamw.h"
#include "kernels/attention.h"
#include "kernels/cross_entropy.h"
#include "kernels/elementwise.h"
#include "kernels/embedding.h"
#include "kernels/gemm.h"
#include "kernels/math.h"
#include "kernels/norm.h"
#include "kernels/query_key.h"
#include "kernels/rope.h"
#include "kernels/test_support.h"

namespace mft::kernels::test {
namespace {

std::vector<float> zeros(i64 n) { return std::vector<float>(static_cast<std::size_t>(n)); }

void add_products(ThreadPool& pool, Fingerprint& print) {
  for (const GemmOp op : {GemmOp::kNT, GemmOp::kNN, GemmOp::kTN}) {
    const i64 M = 61, N = 103, K = 800;
    const std::vector<float> A = random_vector(M * K, 1), B = random_vector(N * K, 2),
                             bias = random_vector(N, 3);
    std::vector<float> C = random_vector(M * N, 4);
    std::vector<std::uint16_t> half;
    Random random(5);
    for (i64 i = 0; i < N * K; ++i)
      half.push_back(static_cast<std::uint16_t>(random.next() & 0xBBFF));  // finite as f16
    Epilogue e;
    e.alpha = 0.7f;
    e.bias = bias.data();
    const Scratch scratch(gemm_workspace(pool.threads(), op, M, N, K));
    const i64 lda = op == GemmOp::kTN ? M : K, ldb = op == GemmOp::kNT ? K : N;
    gemm(pool, op, M, N, K, A.data(), lda, B.data(), ldb, C.data(), N, 1.0f, e, scratch);
    print.add(C);
    gemm(pool, op, M, N, K, A.data(), lda, {half.data(), DType::kF16}, ldb, C.data(), N, 0.0f, e, scratch);
    print.add(C);
  }
}

void add_attention(ThreadPool& pool, float softcap, Fingerprint& print) {
  const AttentionShape s{4, 2, 20, 120, 0.22f, softcap};
  const Starts sequences = Starts::uniform(2, 150);
  const i64 width = (s.heads + 2 * s.kv_heads) * s.head_dim, rows = sequences.tokens(),
            out_width = s.heads * s.head_dim;
  const std::vector<float> qkv = random_vector(rows * width, 1, 2.0f),
                           d_out = random_vector(rows * out_width, 2);
  std::vector<float> out = zeros(rows * out_width), lse = zeros(rows * s.heads), d_qkv = zeros(rows * width);
  DropoutSite dropout;
  dropout.seed = 7;
  dropout.probability = 0.1f;
  const Scratch scratch(attention_workspace(pool.threads(), s, rows));
  attention_forward(pool, s, sequences, qkv.data(), width, out.data(), out_width, lse.data(), dropout, scratch);
  attention_backward(pool, s, sequences, qkv.data(), width, out.data(), out_width, lse.data(), d_out.data(),
                     out_width, d_qkv.data(), width, dropout, scratch);
  for (const auto* x : {&out, &lse, &d_qkv}) print.add(*x);
  std::vector<float> next = zeros(out_width);
  const Scratch decode(attention_decode_workspace(s, 100));
  attention_decode(pool, s, 100, d_out.data(), qkv.data(), qkv.data() + 60, width, next.data(), decode);
  print.add(next);
}

void add_head(ThreadPool& pool, float softcap, Fingerprint& print) {
  const CrossEntropyShape s{150, 40, 1500, softcap};
  const std::vector<float> hidden = random_vector(s.rows * s.channels, 1, 2.0f),
                           W = random_vector(s.vocab * s.channels, 2);
  std::vector<std::int32_t> targets;
  for (i64 n = 0; n < s.rows; ++n)
    targets.push_back(n % 5 == 0 ? kIgnoredTarget : static_cast<std::int32_t>(n * 9));
  std::vector<float> losses = zeros(s.rows), d_hidden = zeros(s.rows * s.channels),
                     dW = zeros(s.vocab * s.channels);
  const Scratch scratch(cross_entropy_workspace(pool.threads(), s, true));
  const CrossEntropyResult result =
      cross_entropy_forward_backward(pool, s, hidden.data(), W.data(), targets.data(), 0.01f, losses.data(),
                                     d_hidden.data(), dW.data(), scratch);
  for (const auto* x : {&losses, &d_hidden, &dW}) print.add(*x);
  print.add({static_cast<float>(result.loss_sum)});
}

void add_query_key(ThreadPool& pool, Fingerprint& print) {
  const QueryKeyShape s{90, 3, 1, 38};
  const std::vector<float> qkv = random_vector(s.rows * s.width(), 1, 2.0f),
                           weight = random_vector(s.head_dim, 2);
  std::vector<float> table = zeros(s.rows * s.head_dim), out = qkv, d = random_vector(s.rows * s.width(), 3),
                     rstd = zeros(s.rows * 4), d_q = weight, d_k = weight;
  std::vector<std::int32_t> positions;
  for (i64 n = 0; n < s.rows; ++n) positions.push_back(static_cast<std::int32_t>(n * 7 % s.rows));
  rope_table(s.rows, s.head_dim, {5e5, RopeFrequencies::Scaling::kLlama3, 8, 1, 4, 300}, table.data());
  const QueryKeyNorm norm{weight.data(), weight.data(), true, 1e-6f};
  const QueryKeyRotation rotation{table.data(), s.rows, positions.data()};
  query_key_forward(pool, s, norm, rotation, qkv.data(), out.data(), rstd.data());
  query_key_backward(pool, s, norm, rotation, qkv.data(), rstd.data(), d.data(), d_q.data(), d_k.data());
  for (const auto* x : {&table, &out, &rstd, &d, &d_q, &d_k}) print.add(*x);
}

void add_rows(ThreadPool& pool, Fingerprint& print) {
  const i64 N = 70, C = 301;
  const std::vector<float> x = random_vector(N * C, 1, 5.0f), dy = random_vector(N * C, 2),
                           w = random_vector(C, 3);
  std::vector<float> y = zeros(N * C), mean = zeros(N), rstd = zeros(N), dx = x, dw = w, db = w;
  layernorm_forward(pool, N, C, x.data(), w.data(), w.data(), 1e-5f, y.data(), mean.data(), rstd.data());
  layernorm_backward(pool, N, C, dy.data(), x.data(), w.data(), mean.data(), rstd.data(), 1.0f, dx.data(),
                     dw.data(), db.data());
  for (const auto* v : {&y, &mean, &rstd, &dx, &dw, &db}) print.add(*v);
  rmsnorm_forward(pool, N, C, x.data(), C, w.data(), true, 1e-6f, y.data(), C, rstd.data());
  rmsnorm_backward(pool, N, C, dy.data(), C, x.data(), C, w.data(), true, rstd.data(), 0.0f, dx.data(), C,
                   dw.data());
  for (const auto* v : {&y, &rstd, &dx, &dw}) print.add(*v);
  for (const ActivationKind kind : {ActivationKind::kGeluTanh, ActivationKind::kSilu}) {
    activation_forward(pool, kind, N * C, x.data(), y.data());
    print.add(y);
    activation_backward(pool, kind, N * C, x.data(), dy.data(), y.data());
    print.add(y);
  }
  bias_gradient(pool, N, C, dy.data(), C, db.data());
  print.add(db);
  print.add({static_cast<float>(sum_of_squares(pool, N * C, x.data()))});
  std::vector<float> m = zeros(N * C), v = m, p = x, g = dy;
  for (int t = 1; t <= 3; ++t) {
    adamw(pool, N * C, adamw_step(1e-3, 0.9, 0.999, 1e-8, 0.01, t, 0.5), p.data(), g.data(), m.data(),
          v.data(), false);
  }
  print.add(p);
  std::vector<float> angles = zeros(64 * 20);
  rope_table(64, 20, {}, angles.data());
  print.add(angles);
  rope(pool, N, 15, 20, 64, angles.data(), nullptr, false, p.data(), C);
  print.add(p);
  for (double value = -20; value < 20; value += 0.37) {
    const double results[] = {math::exp(value), math::log(value + 21), math::pow(value + 21, 1.7),
                              math::cos(value * 99)};
    for (const double result : results) {
      std::vector<float> bits(2);
      std::memcpy(bits.data(), &result, sizeof(result));
      print.add(bits);
    }
  }
}

TEST(Fingerprint, IsTheSameOnEveryMachine) {
  const IsaGuard guard;
  for (const std::string_view name : available_isas()) {
    set_isa(name);
    ThreadPool pool(3);
    Fingerprint print;
    add_products(pool, print);
    add_attention(pool, 0.0f, print);
    add_head(pool, 0.0f, print);
    add_rows(pool, print);
    const std::uint64_t expected = numeric_class() == "f32-fma" ? 0xc6a098b87483f3c6u : 0x95a257ab82eba691u;
    EXPECT_EQ(print.value(), expected) << name << std::hex << " gives 0x" << print.value();
  }
}

// What families after GPT-2 need besides.
TEST(Fingerprint, OfSoftCapsQueriesAndKeys) {
  const IsaGuard guard;
  for (const std::string_view name : available_isas()) {
    set_isa(name);
    ThreadPool pool(3);
    Fingerprint print;
    add_attention(pool, 3.0f, print);
    add_head(pool, 3.0f, print);
    add_query_key(pool, print);
    const std::uint64_t expected = numeric_class() == "f32-fma" ? 0xc7774bdad4ba71f9u : 0x1e61bc6f2d5f6955u;
    EXPECT_EQ(print.value(), expected) << name << std::hex << " gives 0x" << print.value();
  }
}

}  // namespace
}  // namespace mft::kernels::test
