#include "models/adapters.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "base/error.h"
#include "kernels/dropout.h"
#include "kernels/elementwise.h"
#include "store/layout.h"

namespace mft::models {
namespace {

constexpr uint32_t kMaxRank = 4096;
constexpr uint32_t kInitialSite = 255;  // of the random bits of A's initial values

[[noreturn]] void invalid(const v1::LoraTarget& target, const std::string& what) {
  throw Failure("model.adapter-invalid",
                "LoRA target '" + target.tensor() + "' (" + target.module() + "): " + what,
                "Choose the linear layers of the model: see `mft model inspect`.");
}

// Uniform in (-bound, bound), bound = 1 / sqrt(in): what kaiming_uniform with a = sqrt 5 comes to.
void initialise(float* a, i64 elements, i64 in, uint64_t seed, uint32_t index) {
  const float bound = static_cast<float>(1 / __builtin_sqrt(static_cast<double>(in)));
  const kernels::DropoutSite site{.seed = seed, .layer = index, .site = kInitialSite};
  uint32_t words[4];
  for (i64 i = 0; i < elements; ++i) {
    if (i % 4 == 0) kernels::philox(site, static_cast<uint64_t>(i / 4), words);
    const float unit =
        (static_cast<float>(words[i % 4] >> 8) + 0.5f) * 0x1p-24f;  // 24 bits, exact, never 0 or 1
    a[i] = (2 * unit - 1) * bound;
  }
}

}  // namespace

std::string adapter_name(const v1::LoraTarget& target, uint64_t weight_rows) {
  if (target.row_begin() == 0 && target.row_end() == weight_rows) return target.tensor();
  return target.tensor() + "[" + std::to_string(target.row_begin()) + ":" + std::to_string(target.row_end()) +
         "]";
}

Adapters::Adapters(const v1::ModelConfig& config, std::span<const v1::LoraTarget> targets)
    : by_linear_(config.num_layers() * kModules) {
  layout_.set_name("adapter");
  for (const v1::LoraTarget& target : targets) add(config, target);
  if (!items_.empty()) store::lay_out(&layout_);
  rebuild();
}

void Adapters::add(const v1::ModelConfig& config, const v1::LoraTarget& target) {
  uint32_t linear = 0;
  const uint32_t linears = config.num_layers() * kModules;
  while (linear < linears && module_tensor(linear / kModules, static_cast<Module>(linear % kModules),
                                           "weight") != target.tensor()) {
    ++linear;
  }
  if (linear == linears) invalid(target, "the model has no linear layer of this name");
  const ModuleSize size = module_size(config, static_cast<Module>(linear % kModules));
  if (target.row_begin() >= target.row_end() || target.row_end() > static_cast<uint64_t>(size.out)) {
    invalid(target, "rows " + std::to_string(target.row_begin()) + " to " + std::to_string(target.row_end()) +
                        " of " + std::to_string(size.out));
  }
  if (target.r() < 1 || target.r() > kMaxRank) invalid(target, "rank " + std::to_string(target.r()));
  if (!(target.alpha() > 0 && target.alpha() < 1e6f))
    invalid(target, "alpha " + std::to_string(target.alpha()));

  Item item;
  item.linear = linear;
  item.in = size.in;
  item.name = adapter_name(target, static_cast<uint64_t>(size.out));
  for (const Item& other : items_) {
    if (other.name == item.name) invalid(target, "it is given twice");
  }
  item.adapter.row_begin = static_cast<i64>(target.row_begin());
  item.adapter.rows = static_cast<i64>(target.row_end() - target.row_begin());
  item.adapter.rank = target.r();
  const double root = __builtin_sqrt(static_cast<double>(target.r()));
  item.adapter.scale = target.rslora() ? static_cast<float>(static_cast<double>(target.alpha()) / root)
                                       : target.alpha() / static_cast<float>(target.r());
  item.adapter.site = static_cast<nn::Site>(static_cast<uint32_t>(nn::Site::kAdapter) + linear % kModules);
  for (const bool is_b : {false, true}) {
    v1::Tensor* tensor = layout_.add_tensors();
    tensor->set_name(item.name + (is_b ? ".lora_B" : ".lora_A"));
    tensor->set_dtype(v1::DTYPE_F32);
    tensor->add_shape(static_cast<uint64_t>(is_b ? item.adapter.rows : item.adapter.rank));
    tensor->add_shape(static_cast<uint64_t>(is_b ? item.adapter.rank : item.in));
    elements_ += store::tensor_elements(*tensor);
  }
  lowest_ = items_.empty() ? linear : std::min(lowest_, linear);
  max_rank_ = std::max(max_rank_, item.adapter.rank);
  items_.push_back(std::move(item));
}

// by_linear_ holds copies of the items, grouped as the walk needs them.
void Adapters::rebuild() {
  for (auto& adapters : by_linear_) adapters.clear();
  for (const Item& item : items_) by_linear_[item.linear].push_back(item.adapter);
}

void Adapters::allocate(uint64_t seed, bool trained) {
  if (empty()) return;
  values_ = store::Segments::zeroed(std::span(&layout_, 1));
  value_pin_ = values_->pin(0);
  if (trained) {
    gradients_ = store::Segments::zeroed(std::span(&layout_, 1));
    gradient_pin_ = gradients_->pin(0);
  }
  for (size_t i = 0; i < items_.size(); ++i) {
    nn::Adapter& adapter = items_[i].adapter;
    float* values[2];
    float* gradients[2] = {nullptr, nullptr};
    for (size_t k = 0; k < 2; ++k) {
      const store::TensorView& view = value_pin_.tensors()[2 * i + k];
      values[k] = value_pin_.writable_f32(view.name, view.shape);
      if (!trained) continue;
      gradients[k] = gradient_pin_.writable_f32(view.name, view.shape);
      parameters_.push_back({.name = view.name,
                             .segment = "adapter",
                             .shape = view.shape,
                             .elements = view.elements,
                             .value = values[k],
                             .grad = gradients[k],
                             .decay = true,
                             .overwritten = false});
    }
    initialise(values[0], adapter.rank * items_[i].in, items_[i].in, seed, static_cast<uint32_t>(i));
    adapter.a = values[0];
    adapter.b = values[1];
    adapter.d_a = gradients[0];
    adapter.d_b = gradients[1];
  }
  rebuild();
}

void Adapters::load(const store::Pin& values) {
  for (const store::TensorView& given : values.tensors()) {
    if (value_pin_.find(given.name) == nullptr) {
      throw Failure("model.tensor-unknown",
                    "the adapter file has a tensor '" + given.name + "' that no target asks for",
                    "Use the targets that the adapter was trained with.");
    }
  }
  for (const store::TensorView& ours : value_pin_.tensors()) {
    std::memcpy(value_pin_.writable_f32(ours.name, ours.shape), values.f32(ours.name, ours.shape),
                ours.bytes);
  }
}

void Adapters::take_saved(Arena& arena, i64 rows) {
  for (Item& item : items_) item.adapter.saved_low = arena.take<float>(item.adapter.rank * rows).data();
  rebuild();
}

void Adapters::zero_gradients(ThreadPool& pool) {
  for (const Parameter& parameter : parameters_) {
    kernels::fill(pool, static_cast<i64>(parameter.elements), 0, parameter.grad);
  }
}

}  // namespace mft::models
