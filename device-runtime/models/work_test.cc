// No work that isn't needed: the floating-point operations of every product of a step, counted and compared
// with what the configuration asks for, and buffers below the lowest trained part taken away.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/profile.h"
#include "base/test_folder.h"
#include "base/threads.h"
#include "models/plan.h"
#include "models/test_families.h"
#include "models/weights.h"
#include "store/memory.h"

namespace mft::models {
namespace {

constexpr uint32_t kRows = 2, kLength = 13, kRank = 3;
constexpr i64 kTokens = i64{kRows} * kLength;
constexpr uint32_t kStarts[] = {0, kLength, 2 * kLength};
constexpr Module kAll[] = {Module::kQkv, Module::kOut, Module::kUp, Module::kDown};

struct Opened {
  TestFolder folder;
  ThreadPool pool{1};
  std::unique_ptr<store::Segments> segments;
  std::unique_ptr<Model> model;
  std::vector<int32_t> tokens, targets;

  Opened(const v1::ModelConfig& config, const ModelOptions& options) {
    uint64_t seed = 0;
    const auto files = write_pack(folder.path(), config, [&](const v1::Tensor& tensor) {
      return family_values(config, tensor, ++seed);
    });
    segments = store::Segments::open(
        files, options.method == Method::kFull ? store::Residency::kPrivate : store::Residency::kMapped);
    model = Model::open(config, *segments, options, pool);
    for (int32_t i = 0; i < kTokens; ++i) {
      tokens.push_back(i * 7 % 61);
      targets.push_back(i % 3 == 0 ? i : kNoLabel);
    }
  }
  Batch batch() const { return rows_of(kRows, kLength, tokens.data(), targets.data()); }
  profile::Report step() {
    profile::start();
    model->forward_backward(batch(), 1, 0, {});
    return profile::stop();
  }
};

ModelOptions options_of(Method method, std::vector<v1::LoraTarget> adapters = {}) {
  ModelOptions options;
  options.method = method;
  options.adapters = std::move(adapters);
  options.max_tokens = kTokens;
  options.max_length = kLength;
  return options;
}

double flops(const profile::Report& report, profile::Op op) { return report[static_cast<size_t>(op)].flops; }

double product(const v1::ModelConfig& config, Module module) {
  const ModuleSize size = module_size(config, module);
  return 2.0 * static_cast<double>(kTokens * size.in * size.out);
}

constexpr i64 kLabels = (kTokens + 2) / 3;

double head_product(const v1::ModelConfig& config) {
  return 2.0 * static_cast<double>(kLabels) * config.hidden_size() * config.vocab_size();
}

TEST(Work, FullFineTuningMultipliesThreeTimes) {
  for (const auto& [name, config] : family_configs()) {
    SCOPED_TRACE(name);
    Opened opened(config, options_of(Method::kFull));
    const profile::Report report = opened.step();
    double forward = 0;
    for (const Module module : kAll) forward += config.num_layers() * product(config, module);
    EXPECT_EQ(flops(report, profile::Op::kGemm), 3 * forward);
    EXPECT_EQ(flops(report, profile::Op::kHead), 3 * head_product(config));  // of rows with a label
    EXPECT_EQ(flops(report, profile::Op::kAdapters), 0);
  }
}

// Frozen weights get no gradient, and backward ends with the lowest adapter: not even its input's gradient is
// made.
TEST(Work, LoraStopsAtTheLowestAdapter) {
  for (const auto& [name, config] : family_configs()) {
    for (const uint32_t lowest : {0u, 1u}) {
      for (const Module module : kAll) {
        SCOPED_TRACE(name + ", layer " + std::to_string(lowest) + ", module " +
                     std::to_string(static_cast<int>(module)));
        // One adapter at the bottom, one on the last layer's last product.
        std::vector<v1::LoraTarget> targets = lora_targets(config, {module}, kRank, 4);
        targets = {targets[lowest]};
        const uint32_t top = config.num_layers() - 1;
        const bool two = lowest != top || module != Module::kDown;
        if (two) targets.push_back(lora_targets(config, {Module::kDown}, kRank, 4)[top]);
        Opened opened(config, options_of(Method::kLora, targets));
        const profile::Report report = opened.step();
        double expected = 0;
        for (uint32_t layer = 0; layer <= top; ++layer) {
          for (const Module each : kAll) {
            const bool above = layer > lowest || (layer == lowest && each > module);
            expected += product(config, each) * (above ? 2 : 1);
          }
        }
        EXPECT_EQ(flops(report, profile::Op::kGemm), expected);
        EXPECT_EQ(flops(report, profile::Op::kHead), 2 * head_product(config));
        // A and B forward; their gradients and B's share backward; A's share of dx above the bottom alone.
        const auto skinny = [&](Module which, bool bottom) {
          const ModuleSize size = module_size(config, which);
          return 2.0 * kRank * static_cast<double>(kTokens * ((bottom ? 2 : 3) * size.in + 3 * size.out));
        };
        EXPECT_EQ(flops(report, profile::Op::kAdapters),
                  skinny(module, true) + (two ? skinny(Module::kDown, false) : 0));
      }
    }
  }
}

TEST(Work, ForwardAloneMultipliesOnce) {
  const v1::ModelConfig config = gemma3_config();
  Opened opened(config, options_of(Method::kFrozen));
  profile::start();
  opened.model->evaluate(opened.batch());
  const profile::Report report = profile::stop();
  double forward = 0;
  for (const Module module : kAll) forward += config.num_layers() * product(config, module);
  EXPECT_EQ(flops(report, profile::Op::kGemm), forward);
  EXPECT_EQ(flops(report, profile::Op::kHead), head_product(config));
}

// Backward of a block whose lowest adapter is on `module`: what lies below is gone, and the gradients are the
// same.
TEST(Work, NothingBelowTheLowestAdapterIsRead) {
  for (const auto& [name, config] : family_configs()) {
    for (const Module module : kAll) {
      SCOPED_TRACE(name + ", module " + std::to_string(static_cast<int>(module)));
      const ModelOptions options = options_of(Method::kLora, {lora_targets(config, {module}, kRank, 4)[1]});
      const Opened opened(config, options_of(Method::kFrozen));
      Adapters adapters(config, options.adapters);
      adapters.allocate(1, true);
      for (const Parameter& p : adapters.parameters()) {
        std::copy_n(noise(3, p.elements, 0.3f).data(), p.elements, p.value);
      }
      Arena measure = Arena::measuring();
      take_activations(measure, config, options, adapters);
      Arena arena(measure.high_water());
      Activations all = take_activations(arena, config, options, adapters);
      EXPECT_EQ(arena.high_water(), measure.high_water());
      ThreadPool pool(1);
      const store::Memory workspace(kernel_workspace(config, options, adapters, 1), "");
      all.scratch.kernel = {workspace.data(), workspace.size()};
      for (i64 n = 0; n < kTokens; ++n) all.positions[n] = static_cast<int32_t>(n % kLength);
      const RopeTables rope = make_rope_tables(config, kLength, all.rope);
      const nn::Pass pass{.pool = pool, .scratch = all.scratch, .sequences = {kRows, kStarts}, .key = {},
                          .layer = 2, .positions = all.positions};
      const store::Pin values = opened.segments->pin(2);
      const Block block = bind_block(config, 1, {values}, adapters, rope);
      BlockActivations saved = all.blocks[1];
      const i64 channels = config.hidden_size();
      const std::vector<float> x = noise(5, static_cast<uint64_t>(kTokens * channels), 1);
      const std::vector<float> dy = noise(6, x.size(), 1);
      std::copy(x.begin(), x.end(), saved.x);
      std::vector<float> y(x.size());
      block_forward(pass, block, saved, nullptr, CachedAttention::kTiles, y.data());

      static constexpr Stage kStages[] = {Stage::kQkv, Stage::kOut, Stage::kUp, Stage::kDown};
      const Stage lowest = kStages[static_cast<int>(module)];
      const auto gradients = [&](Stage stage, const BlockActivations& from, const BlockGradients& memory) {
        adapters.zero_gradients(pool);
        std::vector<float> d_x = dy;
        block_backward(pass, block, from, memory, stage, d_x.data());
        std::vector<float> found;
        for (const Parameter& p : adapters.parameters()) {
          found.insert(found.end(), p.grad, p.grad + p.elements);
        }
        return found;
      };
      const std::vector<float> expected = gradients(Stage::kBelow, saved, all.gradients);
      double size = 0;
      for (const float g : expected) size += std::abs(static_cast<double>(g));
      EXPECT_GT(size, 1e-3);

      BlockGradients memory = all.gradients;
      saved.x = nullptr;
      saved.attn_norm = {};
      if (lowest >= Stage::kOut) {
        saved.attn_normed = saved.qkv = saved.scored = saved.qk_rstd = saved.logsumexp = nullptr;
        memory.scored = memory.qk_rstd = nullptr;
      }
      if (lowest >= Stage::kUp) {
        saved.attended = saved.mid = nullptr;
        saved.attn_post = {};
        saved.mlp_norm = {};
        memory.narrow = nullptr;
      }
      if (lowest >= Stage::kDown) {
        saved.mlp_normed = saved.up = nullptr;
        memory.wide = memory.inner = nullptr;
      }
      EXPECT_EQ(gradients(lowest, saved, memory), expected);
      EXPECT_EQ(block.attn_norm.d_weight, nullptr);
      EXPECT_EQ(block.query_key.q_norm.d_weight, nullptr);
      EXPECT_EQ(block.qkv.d_weight, nullptr);
    }
  }
}

// A row without a label may hold anything.
TEST(Work, RowsWithoutALabelAreNotReadByTheHead) {
  const v1::ModelConfig config = llama_config();
  const Opened opened(config, options_of(Method::kFrozen));
  const store::Pin values = opened.segments->pin(opened.segments->count() - 1);
  const nn::Head head = bind_head(config, "lm_head.weight", {values});
  ThreadPool pool(1);
  const store::Memory workspace(nn::head_workspace(1, head, kTokens, true, false), "");
  nn::Scratch scratch;
  scratch.kernel = {workspace.data(), workspace.size()};
  const nn::Pass pass{.pool = pool, .scratch = scratch, .sequences = {kRows, kStarts}, .key = {}};
  const auto channels = static_cast<size_t>(config.hidden_size());
  std::vector<float> hidden = noise(1, kTokens * channels, 1), d_hidden(hidden.size());
  for (size_t n = 0; n < static_cast<size_t>(kTokens); ++n) {
    if (opened.targets[n] != kNoLabel) continue;
    std::fill_n(hidden.begin() + static_cast<ptrdiff_t>(n * channels), channels,
                std::numeric_limits<float>::quiet_NaN());
  }
  const nn::HeadLoss loss =
      nn::head_loss_backward(pass, head, hidden.data(), opened.targets.data(), 1, d_hidden.data());
  EXPECT_EQ(loss.labels, kLabels);
  EXPECT_TRUE(std::isfinite(loss.sum));
  for (size_t i = 0; i < d_hidden.size(); ++i) {
    ASSERT_TRUE(std::isfinite(d_hidden[i])) << i;
    ASSERT_TRUE(d_hidden[i] == 0 || opened.targets[i / channels] != kNoLabel) << i;
  }
}

// What the plan says a training step saves: nothing below the first adapter, and no second copy of q and k.
TEST(Work, LittleIsSaved) {
  v1::ModelConfig config = gemma3_config();
  config.set_intermediate_size(48);  // as wide as qkv: the buffer for q and k made again is then there anyway
  const auto bytes = [&](const v1::ModelConfig& c, const ModelOptions& options) {
    return static_cast<i64>(plan_memory(c, options, 1).activations);
  };
  const ModelOptions bottom = options_of(Method::kLora, {lora_targets(config, {Module::kQkv}, kRank, 4)[0]});
  const ModelOptions top = options_of(Method::kLora, {lora_targets(config, {Module::kQkv}, kRank, 4)[2]});
  EXPECT_LT(bytes(config, top), bytes(config, bottom));
  v1::ModelConfig plain = config;
  plain.set_qk_norm(false);
  const i64 heads = config.num_heads() + config.num_kv_heads();
  EXPECT_LE(bytes(config, bottom), bytes(plain, bottom) + kTokens * heads * 4 + 256);  // one shared rstd
}

}  // namespace
}  // namespace mft::models
