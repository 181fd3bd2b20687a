#include "models/weights.h"

#include <array>

#include "base/error.h"

namespace mft::models {
namespace {

[[noreturn]] void fail_dtype(const store::TensorView& tensor, const char* expected) {
  throw Failure(
      "model.dtype-unsupported",
      "tensor '" + tensor.name + "' is stored as " + v1::DType_Name(tensor.dtype) + ", expected " + expected,
      "Import the model again with 32-bit weights.");
}

kernels::DType kernel_dtype(const store::TensorView& tensor) {
  switch (tensor.dtype) {
    case v1::DTYPE_F32:
      return kernels::DType::kF32;
    case v1::DTYPE_BF16:
      return kernels::DType::kBF16;
    case v1::DTYPE_F16:
      return kernels::DType::kF16;
    case v1::DTYPE_I8_BLOCK32:
      return kernels::DType::kI8Block32;
    case v1::DTYPE_I4_BLOCK32:
      return kernels::DType::kI4Block32;
    default:
      fail_dtype(tensor, "F32, BF16, F16, I8_BLOCK32 or I4_BLOCK32");
  }
}

}  // namespace

const float* Tensors::vector(const std::string& name, i64 size) const {
  return values.f32(name, {static_cast<uint64_t>(size)});
}

kernels::Weights Tensors::matrix(const std::string& name, i64 rows, i64 columns) const {
  const std::array<uint64_t, 2> shape = {static_cast<uint64_t>(rows), static_cast<uint64_t>(columns)};
  const store::TensorView& tensor = values.tensor(name, shape);
  return {tensor.data, kernel_dtype(tensor), columns};
}

float* Tensors::gradient(const std::string& name, std::initializer_list<i64> shape) const {
  if (gradients == nullptr) return nullptr;
  const std::vector<uint64_t> sizes(shape.begin(), shape.end());
  return gradients->writable_f32(name, sizes);
}

namespace {

nn::Linear bind_linear(const v1::ModelConfig& config, uint32_t layer, Module module, const Tensors& tensors,
                       const Adapters& adapters) {
  const ModuleSize size = module_size(config, module);
  const std::string weight = module_tensor(layer, module, "weight");
  nn::Linear linear;
  linear.in = size.in;
  linear.out = size.out;
  linear.weight = tensors.matrix(weight, size.out, size.in);
  linear.d_weight = tensors.gradient(weight, {size.out, size.in});
  if (size.bias) {
    const std::string bias = module_tensor(layer, module, "bias");
    linear.bias = tensors.vector(bias, size.out);
    linear.d_bias = tensors.gradient(bias, {size.out});
  }
  linear.adapters = adapters.of(layer, module);
  return linear;
}

}  // namespace

nn::Norm bind_norm(const v1::ModelConfig& config, const std::string& name, i64 channels,
                   const Tensors& tensors) {
  const Sizes sizes(config);
  nn::Norm norm;
  norm.kind = sizes.norm;
  norm.eps = sizes.norm_eps;
  norm.channels = channels;
  norm.weight = tensors.vector(name + ".weight", channels);
  norm.d_weight = tensors.gradient(name + ".weight", {channels});
  if (norm.kind == nn::NormKind::kLayer) {
    norm.bias = tensors.vector(name + ".bias", channels);
    norm.d_bias = tensors.gradient(name + ".bias", {channels});
  }
  return norm;
}

Block bind_block(const v1::ModelConfig& config, uint32_t layer, const Tensors& tensors,
                 const Adapters& adapters, const RopeTables& rope) {
  const Sizes sizes(config);
  const auto norm = [&](const char* name, i64 channels) {
    return bind_norm(config, block_tensor(layer, name), channels, tensors);
  };
  const bool sliding = slides(config, layer);
  Block block;
  block.attn_norm = norm("attn_norm", sizes.hidden);
  block.qkv = bind_linear(config, layer, Module::kQkv, tensors, adapters);
  if (sizes.qk_norm) {
    block.query_key.q_norm = norm("attn.q_norm", sizes.attention.head_dim);
    block.query_key.k_norm = norm("attn.k_norm", sizes.attention.head_dim);
  }
  block.query_key.angles = sliding ? rope.sliding : rope.full;
  block.query_key.positions = rope.positions;
  block.attention = sizes.attention;
  block.attention.window = sliding ? config.sliding_window() : 0;
  block.out = bind_linear(config, layer, Module::kOut, tensors, adapters);
  if (sizes.post_norms) block.attn_post_norm = norm("attn_post_norm", sizes.hidden);
  block.mlp_norm = norm("mlp_norm", sizes.hidden);
  block.up = bind_linear(config, layer, Module::kUp, tensors, adapters);
  block.activation = sizes.mlp;
  block.down = bind_linear(config, layer, Module::kDown, tensors, adapters);
  if (sizes.post_norms) block.mlp_post_norm = norm("mlp_post_norm", sizes.hidden);
  return block;
}

nn::Embedding bind_embedding(const v1::ModelConfig& config, const Tensors& tensors) {
  const Sizes sizes(config);
  nn::Embedding embedding;
  embedding.channels = sizes.hidden;
  embedding.vocab = sizes.vocab;
  if (config.embed_scale() != 0) embedding.scale = config.embed_scale();
  embedding.token_table = tensors.matrix("embed.tokens", sizes.vocab, sizes.hidden);
  embedding.d_tokens = tensors.gradient("embed.tokens", {sizes.vocab, sizes.hidden});
  if (config.position() == v1::POSITION_LEARNED) {
    embedding.positions = sizes.positions;
    embedding.position_table = tensors.matrix("embed.positions", sizes.positions, sizes.hidden);
    embedding.d_positions = tensors.gradient("embed.positions", {sizes.positions, sizes.hidden});
  }
  return embedding;
}

nn::Head bind_head(const v1::ModelConfig& config, const std::string& name, const Tensors& tensors) {
  const Sizes sizes(config);
  nn::Head head;
  head.channels = sizes.hidden;
  head.vocab = sizes.vocab;
  head.softcap = config.logit_softcap();
  head.weight = tensors.matrix(name, sizes.vocab, sizes.hidden);
  head.d_weight = tensors.gradient(name, {sizes.vocab, sizes.hidden});
  return head;
}

void check_segments(const v1::ModelConfig& config, store::Segments& segments, bool all_f32) {
  const std::vector<v1::Segment> expected = expected_segments(config);
  for (size_t i = 0; i < expected.size(); ++i) {
    if (i >= segments.count() || segments.description(i).name() != expected[i].name()) {
      throw Failure("model.segment-missing",
                    "the model has no segment '" + expected[i].name() + "' in place " + std::to_string(i),
                    "The model pack does not fit its configuration: import the model again.");
    }
    const store::Pin pin = segments.pin(i);
    for (const v1::Tensor& tensor : expected[i].tensors()) {
      const std::vector<uint64_t> shape(tensor.shape().begin(), tensor.shape().end());
      const store::TensorView& found = pin.tensor(tensor.name(), shape);
      if ((all_f32 || shape.size() == 1) && found.dtype != v1::DTYPE_F32) fail_dtype(found, "F32");
      kernel_dtype(found);
    }
    if (pin.tensors().size() == static_cast<size_t>(expected[i].tensors_size())) continue;
    for (const store::TensorView& found : pin.tensors()) {
      bool known = false;
      for (const v1::Tensor& tensor : expected[i].tensors()) known = known || tensor.name() == found.name;
      if (known) continue;
      throw Failure("model.tensor-unknown",
                    "segment '" + expected[i].name() + "' has a tensor '" + found.name +
                        "' that the configuration does not speak of",
                    "The model pack does not fit its configuration: import the model again.");
    }
  }
  if (segments.count() > expected.size()) {
    throw Failure("model.segment-unknown",
                  "the model has " + std::to_string(segments.count()) +
                      " segments, its configuration asks for " + std::to_string(expected.size()),
                  "The model pack does not fit its configuration: import the model again.");
  }
}

}  // namespace mft::models
