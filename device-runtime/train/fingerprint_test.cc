// The bits of a short training, committed: the same on x86-64 and arm64, with any number of threads, from any
// compiler. A change here means that a run on one phone could not go on with the same curve on another
// version of the runtime: change the numbers only together with whatever changed the arithmetic, and say so
// in the commit.
#include <gtest/gtest.h>

#include <bit>

#include "base/sha256.h"
#include "kernels/isa.h"
#include "models/fixture_model.h"
#include "train/optimizer.h"
#include "train/schedule.h"

namespace mft::train {
namespace {

constexpr uint32_t kSteps = 5;

struct Curve {
  std::vector<uint32_t> losses;  // bits of each step's loss, as float
  std::string hash;              // of all losses, norms and final parameter values
};

Curve train(models::Method method, int threads) {
  const models::FixtureModel fixture("gpt2/heads4");
  const auto opened = fixture.open(method, method == models::Method::kLora ? "all" : "", threads,
                                   method == models::Method::kLora ? 0.05f : 0.0f);
  v1::OptimizerConfig config;
  config.set_learning_rate(5e-3f);
  config.set_beta1(0.9f);
  config.set_beta2(0.999f);
  config.set_eps(1e-8f);
  config.set_weight_decay(0.01f);
  config.set_max_grad_norm(1);
  config.set_schedule(v1::SCHEDULE_COSINE);
  config.set_warmup_steps(1);
  AdamW optimizer(config, *opened.model, *opened.pool);
  Curve curve;
  std::string bytes;
  const auto put = [&](float value) {
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    for (int i = 0; i < 4; ++i) bytes += static_cast<char>(bits >> (8 * i));
  };
  for (uint32_t step = 0; step < kSteps; ++step) {
    double sum = 0;
    uint64_t labels = 0;
    for (uint32_t i = 0; i < 2; ++i)
      labels += models::FixtureModel::labels(fixture.training_batch(2 * step + i));
    for (uint32_t i = 0; i < 2; ++i) {
      sum += opened.model
                 ->forward_backward(fixture.training_batch(2 * step + i), 1 / static_cast<float>(labels),
                                    0.1f, {.seed = 42, .step = step, .micro_batch = i})
                 .sum;
    }
    const float loss = static_cast<float>(sum / static_cast<double>(labels));
    curve.losses.push_back(std::bit_cast<uint32_t>(loss));
    put(loss);
    put(optimizer.step(step + 1, learning_rate(config, step, kSteps)));
  }
  for (const models::Parameter& p : opened.model->parameters()) {
    for (uint64_t i = 0; i < p.elements; ++i) put(p.value[i]);
  }
  curve.hash = to_hex(sha256(bytes)).substr(0, 16);
  return curve;
}

void expect_curve(models::Method method, const std::vector<uint32_t>& losses, const std::string& hash) {
  if (kernels::numeric_class() != "f32-fma") GTEST_SKIP() << "numeric class " << kernels::numeric_class();
  for (const int threads : {1, 3}) {
    const Curve curve = train(method, threads);
    EXPECT_EQ(curve.losses, losses) << threads << " threads, " << kernels::isa();
    EXPECT_EQ(curve.hash, hash) << threads << " threads, " << kernels::isa();
  }
}

TEST(Fingerprint, FullFineTuning) {
  expect_curve(models::Method::kFull, {1083720863, 1082764890, 1083210082, 1083338021, 1082737915},
               "738c900935c075b6");
}

TEST(Fingerprint, Lora) {
  expect_curve(models::Method::kLora, {1083652797, 1083283764, 1082957545, 1082706027, 1083093810},
               "12cca4f1aa8a1181");
}

}  // namespace
}  // namespace mft::train
