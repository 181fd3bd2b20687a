#include "train/windows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace mft::train {
namespace {

TEST(Windows, PredictEveryTokenButTheFirstOnce) {
  for (std::uint64_t tokens = 0; tokens <= 40; ++tokens) {
    for (std::uint32_t length = 1; length <= 12; ++length) {
      for (std::uint32_t stride = 1; stride <= length; ++stride) {
        const Windows windows(tokens, length, stride);
        std::vector<int> predicted(tokens, 0);
        std::vector<std::uint64_t> before(tokens, 0);
        for (std::uint64_t i = 0; i < windows.count(); ++i) {
          const auto [first, size, known] = windows.at(i);
          ASSERT_LE(size, length);
          ASSERT_LT(known, size);
          ASSERT_EQ(first, i * stride);
          for (std::uint32_t t = known; t < size; ++t) {
            ASSERT_LT(first + t + 1, tokens);
            predicted[first + t + 1] += 1;
            before[first + t + 1] = t + 1;
          }
        }
        for (std::uint64_t t = 0; t < tokens; ++t) {
          ASSERT_EQ(predicted[t], t == 0 ? 0 : 1) << tokens << " " << length << " " << stride << " " << t;
          if (t == 0) continue;
          ASSERT_GE(before[t], std::min<std::uint64_t>(t, length - stride + 1));
        }
      }
    }
  }
}

// The loop of transformers' documentation, with max_length T + 1.
TEST(Windows, AreThoseOfTransformers) {
  const std::uint64_t tokens = 103;
  const std::uint32_t length = 16, stride = 5;
  const Windows windows(tokens, length, stride);
  std::uint64_t index = 0, previous_end = 0;
  for (std::uint64_t begin = 0; begin < tokens; begin += stride, ++index) {
    const std::uint64_t end = std::min<std::uint64_t>(begin + length + 1, tokens);
    const std::uint64_t targets = end - previous_end;
    ASSERT_LT(index, windows.count());
    const Window window = windows.at(index);
    EXPECT_EQ(window.first, begin);
    EXPECT_EQ(window.length, end - begin - 1);
    // The first token of the first window is no target there either.
    EXPECT_EQ(window.length - window.known, index == 0 ? targets - 1 : targets);
    previous_end = end;
    if (end == tokens) break;
  }
  EXPECT_EQ(index + 1, windows.count());
}

}  // namespace
}  // namespace mft::train
