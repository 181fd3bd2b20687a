#include "train/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include "base/error.h"

namespace mft::train {
namespace {

TEST(Sampler, GreedyTakesTheHighestAndTheLowerIdOfTwo) {
  Sampler sampler(0, 0, 0, 1);
  EXPECT_EQ(sampler.pick(std::vector<float>{1, 5, 3}), 1);
  EXPECT_EQ(sampler.pick(std::vector<float>{1, 5, 3, 5}), 1);
  EXPECT_EQ(sampler.pick(std::vector<float>{NAN, -3, -INFINITY}), 1);
  EXPECT_THROW(sampler.pick(std::vector<float>{NAN, NAN}), Failure);
}

std::map<int, double> shares(Sampler sampler, const std::vector<float>& logits, int draws) {
  std::map<int, double> found;
  for (int i = 0; i < draws; ++i) found[sampler.pick(logits)] += 1.0 / draws;
  return found;
}

TEST(Sampler, DrawsByTheSoftmax) {
  const std::vector<float> logits = {std::log(1.0f), std::log(2.0f), std::log(5.0f)};
  const std::map<int, double> found = shares(Sampler(1, 0, 0, 7), logits, 20000);
  EXPECT_NEAR(found.at(0), 0.125, 0.01);
  EXPECT_NEAR(found.at(1), 0.25, 0.01);
  EXPECT_NEAR(found.at(2), 0.625, 0.01);
  // At half the temperature probabilities are squared: 1 : 4 : 25.
  EXPECT_NEAR(shares(Sampler(0.5f, 0, 0, 7), logits, 20000).at(2), 25.0 / 30, 0.01);
}

TEST(Sampler, TopKAndTopPCutTheTail) {
  const std::vector<float> logits = {std::log(5.0f), std::log(2.0f), std::log(1.0f), std::log(1.0f),
                                     std::log(1.0f)};
  const std::map<int, double> two = shares(Sampler(1, 2, 0, 3), logits, 20000);
  EXPECT_EQ(two.size(), 2u);
  EXPECT_NEAR(two.at(0), 5.0 / 7, 0.01);
  EXPECT_EQ(shares(Sampler(1, 0, 0.5f, 3), logits, 1000).size(), 1u);   // 0.5 is reached by the first alone
  EXPECT_EQ(shares(Sampler(1, 0, 0.71f, 3), logits, 5000).size(), 3u);  // 0.7 is not enough
  EXPECT_EQ(shares(Sampler(1, 0, 0.0001f, 3), logits, 100).size(), 1u);
  EXPECT_EQ(shares(Sampler(1, 0, 1, 3), logits, 5000).size(), 5u);
}

TEST(Sampler, TheSameSeedGivesTheSameTokens) {
  std::vector<float> logits(1000);
  for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = static_cast<float>(i % 17) * 0.1f;
  Sampler a(0.8f, 50, 0.9f, 11), b(0.8f, 50, 0.9f, 11), c(0.8f, 50, 0.9f, 12);
  int differences = 0;
  for (int i = 0; i < 200; ++i) {
    const std::int32_t token = a.pick(logits);
    ASSERT_EQ(token, b.pick(logits));
    differences += token != c.pick(logits) ? 1 : 0;
  }
  EXPECT_GT(differences, 100);
}

}  // namespace
}  // namespace mft::train
