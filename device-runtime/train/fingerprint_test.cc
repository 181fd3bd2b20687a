// The bits of a short training, committed: the same on x86-64 and arm64, with any number of threads, from any
// compiler. A change here means that a run on one phone could not go on with the same curve on another
// version of the runtime: change the numbers only together with whatever changed the arithmetic, and say so
// in the commit.
#include <gtest/gtest.h>

#include <bit>
#include <functional>

#include "base/sha256.h"
#include "base/test_folder.h"
#include "kernels/isa.h"
#include "models/fixture_model.h"
#include "models/test_families.h"
#include "train/optimizer.h"
#include "train/schedule.h"

namespace mft::train {
namespace {

constexpr uint32_t kSteps = 5;

struct Curve {
  std::vector<uint32_t> losses;  // bits of each step's loss, as float
  std::string hash;              // of all losses, norms and final parameter values
};

using BatchOf = std::function<models::Batch(uint32_t index)>;

Curve train(models::Model& model, ThreadPool& pool, const BatchOf& batch_of) {
  v1::OptimizerConfig config;
  config.set_learning_rate(5e-3f);
  config.set_beta1(0.9f);
  config.set_beta2(0.999f);
  config.set_eps(1e-8f);
  config.set_weight_decay(0.01f);
  config.set_max_grad_norm(1);
  config.set_schedule(v1::SCHEDULE_COSINE);
  config.set_warmup_steps(1);
  AdamW optimizer(config, model, pool);
  Curve curve;
  std::string bytes;
  const auto put = [&](float value) {
    const uint32_t bits = std::bit_cast<uint32_t>(value);
    for (int i = 0; i < 4; ++i) bytes += static_cast<char>(bits >> (8 * i));
  };
  for (uint32_t step = 0; step < kSteps; ++step) {
    double sum = 0;
    uint64_t labels = 0;
    for (uint32_t i = 0; i < 2; ++i) labels += models::FixtureModel::labels(batch_of(2 * step + i));
    for (uint32_t i = 0; i < 2; ++i) {
      sum += model
                 .forward_backward(batch_of(2 * step + i), 1 / static_cast<float>(labels), 0.1f,
                                   {.seed = 42, .step = step, .micro_batch = i})
                 .sum;
    }
    const float loss = static_cast<float>(sum / static_cast<double>(labels));
    curve.losses.push_back(std::bit_cast<uint32_t>(loss));
    put(loss);
    put(optimizer.step(step + 1, learning_rate(config, step, kSteps)));
  }
  for (const models::Parameter& p : model.parameters()) {
    for (uint64_t i = 0; i < p.elements; ++i) put(p.value[i]);
  }
  curve.hash = to_hex(sha256(bytes)).substr(0, 16);
  return curve;
}

Curve train(models::Method method, int threads) {
  const models::FixtureModel fixture("gpt2/heads4");
  const auto opened = fixture.open(method, method == models::Method::kLora ? "all" : "", threads,
                                   method == models::Method::kLora ? 0.05f : 0.0f);
  return train(*opened.model, *opened.pool, [&](uint32_t index) { return fixture.training_batch(index); });
}

void expect_curve(models::Method method, const std::vector<uint32_t>& losses, const std::string& hash) {
  if (kernels::numeric_class() != "f32-fma") GTEST_SKIP() << "numeric class " << kernels::numeric_class();
  for (const int threads : {1, 3}) {
    const Curve curve = train(method, threads);
    EXPECT_EQ(curve.losses, losses) << threads << " threads, " << kernels::isa();
    EXPECT_EQ(curve.hash, hash) << threads << " threads, " << kernels::isa();
  }
}

// A family's small configuration with weights by formula.
Curve train(const v1::ModelConfig& config, models::Method method, int threads) {
  constexpr uint32_t kRows = 2, kLength = 15;
  const TestFolder folder;
  uint64_t seed = 0;
  const auto files = models::write_pack(folder.path(), config, [&](const v1::Tensor& tensor) {
    return models::family_values(config, tensor, ++seed);
  });
  models::ModelOptions options;
  options.method = method;
  options.max_tokens = kRows * kLength;
  options.max_length = kLength;
  options.seed = 3;
  if (method == models::Method::kLora) {
    using models::Module;
    const std::vector<Module> all = {Module::kQkv, Module::kOut, Module::kUp, Module::kDown};
    options.adapters = models::lora_targets(config, all, 3, 6);
    for (v1::LoraTarget& target : options.adapters) target.set_rslora(true);
    options.adapter_dropout = 0.05f;
  }
  ThreadPool pool(threads);
  const auto segments = store::Segments::open(
      files, method == models::Method::kFull ? store::Residency::kPrivate : store::Residency::kMapped);
  const auto model = models::Model::open(config, *segments, options, pool);
  std::vector<int32_t> tokens(kRows * kLength), targets(kRows * kLength);
  return train(*model, pool, [&](uint32_t index) {
    for (uint32_t i = 0; i < kRows * kLength; ++i) {
      tokens[i] = static_cast<int32_t>((i * i * 7 + index * 13 + 5) % config.vocab_size());
      const auto next = static_cast<int32_t>((i + index) % config.vocab_size());
      targets[i] = i % 5 == index % 5 ? models::kNoLabel : next;
    }
    return models::rows_of(kRows, kLength, tokens.data(), targets.data());
  });
}

TEST(Fingerprint, FullFineTuning) {
  expect_curve(models::Method::kFull, {1083720863, 1082764890, 1083210082, 1083338021, 1082737915},
               "7fc451dff91543a0");
}

TEST(Fingerprint, Lora) {
  expect_curve(models::Method::kLora, {1083652797, 1083283764, 1082957544, 1082706028, 1083093810},
               "a4e9b1c208707dad");
}

TEST(Fingerprint, EveryFamily) {
  const struct {
    const char* family;
    std::string full, lora;
  } expected[] = {
      {"gemma3", "95a5e59be18c9608", "a542a58c98e39a02"},
      {"gpt2", "8200c9cdea678ccd", "2f9101bd40a2093e"},
      {"llama", "77dc7ea127b33428", "82d2df0f2d5ed92e"},
      {"qwen2", "6633471d5d0c26e9", "9dfd5f12b7826d11"},
      {"soft caps", "0e4c1072142e863f", "6f9e3b8ff426c157"},
  };
  const std::string best(kernels::isa());
  const auto configs = models::family_configs();
  for (const std::string_view isa : kernels::available_isas()) {
    kernels::set_isa(isa);
    if (kernels::numeric_class() != "f32-fma") continue;
    for (const auto& [family, full, lora] : expected) {
      for (const int threads : {1, 3}) {
        SCOPED_TRACE(family + (", " + std::string(isa)) + ", threads: " + std::to_string(threads));
        EXPECT_EQ(train(configs.at(family), models::Method::kFull, threads).hash, full);
        EXPECT_EQ(train(configs.at(family), models::Method::kLora, threads).hash, lora);
      }
    }
  }
  kernels::set_isa(best);
}

}  // namespace
}  // namespace mft::train
