#include "train/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include "base/error.h"
#include "models/fixture.h"

namespace mft::train {
namespace {

SamplingOptions options(float temperature, std::uint32_t top_k, float top_p, std::uint64_t seed) {
  return {temperature, top_k, top_p, 0, seed};
}

TEST(Sampler, GreedyTakesTheHighestAndTheLowerIdOfTwo) {
  Sampler sampler({});
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
  const std::map<int, double> found = shares(Sampler(options(1, 0, 0, 7)), logits, 20000);
  EXPECT_NEAR(found.at(0), 0.125, 0.01);
  EXPECT_NEAR(found.at(1), 0.25, 0.01);
  EXPECT_NEAR(found.at(2), 0.625, 0.01);
  // At half the temperature probabilities are squared: 1 : 4 : 25.
  EXPECT_NEAR(shares(Sampler(options(0.5f, 0, 0, 7)), logits, 20000).at(2), 25.0 / 30, 0.01);
}

TEST(Sampler, TopKAndTopPCutTheTail) {
  const std::vector<float> logits = {std::log(5.0f), std::log(2.0f), std::log(1.0f), std::log(1.0f),
                                     std::log(1.0f)};
  const std::map<int, double> two = shares(Sampler(options(1, 2, 0, 3)), logits, 20000);
  EXPECT_EQ(two.size(), 2u);
  EXPECT_NEAR(two.at(0), 5.0 / 7, 0.01);
  EXPECT_EQ(shares(Sampler(options(1, 0, 0.5f, 3)), logits, 1000).size(), 1u);   // 0.5 is reached by the first alone
  EXPECT_EQ(shares(Sampler(options(1, 0, 0.71f, 3)), logits, 5000).size(), 3u);  // 0.7 is not enough
  EXPECT_EQ(shares(Sampler(options(1, 0, 0.0001f, 3)), logits, 100).size(), 1u);
  EXPECT_EQ(shares(Sampler(options(1, 0, 1, 3)), logits, 5000).size(), 5u);
}

TEST(Sampler, TheSameSeedGivesTheSameTokens) {
  std::vector<float> logits(1000);
  for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = static_cast<float>(i % 17) * 0.1f;
  Sampler a(options(0.8f, 50, 0.9f, 11)), b(options(0.8f, 50, 0.9f, 11)), c(options(0.8f, 50, 0.9f, 12));
  int differences = 0;
  for (int i = 0; i < 200; ++i) {
    const std::int32_t token = a.pick(logits);
    ASSERT_EQ(token, b.pick(logits));
    differences += token != c.pick(logits) ? 1 : 0;
  }
  EXPECT_GT(differences, 100);
}

TEST(Sampler, ARepetitionPenaltyCountsWhenGreedyToo) {
  SamplingOptions penalty;
  penalty.repetition_penalty = 2;
  Sampler sampler(penalty);
  const std::vector<float> logits = {-1, 5, 3, -4};
  EXPECT_EQ(sampler.pick(logits), 1);
  sampler.see(std::vector<std::int32_t>{1});
  EXPECT_EQ(sampler.pick(logits), 2);  // 5 became 2.5
  sampler.see(std::vector<std::int32_t>{2, 1});
  EXPECT_EQ(sampler.pick(logits), 1);  // 2.5 and 1.5: once is once
  EXPECT_EQ(Sampler(penalty).pick(std::vector<float>{-2, -3}), 0);
  Sampler negative(penalty);
  negative.see(std::vector<std::int32_t>{0});
  EXPECT_EQ(negative.pick(std::vector<float>{-2, -3}), 1);  // -2 became -4
}

// scripts/oracle/sampling.py: transformers' own processors, in float64.
TEST(Sampler, LeavesTheProbabilitiesThatTransformersLeaves) {
  const models::Fixture fixture(std::string(MFT_FIXTURES) + "/sampling/processors.bin");
  const std::vector<std::int32_t>& cases = fixture["cases"].ints;
  ASSERT_GE(cases[0], 20);
  for (std::int32_t i = 0; i < cases[0]; ++i) {
    const std::string name = "case." + std::to_string(i) + "/";
    const std::vector<float>& settings = fixture[name + "settings"].floats;  // temperature, k, p, penalty
    SamplingOptions asked;
    asked.temperature = settings[0];
    asked.top_k = static_cast<std::uint32_t>(settings[1]);
    asked.top_p = settings[2];
    asked.repetition_penalty = settings[3];
    Sampler sampler(asked);
    sampler.see(fixture[name + "context"].ints);
    const std::vector<float>& expected = fixture[name + "probabilities"].floats;
    std::vector<double> found(expected.size());
    double total = 0;
    for (const Sampler::Candidate& candidate : sampler.candidates(fixture[name + "logits"].floats)) {
      found[static_cast<std::size_t>(candidate.id)] += candidate.weight;
      total += candidate.weight;
    }
    for (std::size_t id = 0; id < expected.size(); ++id) {
      EXPECT_NEAR(found[id] / total, expected[id], 1e-6) << name << " id " << id;
      // What was cut off is off, however small what stays may be.
      EXPECT_EQ(found[id] > 0, expected[id] > 0) << name << " id " << id;
    }
  }
}

}  // namespace
}  // namespace mft::train
