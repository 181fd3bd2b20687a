// The decoder behind models::Model: the walk over pinned segments, forwards and backwards, and what it owns.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/arena.h"
#include "models/adapters.h"
#include "models/config.h"
#include "models/lookup_gradient.h"
#include "models/model.h"
#include "models/plan.h"
#include "models/rotary.h"
#include "nn/head.h"
#include "store/memory.h"

namespace mft::models {

class Decoder final : public Model {
 public:
  Decoder(const v1::ModelConfig& config, store::Segments& segments, const ModelOptions& options,
          ThreadPool& pool);

  const v1::ModelConfig& config() const override { return config_; }
  uint64_t parameter_count() const override;
  uint64_t trainable_count() const override;
  std::span<const Parameter> parameters() const override { return parameters_; }
  void zero_grad() override;
  void discard_gradients() override { discarded_ = true; }
  void finish_gradients() override;
  void load_adapter(const store::Pin& values) override;
  LossSum forward_backward(const Batch& batch, float grad_scale, float dropout, const StepKey& key) override;
  LossSum evaluate(const Batch& batch) override;
  void logits(const Batch& batch, float* out) override;
  void begin_generation(uint32_t max_length) override;
  uint32_t cached() const override { return generation_ != nullptr ? generation_->length : 0; }
  void truncate(uint32_t length) override;
  std::span<const float> prefill(std::span<const int32_t> tokens) override;
  std::span<const float> next(int32_t token) override;
  void score(std::span<const int32_t> tokens, std::span<const int32_t> targets,
             std::span<TokenScore> scores) override;
  void end_generation() override;

 private:
  // A key-value cache and what generation returns.
  struct Generation {
    store::Memory cache;  // [L][max_length][2 Hkv D]
    uint32_t max_length = 0;
    uint32_t length = 0;
    std::vector<float> logits;  // [V]
    std::vector<float> losses;  // [N] of a chunk that is scored
    std::vector<int32_t> likeliest;
    store::Memory rope_memory;  // when max_length is beyond what rope_ covers
    RopeTables rope;
  };

  bool trained_base() const { return options_.method == Method::kFull; }
  void make_parameters();
  void check_batch(const Batch& batch) const;
  void check_tokens(std::span<const int32_t> tokens) const;
  void check_targets(std::span<const int32_t> targets) const;
  void ensure_workspace();
  nn::Pass begin_pass(kernels::Sequences sequences, i64 first_position = 0);
  store::Pin pin_gradients(size_t segment);

  // Embedding and all blocks; leaves final_x. generation: adds to its cache.
  void walk_forward(nn::Pass& pass, const int32_t* tokens, Generation* generation = nullptr,
                    CachedAttention cached = CachedAttention::kTiles);
  void walk_backward(nn::Pass& pass, const int32_t* tokens);
  // The final norm: final_x -> hidden, for `rows` rows from row `first` on.
  void final_forward(nn::Pass& pass, i64 first, i64 rows);
  struct PinnedHead {
    store::Pin values, gradients;
    nn::Head head;
  };
  PinnedHead pin_head();
  void check_addition(std::span<const int32_t> tokens) const;
  // Walks over the tokens, chunk by chunk, and adds them to the cache; after_chunk(pass, first token) finds
  // final_x of each.
  template <typename AfterChunk>
  void add_chunks(std::span<const int32_t> tokens, const AfterChunk& after_chunk);
  void last_logits(nn::Pass& pass);  // into generation_->logits

  v1::ModelConfig config_;
  Sizes sizes_;
  store::Segments& segments_;
  ModelOptions options_;
  ThreadPool& pool_;
  Adapters adapters_;
  std::unique_ptr<store::Segments> gradients_;  // Full-FT
  bool discarded_ = true;                       // the `overwritten` gradients hold nothing of this step
  LookupGradient lookup_;                       // Full-FT with a tied embedding
  std::vector<Parameter> parameters_;
  Arena arena_;
  Activations activations_;
  RopeTables rope_;  // for max_length positions
  store::Memory workspace_;
  std::unique_ptr<Generation> generation_;
};

}  // namespace mft::models
