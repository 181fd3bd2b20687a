// The gradient of the whole model against finite differences of its loss, with every dropout on (its masks
// are a function of the step, so they stand still), and what LoRA's gradient must be, given that of full
// fine-tuning.
#include <gtest/gtest.h>

#include <cmath>

#include "models/fixture_model.h"

namespace mft::models {
namespace {

constexpr StepKey kKey{.seed = 77, .step = 3, .micro_batch = 1};

// Along a random direction d of unit length: (L(x + h d) - L(x - h d)) / 2h against gradient . d.
void expect_slopes(const FixtureModel& fixture, Model& model, float dropout) {
  const Batch batch = fixture.batch();
  const auto loss = [&] {
    return model.forward_backward(batch, 0, dropout, kKey).sum;
  };  // scale 0: no gradients
  model.zero_grad();
  model.forward_backward(batch, 1, dropout, kKey);
  model.finish_gradients();

  for (uint64_t direction = 0; direction < 4; ++direction) {
    // One tensor kind at a time is moved in directions 1..3, so that a small gradient does not drown in the
    // others.
    std::vector<std::vector<float>> steps;
    double length = 0;
    uint64_t index = 0;
    for (const Parameter& parameter : model.parameters()) {
      const bool moves = direction == 0 || index % 3 == direction - 1;
      steps.push_back(noise(1000 * direction + index++, parameter.elements, moves ? 1.0f : 0.0f));
      for (const float x : steps.back()) length += double{x} * x;
    }
    const double h = 4e-3 / std::sqrt(length);
    double slope = 0;
    for (size_t p = 0; p < steps.size(); ++p) {
      for (size_t i = 0; i < steps[p].size(); ++i)
        slope += double{steps[p][i]} * model.parameters()[p].grad[i];
    }
    const auto move = [&](double by) {
      for (size_t p = 0; p < steps.size(); ++p) {
        for (size_t i = 0; i < steps[p].size(); ++i) {
          model.parameters()[p].value[i] += static_cast<float>(by * double{steps[p][i]});
        }
      }
    };
    move(h);
    const double up = loss();
    move(-2 * h);
    const double down = loss();
    move(h);
    const double measured = (up - down) / (2 * h);
    EXPECT_NEAR(slope, measured, 2e-3 * std::abs(measured) + 8e-4 * std::sqrt(length))
        << "direction " << direction;
    EXPECT_GT(std::abs(slope), 2e-2 * std::sqrt(length)) << "direction " << direction << " tells nothing";
  }
}

TEST(Gradient, FullFineTuningFollowsTheLoss) {
  for (const char* name : {"gpt2/heads3", "gpt2/heads4"}) {
    for (const float dropout : {0.0f, 0.3f}) {
      SCOPED_TRACE(std::string(name) + " dropout " + std::to_string(dropout));
      const FixtureModel fixture(name);
      const auto opened = fixture.open(Method::kFull);
      expect_slopes(fixture, *opened.model, dropout);
    }
  }
}

TEST(Gradient, LoraFollowsTheLoss) {
  for (const char* lora : {"attn", "all"}) {
    for (const float dropout : {0.0f, 0.3f}) {
      SCOPED_TRACE(std::string(lora) + " dropout " + std::to_string(dropout));
      const FixtureModel fixture("gpt2/heads3");
      const auto opened = fixture.open(Method::kLora, lora, 1, dropout);
      expect_slopes(fixture, *opened.model, dropout / 2);
    }
  }
}

TEST(Gradient, DropoutDrawsByStepAndMicroBatchOnly) {
  const FixtureModel fixture("gpt2/heads3");
  const auto opened = fixture.open(Method::kLora, "all", 1, 0.1f);
  const auto loss = [&](uint64_t seed, uint32_t step, uint32_t micro_batch) {
    return opened.model->forward_backward(fixture.batch(), 1, 0.1f, {seed, step, micro_batch}).sum;
  };
  const double first = loss(1, 1, 0);
  EXPECT_NE(first, loss(1, 2, 0));
  EXPECT_NE(first, loss(1, 1, 1));
  EXPECT_NE(first, loss(2, 1, 0));
  EXPECT_EQ(first, loss(1, 1, 0));
}

// At a W of LoRA's effect merged in, dL/dB = scale * dL/dW A^T and dL/dA = scale * B^T dL/dW.
TEST(Gradient, LoraIsWhatFullFineTuningImplies) {
  const FixtureModel fixture("gpt2/heads5");
  auto lora = fixture.open(Method::kLora, "all");
  auto full = fixture.open(Method::kFull);
  const float scale = fixture.targets("all")[0].alpha() / static_cast<float>(fixture.targets("all")[0].r());
  const auto parameter = [](const Model& model, const std::string& name) -> const Parameter& {
    for (const Parameter& p : model.parameters()) {
      if (p.name == name) return p;
    }
    throw Failure("test", name);
  };
  const std::span<const Parameter> adapters = lora.model->parameters();
  for (size_t i = 0; i < adapters.size(); i += 2) {
    const Parameter &a = adapters[i], &b = adapters[i + 1];
    const Parameter& w =
        parameter(*full.model, a.name.substr(0, a.name.size() - std::string(".lora_A").size()));
    const size_t rank = a.shape[0], in = a.shape[1], out = b.shape[0];
    for (size_t o = 0; o < out; ++o) {
      for (size_t k = 0; k < in; ++k) {
        for (size_t r = 0; r < rank; ++r)
          w.value[o * in + k] += scale * b.value[o * rank + r] * a.value[r * in + k];
      }
    }
  }
  const double merged = full.model->forward_backward(fixture.batch(), 1, 0, {}).sum;
  EXPECT_NEAR(lora.model->forward_backward(fixture.batch(), 1, 0, {}).sum, merged, 1e-4 * merged);
  for (size_t i = 0; i < adapters.size(); i += 2) {
    const Parameter &a = adapters[i], &b = adapters[i + 1];
    const Parameter& w =
        parameter(*full.model, a.name.substr(0, a.name.size() - std::string(".lora_A").size()));
    const size_t rank = a.shape[0], in = a.shape[1], out = b.shape[0];
    double error_a = 0, norm_a = 0, error_b = 0, norm_b = 0;
    for (size_t r = 0; r < rank; ++r) {
      for (size_t k = 0; k < in; ++k) {
        double expected = 0;
        for (size_t o = 0; o < out; ++o)
          expected += double{scale} * b.value[o * rank + r] * w.grad[o * in + k];
        error_a += std::pow(expected - a.grad[r * in + k], 2);
        norm_a += expected * expected;
      }
      for (size_t o = 0; o < out; ++o) {
        double expected = 0;
        for (size_t k = 0; k < in; ++k) expected += double{scale} * w.grad[o * in + k] * a.value[r * in + k];
        error_b += std::pow(expected - b.grad[o * rank + r], 2);
        norm_b += expected * expected;
      }
    }
    EXPECT_LE(std::sqrt(error_a), 1e-4 * std::sqrt(norm_a)) << a.name;
    EXPECT_LE(std::sqrt(error_b), 1e-4 * std::sqrt(norm_b)) << b.name;
  }
}

// Micro-batches add up, and a gradient is not what it is because of what was there before.
TEST(Gradient, Accumulates) {
  const FixtureModel fixture("gpt2/heads4");
  const auto once = fixture.open(Method::kFull);
  const auto twice = fixture.open(Method::kFull);
  once.model->forward_backward(fixture.batch(), 0.5f, 0, {});
  once.model->finish_gradients();
  for (int i = 0; i < 2; ++i) twice.model->forward_backward(fixture.batch(), 0.25f, 0, {});
  twice.model->finish_gradients();
  twice.model->finish_gradients();  // adds nothing more
  for (size_t p = 0; p < once.model->parameters().size(); ++p) {
    const Parameter &a = once.model->parameters()[p], &b = twice.model->parameters()[p];
    for (size_t i = 0; i < a.elements; ++i) ASSERT_NEAR(a.grad[i], b.grad[i], 1e-5) << a.name << " " << i;
  }
  twice.model->zero_grad();
  twice.model->finish_gradients();
  for (const Parameter& p : twice.model->parameters()) {
    for (size_t i = 0; i < p.elements; ++i) ASSERT_EQ(p.grad[i], 0) << p.name;
  }
}

}  // namespace
}  // namespace mft::models
