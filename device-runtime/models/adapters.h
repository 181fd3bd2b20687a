// The LoRA adapters of a run: checked against the model, their values, gradients and names.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/arena.h"
#include "models/config.h"
#include "models/model.h"
#include "nn/linear.h"
#include "store/segments.h"

namespace mft::models {

class Adapters {
 public:
  // Failure model.adapter-invalid: names the target and what is wrong with it. Nothing is allocated here.
  Adapters(const v1::ModelConfig& config, std::span<const v1::LoraTarget> targets);

  // Allocates values (A: kaiming-uniform with a = sqrt 5, as peft; B: zero) and, if trained, gradients.
  void allocate(uint64_t seed, bool trained);
  // Takes exactly the adapters' tensors from a segment.
  void load(const store::Pin& values);
  // Memory that a training forward pass saves for rows tokens.
  void take_saved(Arena& arena, i64 rows);

  bool empty() const { return items_.empty(); }
  std::span<const nn::Adapter> of(uint32_t layer, Module module) const {
    return by_linear_[layer * kModules + static_cast<uint32_t>(module)];
  }
  const std::vector<Parameter>& parameters() const { return parameters_; }
  void zero_gradients(ThreadPool& pool);

  // One segment "adapter" with all tensors, in order.
  const v1::Segment& layout() const { return layout_; }
  uint64_t elements() const { return elements_; }
  i64 max_rank() const { return max_rank_; }
  // The lowest adapted linear layer: nothing below it needs a gradient. Only when !empty().
  uint32_t lowest_layer() const { return lowest_ / kModules; }
  Module lowest_module() const { return static_cast<Module>(lowest_ % kModules); }

 private:
  struct Item {
    uint32_t linear = 0;  // layer * kModules + module
    i64 in = 0;
    nn::Adapter adapter;
    std::string name;
  };
  void add(const v1::ModelConfig& config, const v1::LoraTarget& target);
  void rebuild();

  std::vector<Item> items_;
  std::vector<std::vector<nn::Adapter>> by_linear_;
  std::vector<Parameter> parameters_;
  v1::Segment layout_;
  uint64_t elements_ = 0;
  i64 max_rank_ = 0;
  uint32_t lowest_ = 0;
  std::unique_ptr<store::Segments> values_, gradients_;
  store::Pin value_pin_, gradient_pin_;
};

}  // namespace mft::models
