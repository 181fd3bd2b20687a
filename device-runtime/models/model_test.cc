// What the model refuses, what it plans, and that neither threads nor batch sizes change a bit.
#include "models/model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "base/error.h"
#include "models/fixture_model.h"
#include "models/test_families.h"

namespace mft::models {
namespace {

template <typename Call>
std::string code_of(const Call& call) {
  try {
    call();
  } catch (const Failure& failure) {
    return failure.code();
  }
  return "";
}

v1::ModelConfig small_config() { return gpt2_config(50, 16, 2, 2, 8); }

std::vector<float> zeros(const v1::Tensor& tensor) {
  uint64_t count = 1;
  for (const uint64_t size : tensor.shape()) count *= size;
  return std::vector<float>(count);
}

// Loss and all gradients of a step with everything random in it.
std::vector<float> fingerprint(const FixtureModel& fixture, Method method, int threads) {
  const auto opened = fixture.open(method, method == Method::kLora ? "all" : "", threads, 0.1f);
  const LossSum loss = opened.model->forward_backward(fixture.batch(), 0.1f, 0.2f, {5, 6, 7});
  opened.model->finish_gradients();
  std::vector<float> all = {static_cast<float>(loss.sum)};
  for (const Parameter& p : opened.model->parameters()) all.insert(all.end(), p.grad, p.grad + p.elements);
  all.push_back(static_cast<float>(opened.model->evaluate(fixture.batch()).sum));
  for (const uint64_t tiles : opened.pool->tiles_done()) EXPECT_GT(tiles, 0u) << "a worker had nothing to do";
  return all;
}

TEST(Model, ThreadsDoNotChangeABit) {
  for (const Method method : {Method::kFull, Method::kLora}) {
    const FixtureModel fixture("gpt2/heads4");
    const std::vector<float> one = fingerprint(fixture, method, 1);
    for (const int threads : {2, 4}) EXPECT_EQ(fingerprint(fixture, method, threads), one) << threads;
  }
}

TEST(Model, TheNumberOfThreadsMayChangeBetweenPasses) {
  const FixtureModel fixture("gpt2/heads3");
  const auto opened = fixture.open(Method::kLora, "all");
  const double first = opened.model->forward_backward(fixture.batch(), 1, 0, {}).sum;
  opened.pool->set_threads(3);
  EXPECT_EQ(opened.model->forward_backward(fixture.batch(), 1, 0, {}).sum, first);
}

TEST(Model, SmallerBatchesFitIntoThePlan) {
  const FixtureModel fixture("gpt2/heads5");
  const auto opened = fixture.open(Method::kFull);
  const std::vector<int32_t>& tokens = fixture.fixture["tokens"].ints;
  const std::vector<int32_t>& targets = fixture.fixture["targets"].ints;
  double rows = 0;
  for (uint32_t row = 0; row < fixture.rows; ++row) {
    const size_t at = row * fixture.length;
    rows += opened.model->evaluate(rows_of(1, fixture.length, tokens.data() + at, targets.data() + at)).sum;
  }
  EXPECT_NEAR(rows, opened.model->evaluate(fixture.batch()).sum, 1e-4);
  EXPECT_EQ(code_of([&] {
              opened.model->evaluate(rows_of(fixture.rows * fixture.length + 1, 1, tokens.data(), targets.data()));
            }),
            "model.batch-size");
}

// Sequences of any lengths beside each other: each has the logits it has alone, to the bit, and the gradient is
// the sum of theirs.
TEST(Model, SequencesOfDifferentLengthsDoNotSeeEachOther) {
  const std::vector<uint32_t> starts = {0, 3, 4, 15, 20};
  std::vector<int32_t> tokens, targets;
  for (int32_t i = 0; i < 20; ++i) {
    tokens.push_back(i * i * 7 % 61);
    targets.push_back(i % 4 == 1 ? kNoLabel : i * 5 % 61);
  }
  for (const auto& [name, config] : family_configs()) {
    SCOPED_TRACE(name);
    const TestFolder folder;
    uint64_t seed = 0;
    const auto files = write_pack(folder.path(), config, [&](const v1::Tensor& tensor) {
      return family_values(config, tensor, ++seed);
    });
    ThreadPool pool(2);
    const auto segments = store::Segments::open(files, store::Residency::kPrivate);
    ModelOptions options;
    options.method = Method::kFull;
    options.max_tokens = 20;
    options.max_length = 11;
    const auto model = Model::open(config, *segments, options, pool);
    std::vector<float> all(20 * 61), alone(all);
    model->logits({4, starts.data(), tokens.data(), nullptr}, all.data());
    const auto gradients = [&](const std::function<void()>& passes) {
      model->zero_grad();
      passes();
      model->finish_gradients();
      std::vector<float> values;
      for (const Parameter& p : model->parameters()) values.insert(values.end(), p.grad, p.grad + p.elements);
      return values;
    };
    double sum = 0, apart_sum = 0;
    const std::vector<float> together = gradients([&] {
      sum = model->forward_backward({4, starts.data(), tokens.data(), targets.data()}, 1, 0, {}).sum;
    });
    const std::vector<float> apart = gradients([&] {
      for (size_t s = 0; s < 4; ++s) {
        const uint32_t from = starts[s];
        const Batch one = rows_of(1, starts[s + 1] - from, &tokens[from], &targets[from]);
        model->logits(one, &alone[from * 61]);
        apart_sum += model->forward_backward(one, 1, 0, {}).sum;
      }
    });
    EXPECT_EQ(all, alone);
    EXPECT_NEAR(sum, apart_sum, 1e-9 * sum);
    float largest = 0;
    for (const float g : apart) largest = std::max(largest, std::abs(g));
    for (size_t i = 0; i < apart.size(); ++i) ASSERT_NEAR(together[i], apart[i], 1e-5f * largest) << i;
  }
}

TEST(Model, RefusesBatchesThatWereNotPlanned) {
  const FixtureModel fixture("gpt2/heads4");
  const auto opened = fixture.open(Method::kFrozen);
  const std::vector<int32_t> tokens(fixture.rows * fixture.length + 1, 3);
  const auto code = [&](std::vector<uint32_t> starts) {
    const auto count = static_cast<uint32_t>(starts.size() - 1);
    return code_of([&] { opened.model->evaluate({count, starts.data(), tokens.data(), tokens.data()}); });
  };
  EXPECT_EQ(code({0, 2, fixture.length}), "");
  EXPECT_EQ(code({0}), "model.batch-size");
  EXPECT_EQ(code({1, 2}), "model.batch-size");
  EXPECT_EQ(code({0, 2, 2}), "model.batch-size");
  EXPECT_EQ(code({0, 4, 2}), "model.batch-size");
  EXPECT_EQ(code({0, fixture.length + 1}), "model.batch-size");
}

TEST(Model, RowsWithoutLabelsCostNothingAndChangeNothing) {
  const FixtureModel fixture("gpt2/heads3");
  const auto opened = fixture.open(Method::kFull);
  const std::vector<int32_t> none(fixture.rows * fixture.length, kNoLabel);
  const LossSum loss = opened.model->forward_backward(
      rows_of(fixture.rows, fixture.length, fixture.batch().tokens, none.data()), 1, 0, {});
  EXPECT_EQ(loss.labels, 0u);
  EXPECT_EQ(loss.sum, 0);
  opened.model->finish_gradients();
  for (const Parameter& p : opened.model->parameters()) {
    for (size_t i = 0; i < p.elements; ++i) ASSERT_EQ(p.grad[i], 0) << p.name;
  }
}

TEST(Model, NamesTokensOutsideTheVocabulary) {
  const FixtureModel fixture("gpt2/single");
  const auto opened = fixture.open(Method::kFull);
  std::vector<int32_t> tokens(4, 3), targets(4, 3);
  const Batch batch = rows_of(4, 1, tokens.data(), targets.data());
  EXPECT_EQ(code_of([&] { opened.model->forward_backward(batch, 1, 0, {}); }), "");
  tokens[2] = 97;
  EXPECT_EQ(code_of([&] { opened.model->forward_backward(batch, 1, 0, {}); }), "data.token-range");
  tokens[2] = -1;
  EXPECT_EQ(code_of([&] { opened.model->evaluate(batch); }), "data.token-range");
  tokens[2] = 96;
  targets[1] = -99;
  EXPECT_EQ(code_of([&] { opened.model->evaluate(batch); }), "data.token-range");
}

TEST(Model, RefusesConfigurationsItCannotRun) {
  const auto with = [](auto change) {
    v1::ModelConfig config = small_config();
    change(config);
    return code_of([&] { check_config(config); });
  };
  EXPECT_EQ(with([](v1::ModelConfig&) {}), "");
  EXPECT_EQ(with([](v1::ModelConfig& c) { c.set_position(static_cast<v1::PositionKind>(9)); }),
            "model.config-unsupported");
  EXPECT_EQ(with([](v1::ModelConfig& c) { c.clear_norm(); }), "model.config-unsupported");
  EXPECT_EQ(with([](v1::ModelConfig& c) { c.clear_activation(); }), "model.config-unsupported");
  EXPECT_EQ(with([](v1::ModelConfig& c) { c.set_num_kv_heads(3); }), "model.config-invalid");
  EXPECT_EQ(with([](v1::ModelConfig& c) { c.set_num_layers(0); }), "model.config-invalid");
  EXPECT_EQ(with([](v1::ModelConfig& c) { c.set_num_layers(~0u); }), "model.config-invalid");
  EXPECT_EQ(with([](v1::ModelConfig& c) { c.set_vocab_size(~0u); }), "model.config-invalid");
  EXPECT_EQ(with([](v1::ModelConfig& c) { c.set_norm_eps(0); }), "model.config-invalid");
}

class BrokenPack : public testing::Test {
 protected:
  // Opens a pack in which value_of, files and options were changed.
  std::string open_code(const v1::ModelConfig& config, const v1::ModelConfig& written,
                        const ModelOptions& options, store::Residency residency = store::Residency::kMapped,
                        const std::function<void(std::vector<store::SegmentFile>&)>& change = {}) {
    const TestFolder folder;
    std::vector<store::SegmentFile> files = write_pack(folder.path(), written, zeros);
    if (change) change(files);
    ThreadPool pool(1);
    return code_of([&] {
      const auto segments = store::Segments::open(files, residency);
      Model::open(config, *segments, options, pool);
    });
  }
  ModelOptions options_;
};

TEST_F(BrokenPack, TensorsMustBeThoseOfTheConfiguration) {
  const v1::ModelConfig good = small_config();
  EXPECT_EQ(open_code(good, good, options_), "");
  v1::ModelConfig other = good;
  other.set_vocab_size(51);
  EXPECT_EQ(open_code(good, other, options_), "model.tensor-shape");
  other = good;
  other.set_qkv_bias(false);
  EXPECT_EQ(open_code(good, other, options_), "model.tensor-missing");
  EXPECT_EQ(open_code(other, good, options_), "model.tensor-unknown");
  other = good;
  other.set_num_layers(1);
  EXPECT_EQ(open_code(good, other, options_), "model.segment-missing");
  other.set_num_layers(3);
  EXPECT_EQ(open_code(good, other, options_), "model.segment-missing");  // block.2 where final should be
  EXPECT_EQ(open_code(good, good, options_, store::Residency::kMapped,
                      [](auto& files) { std::swap(files[1], files[2]); }),
            "model.segment-missing");
  EXPECT_EQ(open_code(good, good, options_, store::Residency::kMapped,
                      [](auto& files) {
                        for (auto& t : *files[1].description.mutable_tensors()) t.set_dtype(v1::DTYPE_I32);
                      }),
            "model.dtype-unsupported");
}

TEST_F(BrokenPack, MethodsAskForWhatTheyNeed) {
  const v1::ModelConfig config = small_config();
  options_.method = Method::kFull;
  EXPECT_EQ(open_code(config, config, options_), "store.read-only");
  EXPECT_EQ(open_code(config, config, options_, store::Residency::kPrivate), "");
  options_.method = Method::kLora;
  EXPECT_EQ(open_code(config, config, options_), "model.adapter-invalid");
  options_.adapters = lora_targets(config, {Module::kQkv}, 2, 4);
  EXPECT_EQ(open_code(config, config, options_), "");
  options_.max_tokens = options_.max_length = 9;  // of 8 positions
  EXPECT_EQ(open_code(config, config, options_), "model.batch-size");
}

TEST_F(BrokenPack, AdaptersMustFitTheModel) {
  const v1::ModelConfig config = small_config();
  const auto with = [&](auto change) {
    options_.method = Method::kLora;
    options_.adapters = lora_targets(config, {Module::kQkv}, 2, 4);
    change(options_.adapters);
    return open_code(config, config, options_);
  };
  using Targets = std::vector<v1::LoraTarget>;
  EXPECT_EQ(with([](Targets& t) { t[0].set_tensor("blocks.2.attn.qkv.weight"); }), "model.adapter-invalid");
  EXPECT_EQ(with([](Targets& t) { t[0].set_tensor("embed.tokens"); }), "model.adapter-invalid");
  EXPECT_EQ(with([](Targets& t) { t[1] = t[0]; }), "model.adapter-invalid");
  EXPECT_EQ(with([](Targets& t) { t[0].set_row_end(49); }), "model.adapter-invalid");
  EXPECT_EQ(with([](Targets& t) { t[0].set_row_begin(48); }), "model.adapter-invalid");
  EXPECT_EQ(with([](Targets& t) { t[0].set_r(0); }), "model.adapter-invalid");
  EXPECT_EQ(with([](Targets& t) { t[0].set_alpha(0); }), "model.adapter-invalid");
  EXPECT_EQ(with([](Targets& t) { t[0].set_row_end(16); }), "");  // queries alone
}

// Adapters on q and v of the fused product: the rows between stay as they are, and names tell them apart.
TEST(Model, AdaptersOnRowsOfAFusedWeight) {
  const v1::ModelConfig config = small_config();
  const TestFolder folder;
  uint64_t seed = 0;
  const auto files = write_pack(folder.path(), config, [&](const v1::Tensor& tensor) {
    return noise(++seed, zeros(tensor).size(), 0.3f, tensor.name().ends_with("norm.weight") ? 1.0f : 0.0f);
  });
  ModelOptions options;
  options.method = Method::kLora;
  options.max_tokens = options.max_length = 8;
  for (const auto& [begin, end] : {std::pair{0, 16}, std::pair{32, 48}}) {
    v1::LoraTarget& target = options.adapters.emplace_back();
    target.set_tensor("blocks.1.attn.qkv.weight");
    target.set_row_begin(static_cast<uint64_t>(begin));
    target.set_row_end(static_cast<uint64_t>(end));
    target.set_r(2);
    target.set_alpha(4);
  }
  ThreadPool pool(1);
  const auto segments = store::Segments::open(files, store::Residency::kMapped);
  const auto model = Model::open(config, *segments, options, pool);
  EXPECT_EQ(model->parameters()[0].name, "blocks.1.attn.qkv.weight[0:16].lora_A");
  EXPECT_EQ(model->parameters()[3].name, "blocks.1.attn.qkv.weight[32:48].lora_B");
  EXPECT_EQ(model->trainable_count(), 2u * (2 * 16 + 16 * 2));
  const int32_t tokens[8] = {3, 1, 4, 1, 5, 9, 2, 6};
  const Batch batch = rows_of(1, 8, tokens, tokens);
  const double plain = model->evaluate(batch).sum;
  for (const Parameter& p : model->parameters()) {
    if (p.name.ends_with("lora_B")) {
      std::copy_n(noise(9, p.elements, 1).data(), p.elements, p.value);
    } else {
      for (size_t i = 0; i < p.elements; ++i) {
        EXPECT_LE(std::abs(p.value[i]), 0.25f);  // 1 / sqrt(16)
        EXPECT_NE(p.value[i], 0);
      }
    }
  }
  EXPECT_NE(model->evaluate(batch).sum, plain);

  // The same function with the effect merged into the rows of W.
  const auto merged = store::Segments::open(files, store::Residency::kPrivate);
  float* w = merged->pin(2).writable_f32("blocks.1.attn.qkv.weight", {48, 16});
  for (const size_t k : {0u, 1u}) {
    const float* a = model->parameters()[2 * k].value;
    const float* b = model->parameters()[2 * k + 1].value;
    for (size_t o = 0; o < 16; ++o) {
      for (size_t i = 0; i < 16; ++i) {
        w[(32 * k + o) * 16 + i] += 2 * (b[o * 2] * a[i] + b[o * 2 + 1] * a[16 + i]);
      }
    }
  }
  ModelOptions frozen;
  frozen.max_tokens = frozen.max_length = 8;
  EXPECT_NEAR(Model::open(config, *merged, frozen, pool)->evaluate(batch).sum, model->evaluate(batch).sum,
              1e-4);
  // Nothing below the lowest adapter is trained, and its gradient is still right: B's are what the loss says.
  model->zero_grad();
  model->forward_backward(batch, 1, 0, {});
  const Parameter& b = model->parameters()[3];
  for (const size_t i : {0u, 7u, 31u}) {
    const float h = 2e-2f, before = b.value[i];
    b.value[i] = before + h;
    const double up = model->evaluate(batch).sum;
    b.value[i] = before - h;
    const double down = model->evaluate(batch).sum;
    b.value[i] = before;
    EXPECT_NEAR(b.grad[i], (up - down) / (2 * h), 5e-3);
  }
}

// Two adapters behind one dropout mask, where a block below saves nothing: each value's gradient is the
// loss's slope.
TEST(Model, AdaptersOnRowsWithDropout) {
  const v1::ModelConfig config = small_config();
  const TestFolder folder;
  uint64_t seed = 0;
  const auto files = write_pack(folder.path(), config, [&](const v1::Tensor& tensor) {
    return noise(++seed, zeros(tensor).size(), 0.3f, tensor.name().ends_with("norm.weight") ? 1.0f : 0.0f);
  });
  ModelOptions options;
  options.method = Method::kLora;
  options.max_tokens = options.max_length = 8;
  options.adapter_dropout = 0.4f;
  options.adapters = lora_targets(config, {Module::kUp, Module::kUp}, 2, 4);
  options.adapters.erase(options.adapters.begin(), options.adapters.begin() + 2);  // block 1 alone
  options.adapters[0].set_row_end(20);
  options.adapters[1].set_row_begin(30);
  options.adapters.push_back(lora_targets(config, {Module::kQkv}, 3, 3)[1]);
  ThreadPool pool(1);
  const auto segments = store::Segments::open(files, store::Residency::kMapped);
  const auto model = Model::open(config, *segments, options, pool);
  const int32_t tokens[8] = {3, 1, 4, 1, 5, 9, 2, 6};
  const Batch batch = rows_of(1, 8, tokens, tokens);
  for (const Parameter& p : model->parameters())
    std::copy_n(noise(9, p.elements, 0.7f).data(), p.elements, p.value);
  const auto loss = [&] { return model->forward_backward(batch, 0, 0.1f, {1, 2, 3}).sum; };
  model->forward_backward(batch, 1, 0.1f, {1, 2, 3});
  for (const Parameter& p : model->parameters()) {
    for (const size_t i : {size_t{0}, p.elements / 2, p.elements - 1}) {
      const float h = 1e-2f, before = p.value[i];
      p.value[i] = before + h;
      const double up = loss();
      p.value[i] = before - h;
      const double down = loss();
      p.value[i] = before;
      EXPECT_NEAR(p.grad[i], (up - down) / (2 * h), 4e-3) << p.name << " " << i;
    }
  }
}

// The plan is what is taken: a training pass allocates nothing that was not announced.
TEST(Model, MemoryIsPlanned) {
  const v1::ModelConfig config = gpt2_config(50257, 768, 12, 12, 1024);
  ModelOptions options;
  options.method = Method::kLora;
  options.max_tokens = 4 * 128;
  options.max_length = 128;
  options.adapters = lora_targets(config, {Module::kQkv}, 8, 16);
  const MemoryPlan lora = plan_memory(config, options, 2);
  EXPECT_NEAR(static_cast<double>(lora.weights), 4.0 * 124439808, 2e6);
  EXPECT_EQ(lora.optimizer, 2 * lora.gradients);
  EXPECT_LT(lora.private_bytes(Method::kLora), 400u << 20);
  options.method = Method::kFull;
  options.adapters.clear();
  const MemoryPlan full = plan_memory(config, options, 2);
  EXPECT_GT(full.activations, lora.activations);
  EXPECT_EQ(full.gradients, full.weights);
  options.max_tokens = 8 * 128;
  EXPECT_NEAR(static_cast<double>(plan_memory(config, options, 2).activations),
              2 * static_cast<double>(full.activations), 1e6);
}

}  // namespace
}  // namespace mft::models
