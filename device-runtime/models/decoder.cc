#include "models/decoder.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <utility>

#include "base/error.h"
#include "kernels/elementwise.h"
#include "models/weights.h"
#include "store/layout.h"

namespace mft::models {
namespace {

Arena activation_arena(const v1::ModelConfig& config, const ModelOptions& options, Adapters& adapters) {
  Arena measure = Arena::measuring();
  take_activations(measure, config, options, adapters);
  return Arena(measure.high_water());
}

const v1::ModelConfig& checked(const v1::ModelConfig& config) {
  check_config(config);
  return config;
}

void check_options(const v1::ModelConfig& config, const ModelOptions& options) {
  if (options.method == Method::kLora && options.adapters.empty()) {
    throw Failure("model.adapter-invalid", "LoRA without a target: nothing would be trained",
                  "Choose the linear layers of the model: see `mft model inspect`.");
  }
  if (options.method == Method::kFull && !options.adapters.empty()) {
    throw Failure("model.adapter-invalid", "full fine-tuning takes no LoRA targets",
                  "Use one of the two methods.");
  }
  if (options.max_length < 1 || options.max_length > config.max_positions() ||
      options.max_tokens < options.max_length || options.max_tokens > (1u << 24)) {
    throw Failure("model.batch-size",
                  std::to_string(options.max_tokens) + " tokens in sequences of up to " +
                      std::to_string(options.max_length) + ": the model takes up to " +
                      std::to_string(config.max_positions()) + " tokens a sequence",
                  "Use a shorter sequence or a smaller batch.");
  }
}

}  // namespace

std::unique_ptr<Model> Model::open(const v1::ModelConfig& config, store::Segments& segments,
                                   const ModelOptions& options, ThreadPool& pool) {
  return std::make_unique<Decoder>(config, segments, options, pool);
}

Decoder::Decoder(const v1::ModelConfig& config, store::Segments& segments, const ModelOptions& options,
                 ThreadPool& pool)
    : config_(checked(config)),
      sizes_(config_),
      segments_(segments),
      options_(options),
      pool_(pool),
      adapters_(config_, options_.adapters),
      arena_((check_options(config_, options_), activation_arena(config_, options_, adapters_))) {
  check_segments(config_, segments_, trained_base());
  if (trained_base() && segments_.residency() != store::Residency::kPrivate) {
    throw Failure("store.read-only", "full fine-tuning needs the weights in writable memory");
  }
  adapters_.allocate(options_.seed, options_.method == Method::kLora);
  activations_ = take_activations(arena_, config_, options_, adapters_);
  rope_ = make_rope_tables(config_, options_.max_length, activations_.rope);
  make_parameters();
  ensure_workspace();
}

void Decoder::make_parameters() {
  if (!trained_base()) {
    parameters_ = adapters_.parameters();
    return;
  }
  const std::vector<v1::Segment> layout = expected_segments(config_);
  gradients_ = store::Segments::zeroed(layout);
  if (config_.tied_embeddings()) lookup_ = LookupGradient(sizes_.vocab, sizes_.hidden);
  for (size_t i = 0; i < layout.size(); ++i) {
    const store::Pin values = segments_.pin(i);
    const store::Pin gradients = gradients_->pin(i);
    for (const v1::Tensor& tensor : layout[i].tensors()) {
      const std::vector<uint64_t> shape(tensor.shape().begin(), tensor.shape().end());
      // Lookups add to their rows; all other matrices get products.
      const bool looked_up = tensor.name() == "embed.positions" ||
                             (tensor.name() == "embed.tokens" && !config_.tied_embeddings());
      parameters_.push_back({.name = tensor.name(),
                             .segment = layout[i].name(),
                             .shape = shape,
                             .elements = store::tensor_elements(tensor),
                             .value = values.writable_f32(tensor.name(), shape),
                             .grad = gradients.writable_f32(tensor.name(), shape),
                             .decay = shape.size() >= 2,
                             .overwritten = shape.size() >= 2 && !looked_up});
    }
  }
}

uint64_t Decoder::parameter_count() const {
  uint64_t count = 0;
  for (size_t i = 0; i < segments_.count(); ++i) {
    for (const v1::Tensor& tensor : segments_.description(i).tensors())
      count += store::tensor_elements(tensor);
  }
  return count;
}

uint64_t Decoder::trainable_count() const {
  uint64_t count = 0;
  for (const Parameter& parameter : parameters_) count += parameter.elements;
  return count;
}

void Decoder::zero_grad() {
  for (const Parameter& parameter : parameters_) {
    kernels::fill(pool_, static_cast<i64>(parameter.elements), 0, parameter.grad);
  }
  lookup_.clear();
  discarded_ = true;
}

void Decoder::finish_gradients() {
  if (discarded_) {  // no pass had a label
    for (const Parameter& parameter : parameters_) {
      if (!parameter.overwritten) continue;
      kernels::fill(pool_, static_cast<i64>(parameter.elements), 0, parameter.grad);
    }
    discarded_ = false;
  }
  if (lookup_.table() == nullptr) return;
  lookup_.add_to(pin_gradients(0).writable_f32(
      "embed.tokens", {static_cast<uint64_t>(sizes_.vocab), static_cast<uint64_t>(sizes_.hidden)}));
}

void Decoder::load_adapter(const store::Pin& values) {
  if (adapters_.empty()) throw Failure("model.adapter-invalid", "the model was opened without LoRA targets");
  adapters_.load(values);
}

void Decoder::check_tokens(std::span<const int32_t> tokens) const {
  for (const int32_t token : tokens) {
    if (token < 0 || token >= sizes_.vocab) {
      throw Failure("data.token-range",
                    "token " + std::to_string(token) + " is not in the model's vocabulary of " +
                        std::to_string(sizes_.vocab),
                    "The tokenizer and the model do not belong together.");
    }
  }
}

void Decoder::check_targets(std::span<const int32_t> targets) const {
  for (const int32_t& target : targets) {
    if (target != kNoLabel) check_tokens({&target, 1});
  }
}

void Decoder::check_batch(const Batch& batch) const {
  const auto refuse = [](const std::string& what) {
    throw Failure("model.batch-size", "a batch with " + what + " was not planned for");
  };
  if (batch.sequences < 1 || batch.starts[0] != 0) refuse("no first sequence");
  for (uint32_t s = 0; s < batch.sequences; ++s) {
    const int64_t length = int64_t{batch.starts[s + 1]} - batch.starts[s];
    if (length < 1 || length > options_.max_length) refuse("a sequence of " + std::to_string(length) + " tokens");
  }
  const size_t tokens = batch.starts[batch.sequences];
  if (tokens > options_.max_tokens) refuse(std::to_string(tokens) + " tokens");
  check_tokens({batch.tokens, tokens});
  if (batch.targets != nullptr) check_targets({batch.targets, tokens});
}

// The pool may have been given more threads since the last pass.
void Decoder::ensure_workspace() {
  const size_t bytes = kernel_workspace(config_, options_, adapters_, pool_.threads());
  if (bytes > workspace_.size()) workspace_ = store::Memory(bytes, "the workspace");
  activations_.scratch.kernel = {workspace_.data(), workspace_.size()};
}

nn::Pass Decoder::begin_pass(kernels::Sequences sequences, i64 first_position) {
  ensure_workspace();
  for (i64 s = 0; s < sequences.count; ++s) {
    int32_t* const positions = activations_.positions + sequences.starts[s];
    std::iota(positions, positions + sequences.length(s), static_cast<int32_t>(first_position));
  }
  return {.pool = pool_,
          .scratch = activations_.scratch,
          .sequences = sequences,
          .key = {},
          .positions = activations_.positions,
          .compute = options_.compute};
}

store::Pin Decoder::pin_gradients(size_t segment) {
  return gradients_ != nullptr ? gradients_->pin(segment) : store::Pin();
}

void Decoder::walk_forward(nn::Pass& pass, const int32_t* tokens, Generation* generation,
                           CachedAttention cached) {
  segments_.prefetch(1);
  {
    const store::Pin values = segments_.pin(0);
    pass.layer = 0;
    nn::embedding_forward(pass, bind_embedding(config_, {values}), tokens, activations_.positions,
                          activations_.blocks[0].x);
  }
  for (uint32_t layer = 0; layer < sizes_.layers; ++layer) {
    segments_.prefetch(layer + 2);
    const store::Pin values = segments_.pin(layer + 1);
    const bool last = layer + 1 == sizes_.layers;
    nn::KeyValueCache cache;
    if (generation != nullptr) {
      const i64 width = sizes_.attention.kv_width();
      cache.ld = 2 * width;
      cache.keys =
          reinterpret_cast<float*>(generation->cache.data()) + layer * generation->max_length * cache.ld;
      cache.values = cache.keys + width;
      cache.length = generation->length;
    }
    pass.layer = layer + 1;
    const RopeTables& rope = generation != nullptr ? generation->rope : rope_;
    block_forward(pass, bind_block(config_, layer, {values}, adapters_, rope), activations_.blocks[layer],
                  generation != nullptr ? &cache : nullptr, cached,
                  last ? activations_.final_x : activations_.blocks[layer + 1].x);
  }
}

Decoder::PinnedHead Decoder::pin_head() {
  const bool tied = config_.tied_embeddings();
  const size_t segment = tied ? 0 : segments_.count() - 1;
  PinnedHead pinned{segments_.pin(segment), pin_gradients(segment), {}};
  pinned.head = bind_head(config_, tied ? "embed.tokens" : "lm_head.weight",
                          {pinned.values, trained_base() ? &pinned.gradients : nullptr});
  return pinned;
}

void Decoder::final_forward(nn::Pass& pass, i64 first, i64 rows) {
  const store::Pin values = segments_.pin(segments_.count() - 1);
  nn::norm_forward(pass, bind_norm(config_, "final_norm", sizes_.hidden, {values}), rows,
                   activations_.final_x + first * sizes_.hidden, activations_.hidden,
                   activations_.final_norm);
}

void Decoder::walk_backward(nn::Pass& pass, const int32_t* tokens) {
  const size_t last = segments_.count() - 1;
  {
    const store::Pin values = segments_.pin(last);
    const store::Pin gradients = pin_gradients(last);
    const nn::Norm norm =
        bind_norm(config_, "final_norm", sizes_.hidden, {values, trained_base() ? &gradients : nullptr});
    nn::norm_backward(pass, norm, pass.rows(), activations_.d_x, activations_.final_x,
                      activations_.final_norm, 0, activations_.d_x);
  }
  const uint32_t lowest = first_saved_block(options_, adapters_, config_.num_layers());
  static constexpr Stage kStages[kModules] = {Stage::kQkv, Stage::kOut, Stage::kUp, Stage::kDown};
  for (uint32_t layer = config_.num_layers(); layer-- > lowest;) {
    segments_.prefetch(layer);  // the segment of the block below
    const store::Pin values = segments_.pin(layer + 1);
    const store::Pin gradients = pin_gradients(layer + 1);
    const Block block =
        bind_block(config_, layer, {values, trained_base() ? &gradients : nullptr}, adapters_, rope_);
    const bool bottom = !trained_base() && layer == lowest;
    pass.layer = layer + 1;
    block_backward(pass, block, activations_.blocks[layer], activations_.gradients,
                   bottom ? kStages[static_cast<int>(adapters_.lowest_module())] : Stage::kBelow,
                   activations_.d_x);
  }
  if (!trained_base()) return;
  const store::Pin values = segments_.pin(0);
  const store::Pin gradients = pin_gradients(0);
  nn::Embedding embedding = bind_embedding(config_, {values, &gradients});
  if (lookup_.table() != nullptr) {
    lookup_.touch({tokens, static_cast<size_t>(pass.rows())});
    embedding.d_tokens = lookup_.table();
  }
  pass.layer = 0;
  nn::embedding_backward(pass, embedding, tokens, activations_.positions, activations_.d_x);
}

LossSum Decoder::forward_backward(const Batch& batch, float grad_scale, float dropout, const StepKey& key) {
  if (options_.method == Method::kFrozen)
    throw Failure("model.frozen", "the model was opened without training");
  check_batch(batch);
  nn::Pass pass = begin_pass({batch.sequences, batch.starts});
  pass.dropout = dropout;
  pass.first_gradients = discarded_;
  pass.adapter_dropout = options_.adapter_dropout;
  pass.key = {.seed = key.seed, .step = key.step, .micro_batch = key.micro_batch};
  walk_forward(pass, batch.tokens);
  final_forward(pass, 0, pass.rows());
  const nn::HeadLoss loss = nn::head_loss_backward(pass, pin_head().head, activations_.hidden, batch.targets,
                                                   grad_scale, activations_.d_x);
  if (loss.labels > 0) {
    discarded_ = false;
    walk_backward(pass, batch.tokens);
  }
  return {loss.sum, static_cast<uint64_t>(loss.labels)};
}

LossSum Decoder::evaluate(const Batch& batch) {
  check_batch(batch);
  nn::Pass pass = begin_pass({batch.sequences, batch.starts});
  walk_forward(pass, batch.tokens);
  final_forward(pass, 0, pass.rows());
  const nn::HeadLoss loss = nn::head_loss(pass, pin_head().head, activations_.hidden, batch.targets);
  return {loss.sum, static_cast<uint64_t>(loss.labels)};
}

void Decoder::logits(const Batch& batch, float* out) {
  check_batch(batch);
  nn::Pass pass = begin_pass({batch.sequences, batch.starts});
  walk_forward(pass, batch.tokens);
  final_forward(pass, 0, pass.rows());
  nn::head_logits(pass, pin_head().head, pass.rows(), activations_.hidden, out);
}

}  // namespace mft::models
