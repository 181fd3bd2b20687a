#include "bench/work.h"

#include <algorithm>

#include "models/config.h"

namespace mft::bench {
namespace {

bool equal(const Product& a, const Product& b) {
  return a.op == b.op && a.M == b.M && a.N == b.N && a.K == b.K;
}

i64 window_of(const v1::ModelConfig& config, int layer, i64 time) {
  const bool slides = layer < config.sliding_layers_size() && config.sliding_layers(layer);
  return slides ? std::min<i64>(config.sliding_window(), time) : time;
}

}  // namespace

Work step_work(const v1::EngineBench& spec) {
  const v1::ModelConfig& config = spec.config();
  const i64 time = spec.sequence_length();
  const double tokens = static_cast<double>(spec.batch_size()) * static_cast<double>(time);
  const double passes = spec.full() ? 6 : 4;
  Work work;
  for (int module = 0; module < models::kModules; ++module) {
    const models::ModuleSize size = models::module_size(config, static_cast<models::Module>(module));
    work.matrix_parameters +=
        static_cast<double>(size.in) * static_cast<double>(size.out) * config.num_layers();
  }
  const double head = static_cast<double>(config.vocab_size()) * config.hidden_size();
  work.matrix_parameters += head;
  work.products = passes * tokens * work.matrix_parameters;
  work.head = passes * tokens * head;
  for (uint32_t layer = 0; layer < config.num_layers(); ++layer) {
    const double window = static_cast<double>(window_of(config, static_cast<int>(layer), time));
    // Query t sees min(t + 1, window) keys.
    const double pairs = window * (window + 1) / 2 + (static_cast<double>(time) - window) * window;
    work.attention += 14.0 * config.head_dim() * config.num_heads() * spec.batch_size() * pairs;
  }
  return work;
}

std::vector<CountedProduct> step_products(const v1::EngineBench& spec) {
  const v1::ModelConfig& config = spec.config();
  const i64 tokens = i64{spec.batch_size()} * spec.sequence_length();
  std::vector<CountedProduct> all;
  const auto add = [&](i64 in, i64 out, uint32_t count) {
    for (const Product& product : layer_products(tokens, in, out, spec.full())) {
      const auto same = [&](const CountedProduct& other) { return equal(other.product, product); };
      const auto found = std::find_if(all.begin(), all.end(), same);
      if (found != all.end()) {
        found->count += count;
      } else {
        all.push_back({product, count});
      }
    }
  };
  for (int module = 0; module < models::kModules; ++module) {
    const models::ModuleSize size = models::module_size(config, static_cast<models::Module>(module));
    add(size.in, size.out, config.num_layers());
  }
  add(config.hidden_size(), config.vocab_size(), 1);
  return all;
}

}  // namespace mft::bench
