// Against transformers and peft: logits, loss and every gradient of small odd models of every family
// (test/fixtures/FAMILY, by scripts/oracle/oracle.py).
#include <gtest/gtest.h>

#include <cmath>

#include "models/fixture_model.h"

namespace mft::models {
namespace {

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

struct Slice {
  const char* what;
  size_t begin = 0;  // rows
  size_t end = 0;
};

// The rows of a canonical tensor that are a tensor of its own in Hugging Face: a broken one must not hide
// behind the norm of the others. GPT-2 fuses q, k and v itself.
std::vector<Slice> slices_of(const v1::ModelConfig& config, const std::string& name, size_t rows) {
  const size_t q = config.num_heads() * config.head_dim(), kv = config.num_kv_heads() * config.head_dim();
  const size_t inner = config.intermediate_size();
  const bool whole = config.family() != "gpt2" && name.find("lora_") == std::string::npos;
  if (whole && name.find(".attn.qkv.") != std::string::npos) {
    return {{"q", 0, q}, {"k", q, q + kv}, {"v", q + kv, rows}};
  }
  if (whole && name.find(".mlp.up.") != std::string::npos) return {{"gate", 0, inner}, {"up", inner, rows}};
  return {{"all", 0, rows}};
}

// Each gradient's error is at most 1e-4 of max(its own norm, 1e-6 of the norm of all).
void expect_gradient(const v1::ModelConfig& config, const Parameter& parameter, const FixtureTensor& expected,
                     double all) {
  ASSERT_EQ(expected.shape, parameter.shape) << parameter.name;
  const size_t rows = parameter.shape[0], width = parameter.elements / rows;
  for (const Slice& slice : slices_of(config, parameter.name, rows)) {
    const size_t begin = slice.begin * width, count = (slice.end - slice.begin) * width;
    std::vector<float> error(count);
    for (size_t i = 0; i < count; ++i) error[i] = parameter.grad[begin + i] - expected.floats[begin + i];
    const double own = norm_of(expected.floats.data() + begin, count);
    EXPECT_LE(norm_of(error.data(), count), 1e-4 * std::max(own, 1e-6 * all))
        << parameter.name << " " << slice.what << ", norm " << own << " of " << all;
  }
}

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
    expect_gradient(fixture.config, parameter, found->second, all);
  }
}

class Oracle : public testing::TestWithParam<std::string> {};

TEST_P(Oracle, FullFineTuning) {
  const FixtureModel fixture(GetParam());
  const auto opened = fixture.open(Method::kFull);
  expect_logits(fixture, *opened.model, fixture.fixture["full/logits"].floats);
  expect_gradients(fixture, *opened.model, "full");
}

TEST_P(Oracle, Lora) {
  const FixtureModel fixture(GetParam());
  ASSERT_FALSE(fixture.lora_sets().empty());
  for (const std::string& lora : fixture.lora_sets()) {
    SCOPED_TRACE(lora);
    const auto opened = fixture.open(Method::kLora, lora);
    expect_logits(fixture, *opened.model, fixture.fixture["lora_" + lora + "/logits"].floats);
    expect_gradients(fixture, *opened.model, "lora_" + lora);
  }
}

TEST_P(Oracle, FrozenModelsAgree) {
  const FixtureModel fixture(GetParam());
  const auto frozen = fixture.open(Method::kFrozen);
  expect_logits(fixture, *frozen.model, fixture.fixture["full/logits"].floats);
  const std::string lora = fixture.lora_sets().front();
  const auto adapted = fixture.open(Method::kFrozen, lora);
  expect_logits(fixture, *adapted.model, fixture.fixture["lora_" + lora + "/logits"].floats);
  // The memory of a frozen pass is shared between blocks; that must not show.
  const auto training = fixture.open(Method::kLora, lora);
  EXPECT_EQ(adapted.model->evaluate(fixture.batch()).sum, training.model->evaluate(fixture.batch()).sum);
  EXPECT_EQ(adapted.model->evaluate(fixture.batch()).sum,
            training.model->forward_backward(fixture.batch(), 1, 0, {}).sum);
}

// Prompt at once, then token by token with the cache of keys and values, beyond the sliding window.
TEST_P(Oracle, GenerationGivesTheSameLogits) {
  const FixtureModel fixture(GetParam());
  const auto opened = fixture.open(Method::kFrozen);
  const std::vector<float>& expected = fixture.fixture["full/logits"].floats;
  const std::vector<int32_t>& tokens = fixture.fixture["tokens"].ints;
  const size_t vocab = fixture.config.vocab_size(), prompt = (fixture.length + 2) / 3;
  opened.model->begin_generation(fixture.length);
  for (size_t at = prompt; at <= fixture.length; ++at) {
    const auto logits = at == prompt ? opened.model->prefill(std::span(tokens).first(prompt))
                                     : opened.model->next(tokens[at - 1]);
    ASSERT_EQ(logits.size(), vocab);
    for (size_t v = 0; v < vocab; ++v) ASSERT_NEAR(logits[v], expected[(at - 1) * vocab + v], 1e-4) << at;
  }
  opened.model->end_generation();
}

std::string test_name(const testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '/', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Gpt2, Oracle, testing::ValuesIn(fixtures_of("gpt2")), test_name);
INSTANTIATE_TEST_SUITE_P(Qwen2, Oracle, testing::ValuesIn(fixtures_of("qwen2")), test_name);
INSTANTIATE_TEST_SUITE_P(Qwen3, Oracle, testing::ValuesIn(fixtures_of("qwen3")), test_name);
INSTANTIATE_TEST_SUITE_P(Llama, Oracle, testing::ValuesIn(fixtures_of("llama")), test_name);
INSTANTIATE_TEST_SUITE_P(Gemma3, Oracle, testing::ValuesIn(fixtures_of("gemma3")), test_name);

// A folder that lost its fixtures would pass everything above.
TEST(OracleFixtures, AreAllThere) {
  for (const char* family : kFamilies) EXPECT_GE(fixtures_of(family).size(), 4u) << family;
}

// A broken slice of the fused qkv would hide behind the norm of the whole.
TEST(OracleFixtures, QueriesKeysAndValuesGetGradients) {
  for (const char* name : {"gpt2/heads3", "gpt2/heads5", "gpt2/heads4"}) {
    const FixtureModel fixture(name);
    const auto opened = fixture.open(Method::kLora, "attn");
    opened.model->forward_backward(fixture.batch(), 1, 0, {});
    const size_t slice = fixture.config.hidden_size() * fixture.targets("attn")[0].r();
    for (const Parameter& parameter : opened.model->parameters()) {
      if (!parameter.name.ends_with("qkv.weight.lora_B")) continue;
      ASSERT_EQ(parameter.elements, 3 * slice);
      for (size_t part = 0; part < 3; ++part) {
        EXPECT_GT(norm_of(parameter.grad + part * slice, slice), 1e-4) << parameter.name << " part " << part;
      }
    }
  }
}

}  // namespace
}  // namespace mft::models
