// Against transformers and peft: logits, loss and every gradient of small odd GPT-2s (test/fixtures/gpt2).
#include <gtest/gtest.h>

#include <cmath>

#include "models/test_model.h"

namespace mft::models {
namespace {

constexpr const char* kCases[] = {"heads3", "heads5", "heads4", "single"};
constexpr const char* kLoraSets[] = {"attn", "attn_proj", "all"};

double norm_of(const float* values, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < count; ++i) sum += double{values[i]} * values[i];
  return std::sqrt(sum);
}

void expect_logits(const FixtureModel& fixture, Model& model, const std::vector<float>& expected) {
  std::vector<float> logits(expected.size());
  model.logits(fixture.batch(), logits.data());
  for (size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(logits[i], expected[i], 1e-4) << i;
}

// Each gradient's error is at most 1e-4 of max(its own norm, 1e-6 of the norm of all).
void expect_gradients(const FixtureModel& fixture, Model& model, const std::string& prefix) {
  const Batch batch = fixture.batch();
  const uint64_t labels = FixtureModel::labels(batch);
  const LossSum loss = model.forward_backward(batch, 1 / static_cast<float>(labels), 0, {});
  model.finish_gradients();
  EXPECT_EQ(loss.labels, labels);
  EXPECT_NEAR(loss.sum / static_cast<double>(labels), fixture.fixture[prefix + "/loss"].floats[0], 1e-5);

  const auto expected = fixture.fixture.below(prefix + "/grad/");
  ASSERT_EQ(expected.size(), model.parameters().size());
  double all = 0;
  for (const auto& [name, tensor] : expected) {
    all = std::hypot(all, norm_of(tensor.floats.data(), tensor.floats.size()));
  }
  for (const Parameter& parameter : model.parameters()) {
    const auto found = expected.find(parameter.name);
    ASSERT_NE(found, expected.end()) << parameter.name;
    ASSERT_EQ(found->second.shape, parameter.shape) << parameter.name;
    std::vector<float> error = found->second.floats;
    const double own = norm_of(error.data(), error.size());
    for (size_t i = 0; i < error.size(); ++i) error[i] -= parameter.grad[i];
    EXPECT_LE(norm_of(error.data(), error.size()), 1e-4 * std::max(own, 1e-6 * all)) << parameter.name;
  }
}

TEST(Oracle, FullFineTuning) {
  for (const char* name : kCases) {
    SCOPED_TRACE(name);
    const FixtureModel fixture(name);
    const auto opened = fixture.open(Method::kFull);
    expect_logits(fixture, *opened.model, fixture.fixture["full/logits"].floats);
    expect_gradients(fixture, *opened.model, "full");
  }
}

TEST(Oracle, Lora) {
  for (const char* name : kCases) {
    const FixtureModel fixture(name);
    for (const std::string lora : kLoraSets) {
      SCOPED_TRACE(name + (" " + lora));
      const auto opened = fixture.open(Method::kLora, lora);
      expect_logits(fixture, *opened.model, fixture.fixture["lora_" + lora + "/logits"].floats);
      expect_gradients(fixture, *opened.model, "lora_" + lora);
    }
  }
}

// A broken slice of the fused qkv would hide behind the norm of the whole.
TEST(Oracle, QueriesKeysAndValuesGetGradients) {
  for (const char* name : {"heads3", "heads5", "heads4"}) {
    const FixtureModel fixture(name);
    const auto opened = fixture.open(Method::kLora, "attn");
    opened.model->forward_backward(fixture.batch(), 1, 0, {});
    const size_t slice = fixture.config.hidden_size() * fixture.rank();
    for (const Parameter& parameter : opened.model->parameters()) {
      if (!parameter.name.ends_with("qkv.weight.lora_B")) continue;
      ASSERT_EQ(parameter.elements, 3 * slice);
      for (size_t part = 0; part < 3; ++part) {
        EXPECT_GT(norm_of(parameter.grad + part * slice, slice), 1e-4) << parameter.name << " part " << part;
      }
    }
  }
}

TEST(Oracle, FrozenModelsAgree) {
  const FixtureModel fixture("heads4");
  const auto frozen = fixture.open(Method::kFrozen);
  expect_logits(fixture, *frozen.model, fixture.fixture["full/logits"].floats);
  const auto adapted = fixture.open(Method::kFrozen, "all");
  expect_logits(fixture, *adapted.model, fixture.fixture["lora_all/logits"].floats);
  // The memory of a frozen pass is shared between blocks; that must not show.
  const auto training = fixture.open(Method::kLora, "all");
  EXPECT_EQ(adapted.model->evaluate(fixture.batch()).sum, training.model->evaluate(fixture.batch()).sum);
  EXPECT_EQ(adapted.model->evaluate(fixture.batch()).sum,
            training.model->forward_backward(fixture.batch(), 1, 0, {}).sum);
}

}  // namespace
}  // namespace mft::models
