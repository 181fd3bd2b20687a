// Configurations that no fixture covers yet (RMS norms, grouped queries, gated MLPs, an untied head, no
// biases, heads that do not add up to the hidden size): logits against a plain forward pass in double,
// gradients against finite differences.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "models/test_model.h"

namespace mft::models {
namespace {

using Matrix = std::vector<std::vector<double>>;

// The definition of the decoder, one number after the other.
class PlainDecoder {
 public:
  PlainDecoder(const v1::ModelConfig& config, std::map<std::string, std::vector<float>> tensors)
      : config_(config), tensors_(std::move(tensors)) {}

  Matrix logits(const std::vector<int32_t>& tokens) const {
    Matrix x;
    for (size_t t = 0; t < tokens.size(); ++t) {
      std::vector<double>& row = x.emplace_back();
      for (size_t c = 0; c < config_.hidden_size(); ++c) {
        row.push_back(at("embed.tokens", static_cast<size_t>(tokens[t]) * config_.hidden_size() + c) +
                      at("embed.positions", t * config_.hidden_size() + c));
      }
    }
    for (uint32_t layer = 0; layer < config_.num_layers(); ++layer) {
      const std::string block = "blocks." + std::to_string(layer) + ".";
      add(x, linear(attend(linear(norm(x, block + "attn_norm"), block + "attn.qkv")), block + "attn.out"));
      add(x, linear(activate(linear(norm(x, block + "mlp_norm"), block + "mlp.up")), block + "mlp.down"));
    }
    return product(norm(x, "final_norm"), config_.tied_embeddings() ? "embed.tokens" : "lm_head.weight");
  }

 private:
  double at(const std::string& name, size_t i) const { return tensors_.at(name)[i]; }
  static void add(Matrix& x, const Matrix& y) {
    for (size_t t = 0; t < x.size(); ++t) {
      for (size_t c = 0; c < x[t].size(); ++c) x[t][c] += y[t][c];
    }
  }
  Matrix product(const Matrix& x, const std::string& weight) const {
    Matrix y;
    const std::vector<float>& w = tensors_.at(weight);
    for (const auto& row : x) {
      std::vector<double>& out = y.emplace_back(w.size() / row.size());
      for (size_t o = 0; o < out.size(); ++o) {
        for (size_t i = 0; i < row.size(); ++i) out[o] += row[i] * w[o * row.size() + i];
      }
    }
    return y;
  }
  Matrix linear(const Matrix& x, const std::string& name) const {
    Matrix y = product(x, name + ".weight");
    if (!tensors_.contains(name + ".bias")) return y;
    for (auto& row : y) {
      for (size_t o = 0; o < row.size(); ++o) row[o] += at(name + ".bias", o);
    }
    return y;
  }
  Matrix norm(const Matrix& x, const std::string& name) const {
    Matrix y = x;
    const double n = static_cast<double>(x[0].size());
    for (auto& row : y) {
      double mean = 0, square = 0;
      if (config_.norm() == v1::NORM_LAYER) {
        for (const double v : row) mean += v / n;
      }
      for (const double v : row) square += (v - mean) * (v - mean) / n;
      for (size_t c = 0; c < row.size(); ++c) {
        const double weight = at(name + ".weight", c) + (config_.norm() == v1::NORM_RMS_PLUS_ONE ? 1 : 0);
        row[c] = (row[c] - mean) / std::sqrt(square + double{config_.norm_eps()}) * weight;
        if (config_.norm() == v1::NORM_LAYER) row[c] += at(name + ".bias", c);
      }
    }
    return y;
  }
  Matrix attend(const Matrix& qkv) const {
    const size_t D = config_.head_dim(), H = config_.num_heads(), Hkv = config_.num_kv_heads();
    Matrix y(qkv.size(), std::vector<double>(H * D));
    for (size_t h = 0; h < H; ++h) {
      const size_t k = (H + h / (H / Hkv)) * D, v = k + Hkv * D;
      for (size_t t = 0; t < qkv.size(); ++t) {
        std::vector<double> weights;
        double sum = 0;
        for (size_t j = 0; j <= t; ++j) {
          double score = 0;
          for (size_t d = 0; d < D; ++d) score += qkv[t][h * D + d] * qkv[j][k + d];
          sum += weights.emplace_back(std::exp(score / std::sqrt(static_cast<double>(D))));
        }
        for (size_t j = 0; j <= t; ++j) {
          for (size_t d = 0; d < D; ++d) y[t][h * D + d] += weights[j] / sum * qkv[j][v + d];
        }
      }
    }
    return y;
  }
  double activation(double x) const {
    if (config_.activation() == v1::ACTIVATION_SILU) return x / (1 + std::exp(-x));
    return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
  }
  Matrix activate(const Matrix& up) const {
    Matrix y;
    const size_t F = config_.intermediate_size();
    for (const auto& row : up) {
      std::vector<double>& out = y.emplace_back();
      for (size_t f = 0; f < F; ++f)
        out.push_back(activation(row[f]) * (config_.gated_mlp() ? row[F + f] : 1));
    }
    return y;
  }

  v1::ModelConfig config_;
  std::map<std::string, std::vector<float>> tensors_;
};

std::map<std::string, v1::ModelConfig> configurations() {
  std::map<std::string, v1::ModelConfig> all;
  v1::ModelConfig config = gpt2_config(61, 20, 4, 2, 16);
  all["gpt2"] = config;
  config.set_num_kv_heads(2);
  config.set_head_dim(7);  // 4 * 7 is not 20
  config.set_norm(v1::NORM_RMS);
  config.set_activation(v1::ACTIVATION_SILU);
  config.set_gated_mlp(true);
  config.set_intermediate_size(33);
  config.set_attention_out_bias(false);
  config.set_mlp_bias(false);
  config.set_tied_embeddings(false);
  all["gated, grouped, untied"] = config;
  config.set_norm(v1::NORM_RMS_PLUS_ONE);
  config.set_activation(v1::ACTIVATION_GELU_TANH);
  config.set_num_kv_heads(1);
  config.set_qkv_bias(false);
  config.set_tied_embeddings(true);
  all["plus one, one key head, tied"] = config;
  return all;
}

struct Opened {
  TestFolder folder;
  std::map<std::string, std::vector<float>> tensors;
  std::unique_ptr<store::Segments> segments;
  std::unique_ptr<Model> model;
};

void open(const v1::ModelConfig& config, Method method, ThreadPool& pool, Opened* opened) {
  uint64_t seed = 0;
  const auto files = write_pack(opened->folder.path(), config, [&](const v1::Tensor& tensor) {
    uint64_t count = 1;
    for (const uint64_t size : tensor.shape()) count *= size;
    const bool norm = tensor.name().ends_with("norm.weight") && config.norm() != v1::NORM_RMS_PLUS_ONE;
    return opened->tensors[tensor.name()] = noise(++seed, count, 0.4f, norm ? 1.0f : 0.0f);
  });
  ModelOptions options;
  options.method = method;
  options.max_rows = 1;
  options.max_length = 11;
  if (method == Method::kLora) {
    options.adapters = lora_targets(config, {Module::kOut, Module::kUp, Module::kDown}, 2, 4);
  }
  opened->segments = store::Segments::open(files, store::Residency::kPrivate);
  opened->model = Model::open(config, *opened->segments, options, pool);
}

const std::vector<int32_t> kTokens = {5, 60, 0, 17, 33, 2, 17, 44, 9, 58, 1};
const Batch kBatch{1, 11, kTokens.data(), kTokens.data()};

TEST(Reference, LogitsOfEveryKindOfConfiguration) {
  ThreadPool pool(2);
  for (const auto& [name, config] : configurations()) {
    SCOPED_TRACE(name);
    Opened opened;
    open(config, Method::kFrozen, pool, &opened);
    std::vector<float> logits(11 * 61);
    opened.model->logits(kBatch, logits.data());
    const Matrix expected = PlainDecoder(config, opened.tensors).logits(kTokens);
    for (size_t i = 0; i < logits.size(); ++i) ASSERT_NEAR(logits[i], expected[i / 61][i % 61], 1e-4) << i;
    opened.model->begin_generation(11);
    std::span<const float> next = opened.model->prefill({kTokens.data(), 4});
    for (size_t t = 4; t < 11; ++t) next = opened.model->next(kTokens[t]);
    for (size_t v = 0; v < 61; ++v) ASSERT_NEAR(next[v], expected[10][v], 1e-4) << v;
  }
}

TEST(Reference, GradientsOfEveryKindOfConfiguration) {
  ThreadPool pool(2);
  for (const auto& [name, config] : configurations()) {
    for (const Method method : {Method::kFull, Method::kLora}) {
      Opened opened;
      open(config, method, pool, &opened);
      Model& model = *opened.model;
      if (method == Method::kLora) {
        for (const Parameter& p : model.parameters()) {
          std::copy_n(noise(3, p.elements, 0.3f).data(), p.elements, p.value);
        }
      }
      model.forward_backward(kBatch, 1, 0, {});
      model.finish_gradients();
      // One direction a tensor: the slope along its own gradient is the gradient's norm.
      for (const Parameter& p : model.parameters()) {
        SCOPED_TRACE(name + ": " + p.name);
        double squares = 0;
        for (size_t i = 0; i < p.elements; ++i) squares += double{p.grad[i]} * p.grad[i];
        const double norm = std::sqrt(squares), h = 4e-3;
        ASSERT_GT(norm, 0.05);  // else the slope tells nothing
        const std::vector<float> before(p.value, p.value + p.elements);
        const auto loss = [&](double by) {
          for (size_t i = 0; i < p.elements; ++i) {
            p.value[i] = before[i] + static_cast<float>(by * double{p.grad[i]} / norm);
          }
          return model.evaluate(kBatch).sum;
        };
        const double slope = (loss(h) - loss(-h)) / (2 * h);
        loss(0);
        EXPECT_NEAR(slope, norm, 3e-3 * norm + 2e-3);
      }
    }
  }
}

}  // namespace
}  // namespace mft::models
