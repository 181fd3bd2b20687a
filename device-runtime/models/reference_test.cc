// Every feature of the decoder against its definition: logits against a plain forward pass in double, the
// gradient of every tensor against finite differences, generation against the full pass.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "models/test_families.h"

namespace mft::models {
namespace {

using Matrix = std::vector<std::vector<double>>;

// The definition of the decoder, one number after the other.
class PlainDecoder {
 public:
  PlainDecoder(const v1::ModelConfig& config, std::map<std::string, std::vector<float>> tensors,
               kernels::Compute compute = kernels::Compute::kF32)
      : config_(config), tensors_(std::move(tensors)), compute_(compute) {}

  Matrix logits(const std::vector<int32_t>& tokens) const {
    Matrix x;
    for (size_t t = 0; t < tokens.size(); ++t) {
      std::vector<double>& row = x.emplace_back();
      for (size_t c = 0; c < config_.hidden_size(); ++c) {
        row.push_back(at("embed.tokens", static_cast<size_t>(tokens[t]) * config_.hidden_size() + c) *
                      (config_.embed_scale() != 0 ? double{config_.embed_scale()} : 1));
        if (config_.position() == v1::POSITION_LEARNED) {
          row.back() += at("embed.positions", t * config_.hidden_size() + c);
        }
      }
    }
    for (uint32_t layer = 0; layer < config_.num_layers(); ++layer) {
      const std::string block = "blocks." + std::to_string(layer) + ".";
      const Matrix qkv = linear(norm(x, block + "attn_norm"), block + "attn.qkv");
      add(x, post(linear(attend(scored(qkv, layer), layer), block + "attn.out"), block + "attn_post_norm"));
      const Matrix up = linear(norm(x, block + "mlp_norm"), block + "mlp.up");
      add(x, post(linear(activate(up), block + "mlp.down"), block + "mlp_post_norm"));
    }
    Matrix y = product(norm(x, "final_norm"), config_.tied_embeddings() ? "embed.tokens" : "lm_head.weight");
    for (auto& row : y) {
      for (double& logit : row) logit = cap(logit, config_.logit_softcap());
    }
    return y;
  }

 private:
  double at(const std::string& name, size_t i) const { return tensors_.at(name)[i]; }
  static void add(Matrix& x, const Matrix& y) {
    for (size_t t = 0; t < x.size(); ++t) {
      for (size_t c = 0; c < x[t].size(); ++c) x[t][c] += y[t][c];
    }
  }
  // As the operands of products are rounded: bf16 has 8 bits, and ties go to even.
  double operand(double x) const {
    if (compute_ == kernels::Compute::kF32 || x == 0) return x;
    int exponent = 0;
    const double fraction = std::frexp(x, &exponent);
    return std::ldexp(std::nearbyint(std::ldexp(fraction, 8)), exponent - 8);
  }
  Matrix product(const Matrix& x, const std::string& weight) const {
    Matrix y;
    const std::vector<float>& w = tensors_.at(weight);
    for (const auto& row : x) {
      std::vector<double>& out = y.emplace_back(w.size() / row.size());
      for (size_t o = 0; o < out.size(); ++o) {
        for (size_t i = 0; i < row.size(); ++i) out[o] += operand(row[i]) * operand(w[o * row.size() + i]);
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
  Matrix post(const Matrix& x, const std::string& name) const {
    return config_.post_norms() ? norm(x, name) : x;
  }
  static double cap(double x, float limit) {
    return limit > 0 ? double{limit} * std::tanh(x / double{limit}) : x;
  }
  bool slides(uint32_t layer) const {
    return config_.sliding_layers_size() > 0 && config_.sliding_layers(static_cast<int>(layer));
  }

  // Radians a position of pair i.
  double frequency(size_t i, uint32_t layer) const {
    const bool local = slides(layer) && config_.rope_local_theta() > 0;
    const double base = double{local ? config_.rope_local_theta() : config_.rope_theta()};
    const double plain = std::pow(base, -2.0 * static_cast<double>(i) / config_.head_dim());
    const v1::RopeScaling& s = config_.rope_scaling();
    if (local || s.kind() == v1::ROPE_SCALING_NONE) return plain;
    if (s.kind() == v1::ROPE_SCALING_LINEAR) return plain / double{s.factor()};
    const double wavelength = 2 * M_PI / plain, original = s.original_max_positions();
    if (wavelength > original / double{s.low_freq_factor()}) return plain / double{s.factor()};
    if (wavelength < original / double{s.high_freq_factor()}) return plain;
    const double smooth = (original / wavelength - double{s.low_freq_factor()}) /
                          double{s.high_freq_factor() - s.low_freq_factor()};
    return (1 - smooth) * plain / double{s.factor()} + smooth * plain;
  }

  // q and k of each head normed and turned.
  Matrix scored(Matrix qkv, uint32_t layer) const {
    const size_t D = config_.head_dim(), H = config_.num_heads();
    for (size_t t = 0; t < qkv.size(); ++t) {
      for (size_t h = 0; h < H + config_.num_kv_heads(); ++h) {
        std::vector<double> x(qkv[t].begin() + static_cast<ptrdiff_t>(h * D),
                              qkv[t].begin() + static_cast<ptrdiff_t>((h + 1) * D));
        if (config_.qk_norm()) {
          const std::string which = h < H ? "attn.q_norm" : "attn.k_norm";
          x = norm({x}, "blocks." + std::to_string(layer) + "." + which)[0];
        }
        for (size_t i = 0; i < D; ++i) {
          double& y = qkv[t][h * D + i];
          y = x[i];
          if (config_.position() != v1::POSITION_ROPE) continue;
          const double angle = static_cast<double>(t) * frequency(i % (D / 2), layer);
          const double other = i < D / 2 ? -x[i + D / 2] : x[i - D / 2];
          y = x[i] * std::cos(angle) + other * std::sin(angle);
        }
      }
    }
    return qkv;
  }

  Matrix attend(const Matrix& qkv, uint32_t layer) const {
    const size_t D = config_.head_dim(), H = config_.num_heads(), Hkv = config_.num_kv_heads();
    const double scale = config_.attention_scale() > 0 ? double{config_.attention_scale()}
                                                       : 1 / std::sqrt(static_cast<double>(D));
    const size_t window = slides(layer) ? config_.sliding_window() : qkv.size();
    Matrix y(qkv.size(), std::vector<double>(H * D));
    for (size_t h = 0; h < H; ++h) {
      const size_t k = (H + h / (H / Hkv)) * D, v = k + Hkv * D;
      for (size_t t = 0; t < qkv.size(); ++t) {
        std::vector<double> weights(qkv.size());
        double sum = 0;
        for (size_t j = t >= window ? t - window + 1 : 0; j <= t; ++j) {
          double score = 0;
          for (size_t d = 0; d < D; ++d) score += qkv[t][h * D + d] * qkv[j][k + d];
          sum += weights[j] = std::exp(cap(score * scale, config_.attention_softcap()));
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
  kernels::Compute compute_;
};

struct Opened {
  TestFolder folder;
  std::map<std::string, std::vector<float>> tensors;
  std::unique_ptr<store::Segments> segments;
  std::unique_ptr<Model> model;
};

void open(const v1::ModelConfig& config, Method method, ThreadPool& pool, Opened* opened,
          uint32_t max_length = 11, kernels::Compute compute = kernels::Compute::kF32) {
  uint64_t seed = 0;
  const auto files = write_pack(opened->folder.path(), config, [&](const v1::Tensor& tensor) {
    return opened->tensors[tensor.name()] = family_values(config, tensor, ++seed);
  });
  ModelOptions options;
  options.method = method;
  options.max_tokens = max_length;
  options.max_length = max_length;
  options.compute = compute;
  if (method == Method::kLora) {
    options.adapters = lora_targets(config, {Module::kOut, Module::kUp, Module::kDown}, 2, 4);
  }
  opened->segments = store::Segments::open(files, store::Residency::kPrivate);
  opened->model = Model::open(config, *opened->segments, options, pool);
}

const std::vector<int32_t> kTokens = {5, 60, 0, 17, 33, 2, 17, 44, 9, 58, 1};
const Batch kBatch = rows_of(1, 11, kTokens.data(), kTokens.data());

TEST(Reference, LogitsOfEveryKindOfConfiguration) {
  ThreadPool pool(2);
  for (const auto& [name, config] : family_configs()) {
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
    // Planned for rows of 4: a longer prompt, and positions beyond what training would need.
    Opened narrow;
    open(config, Method::kFrozen, pool, &narrow, 4);
    narrow.model->begin_generation(11);
    next = narrow.model->prefill({kTokens.data(), 7});
    for (size_t v = 0; v < 61; ++v) ASSERT_NEAR(next[v], expected[6][v], 1e-4) << v;
    for (size_t t = 7; t < 11; ++t) next = narrow.model->next(kTokens[t]);
    for (size_t v = 0; v < 61; ++v) ASSERT_NEAR(next[v], expected[10][v], 1e-4) << v;
  }
}

TEST(Reference, GradientsOfEveryKindOfConfiguration) {
  ThreadPool pool(2);
  for (const auto& [name, config] : family_configs()) {
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
        const double slope = (8 * (loss(h) - loss(-h)) - (loss(2 * h) - loss(-2 * h))) / (12 * h);
        loss(0);
        EXPECT_NEAR(slope, norm, 3e-3 * norm + 2e-3);
      }
    }
  }
}

// compute: bf16 rounds the operands of every product of a linear layer and of the head, and of nothing else:
// what it gives is far nearer to a plain decoder that rounds there than that is to one that rounds nowhere.
// The rest is a rounding here and there that falls to the other side.
TEST(Reference, Bf16RoundsTheOperandsOfProducts) {
  ThreadPool pool(2);
  for (const auto& [name, config] : family_configs()) {
    SCOPED_TRACE(name);
    Opened opened;
    open(config, Method::kFrozen, pool, &opened, 11, kernels::Compute::kBF16);
    std::vector<float> logits(11 * 61);
    opened.model->logits(kBatch, logits.data());
    const Matrix exact = PlainDecoder(config, opened.tensors).logits(kTokens);
    const Matrix rounded = PlainDecoder(config, opened.tensors, kernels::Compute::kBF16).logits(kTokens);
    double error = 0, effect = 0;
    for (size_t i = 0; i < logits.size(); ++i) {
      error += std::pow(double{logits[i]} - rounded[i / 61][i % 61], 2);
      effect += std::pow(exact[i / 61][i % 61] - rounded[i / 61][i % 61], 2);
    }
    EXPECT_LT(std::sqrt(error), 0.25 * std::sqrt(effect));
  }
}

// Training with it: each gradient is near the exact one, and not the same.
TEST(Reference, Bf16GradientsAreNear) {
  ThreadPool pool(2);
  for (const auto& [name, config] : family_configs()) {
    for (const Method method : {Method::kFull, Method::kLora}) {
      std::vector<std::vector<float>> gradients[2];
      for (const kernels::Compute compute : {kernels::Compute::kF32, kernels::Compute::kBF16}) {
        Opened opened;
        open(config, method, pool, &opened, 11, compute);
        for (const Parameter& p : opened.model->parameters()) {
          if (method == Method::kLora) std::copy_n(noise(3, p.elements, 0.3f).data(), p.elements, p.value);
        }
        opened.model->forward_backward(kBatch, 1, 0, {});
        opened.model->finish_gradients();
        for (const Parameter& p : opened.model->parameters()) {
          gradients[static_cast<size_t>(compute)].emplace_back(p.grad, p.grad + p.elements);
        }
      }
      for (size_t p = 0; p < gradients[0].size(); ++p) {
        double error = 0, size = 0;
        for (size_t i = 0; i < gradients[0][p].size(); ++i) {
          error += std::pow(double{gradients[0][p][i]} - double{gradients[1][p][i]}, 2);
          size += std::pow(double{gradients[0][p][i]}, 2);
        }
        EXPECT_GT(error, 0) << name << " " << p;
        EXPECT_LT(std::sqrt(error), 0.1 * std::sqrt(size)) << name << " " << p;
      }
    }
  }
}

}  // namespace
}  // namespace mft::models
