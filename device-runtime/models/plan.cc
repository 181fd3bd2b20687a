#include "models/plan.h"

#include <algorithm>

#include "nn/head.h"
#include "store/layout.h"

namespace mft::models {
namespace {

// Buffers that all blocks use in turn when backward does not read them.
struct Shared {
  float* stream = nullptr;  // [N, C]
  nn::NormSaved norm;
  float* normed = nullptr;  // [N, C]
  float* branch = nullptr;  // [N, C], with post norms
  float* qkv = nullptr;
  float* scored = nullptr;   // with a q/k norm
  float* qk_rstd = nullptr;  // [N, H + Hkv]
  float* attended = nullptr;
  float* logsumexp = nullptr;
  float* up = nullptr;
  float* activated = nullptr;  // [N, F]
};

class Planner {
 public:
  Planner(Arena& arena, const v1::ModelConfig& config, const ModelOptions& options, const Adapters& adapters)
      : arena_(arena),
        config_(config),
        sizes_(config),
        options_(options),
        adapters_(adapters),
        rows_(i64{options.max_tokens}),
        first_saved_(first_saved_block(options, adapters, config.num_layers())) {}

  Activations run() {
    Activations all;
    const bool training = options_.method != Method::kFrozen;
    all.gradients.narrow = take(std::max(sizes_.hidden, sizes_.attention.width()));
    all.gradients.wide = take(std::max(sizes_.attention.qkv_width(), sizes_.mlp.up_width()));
    take_inner_gradients(training, &all.gradients);
    all.hidden = all.gradients.narrow;
    all.positions = arena_.take<int32_t>(rows_).data();
    all.rope = arena_.take<float>(rope_table_elements(config_, options_.max_length)).data();
    if (training || sizes_.post_norms) all.scratch.branch = take(sizes_.hidden);
    // Forward and backward never need these at the same time.
    shared_.normed = all.gradients.narrow;
    shared_.activated = all.gradients.wide;
    shared_.norm = take_norm();
    shared_.branch = all.scratch.branch;
    if (sizes_.qk_norm) {
      shared_.scored = all.gradients.wide;
      shared_.qk_rstd = take(sizes_.attention.heads + sizes_.attention.kv_heads);
      all.gradients.qk_rstd = shared_.qk_rstd;
    }
    if (first_saved_ > 0) {
      shared_.stream = take(sizes_.hidden);
      shared_.qkv = take(sizes_.attention.qkv_width());
      shared_.attended = take(sizes_.attention.width());
      shared_.logsumexp = take(sizes_.attention.heads);
      shared_.up = take(sizes_.mlp.up_width());
    }
    for (uint32_t layer = 0; layer < sizes_.layers; ++layer) {
      all.blocks.push_back(layer < first_saved_ ? shared_block() : saved_block(layer));
    }
    all.final_x = training ? take(sizes_.hidden) : shared_.stream;
    all.final_norm = training ? take_norm() : shared_.norm;
    if (training) all.d_x = take(sizes_.hidden);
    take_adapter_scratch(&all.scratch);
    return all;
  }

 private:
  float* take(i64 width) { return arena_.take<float>(rows_ * width).data(); }
  nn::NormSaved take_norm() { return {take(1), take(1)}; }

  void take_scored(BlockActivations* block) const {
    block->scored = sizes_.qk_norm ? shared_.scored : block->qkv;
    block->qk_rstd = shared_.qk_rstd;
  }

  // The gradient of the MLP's inside is used up before that of attention begins, which may need q and k
  // again.
  void take_inner_gradients(bool training, BlockGradients* gradients) {
    gradients->inner = gradients->wide;
    if (!training || !(sizes_.mlp.gated || sizes_.qk_norm)) return;
    const i64 again = sizes_.qk_norm ? sizes_.attention.qkv_width() : 0;
    gradients->inner = take(std::max(sizes_.mlp.inner, again));
    if (sizes_.qk_norm) gradients->scored = gradients->inner;
  }

  BlockActivations shared_block() const {
    BlockActivations block;
    block.x = block.mid = shared_.stream;
    block.attn_norm = block.mlp_norm = shared_.norm;
    block.attn_normed = block.mlp_normed = shared_.normed;
    block.qkv = shared_.qkv;
    take_scored(&block);
    block.attn_post = block.mlp_post = {shared_.branch, shared_.norm};
    block.attended = shared_.attended;
    block.logsumexp = shared_.logsumexp;
    block.up = shared_.up;
    block.activated = shared_.activated;
    return block;
  }

  BlockActivations saved_block(uint32_t layer) {
    const auto read_by_backward = [&](Module module) {
      return options_.method == Method::kFull || !adapters_.of(layer, module).empty();
    };
    BlockActivations block;
    block.x = take(sizes_.hidden);
    block.attn_norm = take_norm();
    block.attn_normed = read_by_backward(Module::kQkv) ? take(sizes_.hidden) : shared_.normed;
    block.qkv = take(sizes_.attention.qkv_width());
    take_scored(&block);
    if (sizes_.post_norms) {
      block.attn_post = {take(sizes_.hidden), take_norm()};
      block.mlp_post = {take(sizes_.hidden), take_norm()};
    }
    block.attended = take(sizes_.attention.width());
    block.logsumexp = take(sizes_.attention.heads);
    block.mid = take(sizes_.hidden);
    block.mlp_norm = take_norm();
    block.mlp_normed = read_by_backward(Module::kUp) ? take(sizes_.hidden) : shared_.normed;
    block.up = take(sizes_.mlp.up_width());
    block.activated = read_by_backward(Module::kDown) ? take(sizes_.mlp.inner) : shared_.activated;
    return block;
  }

  void take_adapter_scratch(nn::Scratch* scratch) {
    if (adapters_.empty()) return;
    const i64 in = std::max({sizes_.hidden, sizes_.attention.width(), sizes_.mlp.inner});
    const i64 out = std::max({sizes_.hidden, sizes_.attention.qkv_width(), sizes_.mlp.up_width()});
    if (options_.method == Method::kLora && options_.adapter_dropout > 0) scratch->dropped = take(in);
    scratch->low = take(adapters_.max_rank());
    scratch->b_t = arena_.take<float>(adapters_.max_rank() * out).data();
    scratch->d_b_t = arena_.take<float>(adapters_.max_rank() * out).data();
  }

  Arena& arena_;
  const v1::ModelConfig& config_;
  Sizes sizes_;
  const ModelOptions& options_;
  const Adapters& adapters_;
  i64 rows_;
  uint32_t first_saved_;
  Shared shared_;
};

uint64_t gradient_bytes(const v1::ModelConfig& config, const ModelOptions& options,
                        const Adapters& adapters) {
  if (options.method == Method::kFrozen) return 0;
  if (options.method == Method::kLora) return adapters.layout().bytes();
  uint64_t bytes = 0;
  for (const v1::Segment& segment : expected_segments(config)) bytes += segment.bytes();
  return bytes;
}

}  // namespace

uint32_t first_saved_block(const ModelOptions& options, const Adapters& adapters, uint32_t layers) {
  if (options.method == Method::kFull) return 0;
  if (options.method == Method::kFrozen || adapters.empty()) return layers;
  return adapters.lowest_layer();
}

Activations take_activations(Arena& arena, const v1::ModelConfig& config, const ModelOptions& options,
                             Adapters& adapters) {
  Activations all = Planner(arena, config, options, adapters).run();
  if (options.method == Method::kLora) adapters.take_saved(arena, i64{options.max_tokens});
  return all;
}

size_t kernel_workspace(const v1::ModelConfig& config, const ModelOptions& options, const Adapters& adapters,
                        int threads) {
  const Sizes sizes(config);
  const i64 rows = i64{options.max_tokens};
  size_t bytes = 0;
  for (int module = 0; module < kModules; ++module) {
    const ModuleSize size = module_size(config, static_cast<Module>(module));
    bytes = std::max(bytes, nn::linear_workspace(threads, rows, size.in, size.out, adapters.max_rank()));
  }
  nn::Head head;
  head.channels = sizes.hidden;
  head.vocab = sizes.vocab;
  return std::max({bytes, nn::head_workspace(threads, head, rows, options.method != Method::kFrozen,
                                      options.method == Method::kFull),
                   nn::attention_workspace(threads, sizes.attention, rows),
                   nn::attention_next_workspace(sizes.attention, sizes.positions)});
}

uint64_t MemoryPlan::private_bytes(Method method) const {
  return (method == Method::kFull ? weights : 0) + adapter + gradients + optimizer + activations + workspace;
}

MemoryPlan plan_memory(const v1::ModelConfig& config, const ModelOptions& options, unsigned threads) {
  check_config(config);
  Adapters adapters(config, options.adapters);
  MemoryPlan plan;
  for (const v1::Segment& segment : expected_segments(config)) plan.weights += segment.bytes();
  plan.adapter = adapters.empty() ? 0 : adapters.layout().bytes();
  plan.gradients = gradient_bytes(config, options, adapters);
  plan.optimizer = 2 * plan.gradients;
  Arena arena = Arena::measuring();
  take_activations(arena, config, options, adapters);
  plan.activations = arena.high_water();
  plan.workspace = kernel_workspace(config, options, adapters, static_cast<int>(threads));
  return plan;
}

}  // namespace mft::models
