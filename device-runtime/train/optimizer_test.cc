// Twenty steps against torch.optim.AdamW, clip_grad_norm_ and transformers' schedules (test/fixtures/FAMILY),
// with accumulation over two micro-batches of unequal numbers of labels.
#include "train/optimizer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "models/fixture_model.h"
#include "train/schedule.h"

namespace mft::train {
namespace {

using models::Batch;
using models::FixtureModel;
using models::Method;

struct Recipe {
  v1::OptimizerConfig config;
  uint32_t accumulation = 0;
  uint32_t steps = 0;
};

Recipe recipe_of(const FixtureModel& fixture, const std::string& method) {
  const std::vector<float>& s = fixture.fixture[method + "/train/settings"].floats;
  const std::string& schedule = fixture.fixture["schedule"].text;
  Recipe recipe;
  recipe.config.set_learning_rate(s[0]);
  recipe.config.set_beta1(s[1]);
  recipe.config.set_beta2(s[2]);
  recipe.config.set_eps(s[3]);
  recipe.config.set_weight_decay(s[4]);
  recipe.config.set_max_grad_norm(s[5]);
  recipe.config.set_warmup_steps(static_cast<uint32_t>(s[6]));
  recipe.config.set_min_lr_ratio(s[7]);
  recipe.config.set_schedule(schedule == "cosine"   ? v1::SCHEDULE_COSINE
                             : schedule == "linear" ? v1::SCHEDULE_LINEAR
                                                    : v1::SCHEDULE_CONSTANT);
  recipe.accumulation = static_cast<uint32_t>(s[8]);
  recipe.steps = static_cast<uint32_t>(s[9]);
  return recipe;
}

// One optimizer step; returns the mean loss over its labels.
double train_step(const FixtureModel& fixture, const Recipe& recipe, FixtureModel::Opened& opened,
                  AdamW& optimizer, uint32_t step, float* norm) {
  uint64_t labels = 0;
  for (uint32_t i = 0; i < recipe.accumulation; ++i) {
    labels += FixtureModel::labels(fixture.training_batch(step * recipe.accumulation + i));
  }
  double sum = 0;
  for (uint32_t i = 0; i < recipe.accumulation; ++i) {
    const Batch batch = fixture.training_batch(step * recipe.accumulation + i);
    sum += opened.model->forward_backward(batch, 1 / static_cast<float>(labels), 0, {}).sum;
  }
  *norm = optimizer.step(step + 1, learning_rate(recipe.config, step, recipe.steps));
  return sum / static_cast<double>(labels);
}

void expect_curve(const std::string& name, Method method, const std::string& lora) {
  const FixtureModel fixture(name);
  const std::string prefix = method == Method::kFull ? "full" : "lora_" + lora;
  const Recipe recipe = recipe_of(fixture, method == Method::kFull ? "full" : "lora");
  const std::vector<float>& losses = fixture.fixture[prefix + "/train/losses"].floats;
  const std::vector<float>& norms = fixture.fixture[prefix + "/train/norms"].floats;
  const std::vector<float>& rates = fixture.fixture[prefix + "/train/rates"].floats;
  ASSERT_EQ(losses.size(), recipe.steps);
  auto opened = fixture.open(method, lora);
  AdamW optimizer(recipe.config, *opened.model, *opened.pool);
  for (uint32_t step = 0; step < recipe.steps; ++step) {
    const float rate = learning_rate(recipe.config, step, recipe.steps);
    EXPECT_NEAR(rate, rates[step], 1e-6 * recipe.config.learning_rate()) << step;
    float norm = 0;
    const double loss = train_step(fixture, recipe, opened, optimizer, step, &norm);
    EXPECT_NEAR(loss, losses[step], 1e-4) << name << " " << prefix << " step " << step;
    EXPECT_NEAR(norm, norms[step], 1e-3 * norms[step]) << name << " " << prefix << " step " << step;
  }
}

TEST(Optimizer, TwentyStepsOfFullFineTuning) {
  for (const char* family : models::kFamilies) {
    for (const std::string& name : models::fixtures_of(family)) expect_curve(name, Method::kFull, "");
  }
}

TEST(Optimizer, TwentyStepsOfLora) {
  for (const char* family : models::kFamilies) {
    for (const std::string& name : models::fixtures_of(family)) {
      for (const std::string& lora : FixtureModel(name).lora_sets()) expect_curve(name, Method::kLora, lora);
    }
  }
}

// Values and moments carried over by segments: the curve goes on with the same bits.
TEST(Optimizer, ContinuesFromItsStateToTheBit) {
  const FixtureModel fixture("gpt2/heads3");
  const Recipe recipe = recipe_of(fixture, "full");
  auto straight = fixture.open(Method::kFull);
  AdamW optimizer(recipe.config, *straight.model, *straight.pool);
  auto resumed = fixture.open(Method::kFull);
  std::unique_ptr<AdamW> second;
  float norm = 0;
  for (uint32_t step = 0; step < 8; ++step) {
    if (step == 4) {
      const TestFolder folder;
      for (size_t i = 0; i < straight.model->parameters().size(); ++i) {
        const models::Parameter& from = straight.model->parameters()[i];
        std::copy(from.value, from.value + from.elements, resumed.model->parameters()[i].value);
      }
      second = std::make_unique<AdamW>(recipe.config, *resumed.model, *resumed.pool);
      for (const std::string& segment : optimizer.segments()) {
        const std::string path = folder / segment;
        const auto saved =
            store::Segments::open({{store::write_segment(path, segment, optimizer.state(segment)), path}},
                                  store::Residency::kMapped);
        second->load(saved->pin(0));
      }
    }
    const double loss = train_step(fixture, recipe, straight, optimizer, step, &norm);
    if (second != nullptr) {
      float other = 0;
      EXPECT_EQ(train_step(fixture, recipe, resumed, *second, step, &other), loss) << step;
      EXPECT_EQ(other, norm) << step;
    }
  }
}

TEST(Optimizer, LeavesEverythingAloneWhenTheNormIsNotFinite) {
  const FixtureModel fixture("gpt2/single");
  const Recipe recipe = recipe_of(fixture, "full");
  auto opened = fixture.open(Method::kFull);
  AdamW optimizer(recipe.config, *opened.model, *opened.pool);
  const models::Parameter& parameter = opened.model->parameters()[3];
  const std::vector<float> before(parameter.value, parameter.value + parameter.elements);
  parameter.grad[0] = std::numeric_limits<float>::infinity();
  EXPECT_FALSE(std::isfinite(optimizer.step(1, 0.1f)));
  EXPECT_TRUE(std::equal(before.begin(), before.end(), parameter.value));
  EXPECT_EQ(optimizer.state()[0].name, opened.model->parameters()[0].name + ".m");
}

TEST(Optimizer, RefusesBadSettingsAndForeignState) {
  const FixtureModel fixture("gpt2/single");
  const auto opened = fixture.open(Method::kFull);
  for (const auto change :
       {+[](v1::OptimizerConfig& c) { c.set_beta2(1); }, +[](v1::OptimizerConfig& c) { c.set_eps(0); },
        +[](v1::OptimizerConfig& c) { c.set_learning_rate(-1); },
        +[](v1::OptimizerConfig& c) { c.set_max_grad_norm(std::nanf("")); }}) {
    v1::OptimizerConfig config = recipe_of(fixture, "full").config;
    change(config);
    EXPECT_THROW(AdamW(config, *opened.model, *opened.pool), Failure);
  }
  AdamW optimizer(recipe_of(fixture, "full").config, *opened.model, *opened.pool);
  const TestFolder folder;
  const std::vector<float> values(24);
  for (const char* name : {"final_norm.weight.x", "final_norm.weight.m"}) {
    const store::NamedTensor tensors[] = {{name, {24}, values.data()}};
    const std::string path = folder / name;
    const auto saved =
        store::Segments::open({{store::write_segment(path, "s", tensors), path}}, store::Residency::kMapped);
    const auto load_and_step = [&] {
      optimizer.load(saved->pin(0));
      optimizer.step(1, 0.1f);  // only one of the moments was loaded
    };
    EXPECT_THROW(load_and_step(), Failure) << name;
  }
}

}  // namespace
}  // namespace mft::train
