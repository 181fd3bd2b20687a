// Products in bf16 beyond the table of ops: how operands are rounded, and what is said of each numeric class's sums.
#include <algorithm>
#include <map>

#include "kernels/gemm.h"
#include "kernels/ops_table.h"

namespace mft::kernels::test {
namespace {

// A [M, K] B^T [N, K] on the instruction set in use.
std::vector<float> product(i64 M, i64 N, i64 K, const std::vector<float>& A, const std::vector<float>& B) {
  ThreadPool pool(1);
  std::vector<float> C = zeros(M * N);
  const Scratch scratch(gemm_workspace(1, GemmOp::kNT, M, N, K));
  gemm(pool, GemmOp::kNT, M, N, K, A.data(), K, B.data(), K, C.data(), N, 0.0f, {.compute = Compute::kBF16}, scratch);
  return C;
}

std::string set_with_class(const char* wanted) {
  for (const std::string_view name : available_isas()) {
    set_isa(name);
    if (numeric_class(Compute::kBF16) == wanted) return std::string(name);
  }
  return "";
}

float from_bits(std::uint32_t bits) {
  float x = 0;
  std::memcpy(&x, &bits, sizeof(x));
  return x;
}

TEST(Bf16, OperandsAreRoundedToNearestWithTiesToEven) {
  const IsaGuard guard;
  std::vector<float> x = random_vector(999, 1, 100.0f);
  for (std::uint32_t i = 0; i < 64; ++i) x.push_back(from_bits(0x3F800000u + i * 0x4000u));  // halves are ties
  const std::size_t finite = x.size();
  x.push_back(-INFINITY);
  x.push_back(3.4e38f);                  // rounds beyond the largest
  x.push_back(from_bits(0x7F800001u));   // NaN whose upper half is infinity's
  x.push_back(from_bits(0xFFFFFFFFu));   // NaN that a carry would make 0
  const std::vector<float> expected = rounded_to_bf16({x.begin(), x.begin() + static_cast<std::ptrdiff_t>(finite)});
  const auto n = static_cast<i64>(x.size());
  for (const std::string_view name : available_isas()) {
    set_isa(name);
    for (const bool left : {true, false}) {
      const std::vector<float> one = {1.0f}, y = left ? product(n, 1, 1, x, one) : product(1, n, 1, one, x);
      for (std::size_t i = 0; i < finite; ++i) ASSERT_EQ(y[i], expected[i]) << name << " " << x[i];
      EXPECT_EQ(y[finite], -INFINITY) << name;
      EXPECT_EQ(y[finite + 1], INFINITY) << name;
      EXPECT_TRUE(std::isnan(y[finite + 2])) << name;
      EXPECT_TRUE(std::isnan(y[finite + 3])) << name;
    }
  }
}

// bf16 values of different sizes on one grid: sums of their products are exact in double, but not in f32.
std::vector<float> grid_vector(i64 n, std::uint64_t seed) {
  std::vector<float> x = random_vector(n, seed, 128.0f);
  Random random(seed + 1);
  for (float& value : x) value = std::ldexp(std::round(value), -6 - static_cast<int>(random.below(7)));
  return x;
}

float round_to_odd(double x) {
  float nearest = static_cast<float>(x);
  if (static_cast<double>(nearest) == x) return nearest;
  if (std::fabs(static_cast<double>(nearest)) > std::fabs(x)) nearest = std::nextafter(nearest, 0.0f);
  std::uint32_t bits = 0;
  std::memcpy(&bits, &nearest, sizeof(bits));
  return from_bits(bits | 1u);
}

TEST(Bf16, SumsOfTheMatrixInstructionAreArms) {
  const IsaGuard guard;
  if (set_with_class("bf16-mmla").empty()) GTEST_SKIP() << "this CPU has no BFMMLA";
  const i64 M = 19, N = 23, K = 383;
  const std::vector<float> A = grid_vector(M * K, 1), B = grid_vector(N * K, 2), C = product(M, N, K, A, B);
  int unlike = 0;
  for (i64 m = 0; m < M; ++m) {
    for (i64 n = 0; n < N; ++n) {
      float sum = 0, chain = 0;
      for (i64 k = 0; k < K; k += 2) {
        double both = 0;
        for (i64 i = k; i < std::min(k + 2, K); ++i) {
          const float a = A[static_cast<std::size_t>(m * K + i)], b = B[static_cast<std::size_t>(n * K + i)];
          both += static_cast<double>(a) * static_cast<double>(b);
          chain = std::fma(a, b, chain);
        }
        sum = round_to_odd(static_cast<double>(sum) + static_cast<double>(round_to_odd(both)));
      }
      ASSERT_EQ(C[static_cast<std::size_t>(m * N + n)], sum) << m << " " << n;
      unlike += sum != chain;
    }
  }
  EXPECT_GT(unlike, 0);  // else this would not tell it from a chain of fused multiply-adds
}

TEST(Bf16, SumsOfTheDotProductAreThoseOfFusedMultiplyAdds) {
  const IsaGuard guard;
  if (set_with_class("bf16-dp").empty()) GTEST_SKIP() << "this CPU has no VDPBF16PS";
  const i64 M = 37, N = 71, K = 801;
  const std::vector<float> A = random_vector(M * K, 1), B = random_vector(N * K, 2), C = product(M, N, K, A, B);
  set_with_class("bf16-fma");
  EXPECT_TRUE(same_bits(C, product(M, N, K, A, B)));
}

// As fingerprint_test.cc: one number for each class, to compare machines that never meet.
TEST(Bf16, ProductsHaveTheBitsOfTheirClass) {
  const std::map<std::string, std::uint64_t> expected = {
      {"bf16-fma", 0x6f51b4fda3c39463u},
      {"bf16-nofma", 0x6f51b4fda3c39463u},  // products of two bf16 are exact in f32
      {"bf16-mmla", 0xe615150ed3553972u},
      {"bf16-dp", 0x6f51b4fda3c39463u}};
  const IsaGuard guard;
  for (const std::string_view name : available_isas()) {
    set_isa(name);
    Fingerprint print;
    for (const i64 K : {1, 31, 801}) {
      print.add(product(61, 103, K, random_vector(61 * K, 1), random_vector(103 * K, 2)));
    }
    EXPECT_EQ(print.value(), expected.at(std::string(numeric_class(Compute::kBF16))))
        << name << std::hex << " gives 0x" << print.value();
  }
}

}  // namespace
}  // namespace mft::kernels::test
