#include "train/optimizer.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "base/error.h"
#include "base/profile.h"
#include "kernels/adamw.h"
#include "kernels/elementwise.h"

namespace mft::train {
namespace {

using kernels::i64;

void check(const char* field, float value, bool good) {
  if (good) return;
  throw Failure("optimizer.config-invalid", std::string("optimizer.") + field + " = " + std::to_string(value),
                "Correct the configuration and start a new run.");
}

void check_config(const v1::OptimizerConfig& config) {
  const auto fraction = [](float x) { return x >= 0 && x < 1; };  // false for NaN
  const auto finite = [](float x) { return x >= 0 && std::isfinite(x); };
  check("learning_rate", config.learning_rate(), finite(config.learning_rate()));
  check("beta1", config.beta1(), fraction(config.beta1()));
  check("beta2", config.beta2(), fraction(config.beta2()));
  check("eps", config.eps(), finite(config.eps()) && config.eps() > 0);
  check("weight_decay", config.weight_decay(), finite(config.weight_decay()));
  check("max_grad_norm", config.max_grad_norm(), finite(config.max_grad_norm()));
  check("min_lr_ratio", config.min_lr_ratio(), config.min_lr_ratio() >= 0 && config.min_lr_ratio() <= 1);
}

}  // namespace

struct AdamW::State {
  State(const v1::OptimizerConfig& settings, models::Model& trained, ThreadPool& threads)
      : config(settings), model(trained), pool(threads) {}

  v1::OptimizerConfig config;
  models::Model& model;
  ThreadPool& pool;
  std::vector<std::string> segment_names;
  std::unique_ptr<store::Segments> moments;  // one segment for each of segment_names
  std::vector<store::Pin> pins;

  struct Moments {
    float* m;
    float* v;
  };
  std::vector<Moments> of;       // each parameter's
  std::set<std::string> loaded;  // names of moments taken from a checkpoint
};

AdamW::AdamW(const v1::OptimizerConfig& config, models::Model& model, ThreadPool& pool)
    : state_(std::make_unique<State>(config, model, pool)) {
  check_config(config);
  std::vector<v1::Segment> layout;
  for (const models::Parameter& parameter : model.parameters()) {
    if (layout.empty() || layout.back().name() != parameter.segment) {
      layout.emplace_back().set_name(parameter.segment);
      state_->segment_names.push_back(parameter.segment);
    }
    for (const char* moment : {".m", ".v"}) {
      v1::Tensor* tensor = layout.back().add_tensors();
      tensor->set_name(parameter.name + moment);
      tensor->mutable_shape()->Add(parameter.shape.begin(), parameter.shape.end());
    }
  }
  state_->moments = store::Segments::zeroed(layout);
  for (size_t i = 0; i < layout.size(); ++i) state_->pins.push_back(state_->moments->pin(i));
  size_t segment = 0;
  for (const models::Parameter& parameter : model.parameters()) {
    if (layout[segment].name() != parameter.segment) ++segment;
    const store::Pin& pin = state_->pins[segment];
    state_->of.push_back({pin.writable_f32(parameter.name + ".m", parameter.shape),
                          pin.writable_f32(parameter.name + ".v", parameter.shape)});
  }
}

AdamW::~AdamW() = default;

float AdamW::step(uint32_t step, float learning_rate) {
  const profile::Timer timer(profile::Op::kOptimizer);
  State& state = *state_;
  const std::span<const models::Parameter> parameters = state.model.parameters();
  if (!state.loaded.empty() && state.loaded.size() != 2 * parameters.size()) {
    throw Failure("model.tensor-missing",
                  "the checkpoint has the optimizer state of only some of the trained tensors",
                  "The checkpoint belongs to another run: start a new one.");
  }
  state.model.finish_gradients();
  double squares = 0;  // tensor by tensor, in their fixed order
  for (const models::Parameter& parameter : parameters) {
    squares += kernels::sum_of_squares(state.pool, static_cast<i64>(parameter.elements), parameter.grad);
  }
  const double norm = std::sqrt(squares);  // correctly rounded everywhere, unlike the rest of libm
  if (!std::isfinite(norm)) return static_cast<float>(norm);

  const double limit = state.config.max_grad_norm();
  const double clip = limit > 0 ? std::min(1.0, limit / (norm + 1e-6)) : 1.0;
  const auto constants = [&](float decay) {
    return kernels::adamw_step(learning_rate, state.config.beta1(), state.config.beta2(), state.config.eps(),
                               decay, step, clip);
  };
  const kernels::AdamWStep decayed = constants(state.config.weight_decay());
  const kernels::AdamWStep plain = constants(0);
  for (size_t i = 0; i < parameters.size(); ++i) {
    const models::Parameter& parameter = parameters[i];
    kernels::adamw(state.pool, static_cast<i64>(parameter.elements), parameter.decay ? decayed : plain,
                   parameter.value, parameter.grad, state.of[i].m, state.of[i].v,
                   /*zero_gradient=*/!parameter.overwritten);
  }
  state.model.discard_gradients();
  return static_cast<float>(norm);
}

std::vector<store::NamedTensor> AdamW::state(const std::string& segment) const {
  std::vector<store::NamedTensor> tensors;
  for (const store::Pin& pin : state_->pins) {
    if (!segment.empty() && pin.segment_name() != segment) continue;
    for (const store::TensorView& view : pin.tensors()) tensors.push_back({view.name, view.shape, view.data});
  }
  return tensors;
}

std::vector<std::string> AdamW::segments() const { return state_->segment_names; }

void AdamW::load(const store::Pin& saved) {
  for (const store::TensorView& view : saved.tensors()) {
    const store::Pin* ours = nullptr;
    for (const store::Pin& pin : state_->pins) {
      if (pin.find(view.name) != nullptr) ours = &pin;
    }
    if (ours == nullptr) {
      throw Failure("model.tensor-unknown",
                    "the optimizer state has a tensor '" + view.name + "' that nothing trained has",
                    "The checkpoint belongs to another run: start a new one.");
    }
    std::memcpy(ours->writable_f32(view.name, view.shape), saved.f32(view.name, view.shape), view.bytes);
    state_->loaded.insert(view.name);
  }
}

}  // namespace mft::train
