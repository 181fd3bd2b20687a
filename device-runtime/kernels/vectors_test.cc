// What the table of ops does not cover: every f16 and bf16, published random numbers, refusals.
#include "kernels/dropout.h"
#include "kernels/elementwise.h"
#include "kernels/embedding.h"
#include "kernels/reference/dropout.h"
#include "kernels/test_support.h"

namespace mft::kernels::test {
namespace {

// Every f16 and bf16 there is, against the definition.
TEST(Elementwise, ConvertsAllHalves) {
  std::vector<std::uint16_t> bits(65536);
  for (std::size_t i = 0; i < bits.size(); ++i) bits[i] = static_cast<std::uint16_t>(i);
  const IsaGuard guard;
  ThreadPool pool(1);
  for (const std::string_view name : available_isas()) {
    set_isa(name);
    std::vector<float> f16(bits.size()), bf16(bits.size());
    convert(pool, 1, {bits.data(), DType::kF16, 65536}, f16.data());
    convert(pool, 1, {bits.data(), DType::kBF16, 65536}, bf16.data());
    for (std::uint32_t i = 0; i < 65536; ++i) {
      const std::uint32_t wide = i << 16;
      float expected = 0;
      std::memcpy(&expected, &wide, 4);
      ASSERT_EQ(std::isnan(bf16[i]), std::isnan(expected)) << name << " " << i;
      if (!std::isnan(expected)) {
        ASSERT_EQ(bf16[i], expected) << name << " " << i;
      }
      const std::uint32_t exponent = i >> 10 & 31, mantissa = i & 0x3FF;
      double value = exponent == 0 ? std::ldexp(mantissa, -24)
                                   : std::ldexp(1024 + mantissa, static_cast<int>(exponent) - 25);
      if (exponent == 31) {
        if (mantissa != 0) {
          ASSERT_TRUE(std::isnan(f16[i])) << name << " " << i;
          continue;
        }
        value = INFINITY;
      }
      ASSERT_EQ(static_cast<double>(f16[i]), i >> 15 != 0 ? -value : value) << name << " " << i;
    }
  }
}

TEST(Philox, GivesThePublishedNumbers) {
  // Random123's known answers for philox4x32-10 (kat_vectors of the authors' library).
  const struct {
    std::uint32_t key[2], counter[4], out[4];
  } cases[] = {
      {{0, 0}, {0, 0, 0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{0xffffffff, 0xffffffff},
       {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
       {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0xa4093822, 0x299f31d0},
       {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (const auto& c : cases) {
    std::uint32_t out[4];
    reference::philox(c.key, c.counter, out);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(out[i], c.out[i]);
    DropoutSite site;
    site.seed = std::uint64_t{c.key[1]} << 32 | c.key[0];
    site.step = c.counter[1];
    site.micro_batch = c.counter[2];
    site.layer = c.counter[3] >> 8;
    site.site = c.counter[3] & 0xFF;
    philox(site, c.counter[0], out);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(out[i], c.out[i]);
  }
}

TEST(Dropout, KeepsItsShare) {
  DropoutSite site;
  site.seed = 0x123456789ABCDEF0;
  const i64 n = 70005;
  const std::vector<float> x(static_cast<std::size_t>(n), 1.0f);
  ThreadPool pool(1);
  for (const float p : {0.0f, 0.1f, 0.9f}) {
    site.probability = p;
    std::vector<float> y(x.size());
    dropout(pool, n, x.data(), y.data(), site);
    i64 kept = 0;
    for (const float value : y) kept += value != 0.0f;
    EXPECT_NEAR(static_cast<double>(kept) / static_cast<double>(n), 1.0 - static_cast<double>(p), 0.005);
  }
}

TEST(Embedding, RefusesIdsOutsideTheTable) {
  const i64 C = 5, rows = 37;
  const std::vector<float> values = random_vector(rows * C, 2);
  ThreadPool pool(1);
  std::vector<float> one(static_cast<std::size_t>(C));
  for (const std::int32_t bad : {-1, 37}) {
    EXPECT_ANY_THROW(embedding_forward(pool, 1, C, &bad, values.data(), rows, 0.0f, one.data()));
    EXPECT_ANY_THROW(embedding_backward(pool, 1, C, &bad, one.data(), rows, one.data()));
  }
}

}  // namespace
}  // namespace mft::kernels::test
