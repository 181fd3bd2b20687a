// One decoder for every family: a v1::ModelConfig and segments with canonical tensor names in, losses and
// gradients out. The trainer owns the loop; the model owns activations, gradients and (LoRA) the adapter's
// values. Legend: S sequences of a micro-batch, N tokens of all of them, C hidden, V vocabulary, L layers, H heads, D head
// size, F MLP. What this file does not do: optimizer, schedule, data, sharding budgets, sampling.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "mft/v1/model.pb.h"
#include "mft/v1/run.pb.h"
#include "kernels/types.h"
#include "store/segments.h"

namespace mft {
class ThreadPool;
}

namespace mft::models {

inline constexpr int32_t kNoLabel = -100;  // a target that is not learned and not counted

// One micro-batch: sequences of any lengths, one behind the other, without padding. A token sees those of its
// own sequence up to itself; positions begin at 0 in each.
struct Batch {
  uint32_t sequences = 0;            // S
  const uint32_t* starts = nullptr;  // [S + 1], from 0 on rising; starts[S] is N
  const int32_t* tokens = nullptr;   // [N]
  const int32_t* targets = nullptr;  // [N], already shifted by one; kNoLabel where nothing is learned
};

// Where in the run a pass stands: dropout draws its bits from this and from (layer, site, element), from
// nothing else.
struct StepKey {
  uint64_t seed = 0;
  uint32_t step = 0;
  uint32_t micro_batch = 0;
};

// Negative log-likelihood in nats, summed (not averaged) over the labels of a batch.
struct LossSum {
  double sum = 0;
  uint64_t labels = 0;
};

// How likely a token is after those before it.
struct TokenScore {
  float log_likelihood = 0;  // natural logarithm of its probability
  bool greedy = false;       // it is the likeliest of all (the first of these, if several are)
};

// A trainable tensor. The order of Model::parameters() is fixed by configuration: walking order of the
// segments (Full-FT) or of the LoRA targets, A before B. Pointers are valid while the model lives.
struct Parameter {
  std::string name;     // Full-FT: canonical; LoRA: see adapter_name()
  std::string segment;  // "embedding", "block.3", "final"; "adapter" for LoRA
  std::vector<uint64_t> shape;
  uint64_t elements = 0;
  float* value = nullptr;
  float* grad = nullptr;
  bool decay = false;  // two or more dimensions: weight decay applies
  // Model::discard_gradients is enough to make an end of its gradient: the next pass writes over it.
  bool overwritten = false;
};

enum class Method {
  kFrozen,  // evaluation and generation, with adapters if targets are given
  kLora,    // adapters train, the base is read-only
  kFull,    // every tensor of the segments trains; they must be Residency::kPrivate
};

struct ModelOptions {
  Method method = Method::kFrozen;
  std::vector<v1::LoraTarget> adapters;  // kLora, kFrozen
  float adapter_dropout = 0;             // on the adapters' input, training passes only
  uint64_t seed = 0;                     // initial adapter values
  kernels::Compute compute = kernels::Compute::kF32;  // of the products of linear layers and the head
  uint32_t max_tokens = 1;  // N of a batch
  uint32_t max_length = 1;  // of a sequence, and of a chunk that is added to the cache
};

// Bytes the model will hold, known before anything is allocated.
struct MemoryPlan {
  uint64_t weights = 0;  // the segments: mapped (clean, droppable pages) or private
  uint64_t adapter = 0;  // adapter values
  uint64_t gradients = 0;
  uint64_t optimizer = 0;                       // two moments a trainable element; held by train/optimizer
  uint64_t activations = 0;                     // saved by the forward pass for the backward pass
  uint64_t workspace = 0;                       // shared by all layers
  uint64_t private_bytes(Method method) const;  // all but mapped weights
};
MemoryPlan plan_memory(const v1::ModelConfig& config, const ModelOptions& options, unsigned threads);

// Name of an adapter's tensors is adapter_name(target) + ".lora_A" [r, in] and ".lora_B" [rows, r]. It is the
// weight's canonical name, with "[begin:end]" behind it when the adapter covers only some of its rows.
std::string adapter_name(const v1::LoraTarget& target, uint64_t weight_rows);

// Checks that this build can run the configuration. Failure model.config-unsupported or model.config-invalid
// names the field and its value.
void check_config(const v1::ModelConfig& config);

class Model {
 public:
  // segments and pool outlive the model. Checks the configuration, every tensor the decoder needs, and every
  // adapter. Failure model.config-*, model.tensor-*, model.adapter-invalid, store.read-only (kFull on mapped
  // segments).
  static std::unique_ptr<Model> open(const v1::ModelConfig& config, store::Segments& segments,
                                     const ModelOptions& options, ThreadPool& pool);
  virtual ~Model() = default;

  virtual const v1::ModelConfig& config() const = 0;
  // Elements of all tensors of the base model, and of the trainable ones.
  virtual uint64_t parameter_count() const = 0;
  virtual uint64_t trainable_count() const = 0;

  virtual std::span<const Parameter> parameters() const = 0;
  virtual void zero_grad() = 0;
  // The same where every gradient is zero already, but for the `overwritten` ones: these keep what they hold
  // until the next pass or finish_gradients(), and it counts for nothing.
  virtual void discard_gradients() = 0;

  // After the last micro-batch of a step, before the gradients are read (train::AdamW::step does it): adds
  // what was accumulated apart, namely a tied embedding's lookups to its head. Calling it twice adds nothing.
  virtual void finish_gradients() = 0;

  // Sets adapter values from a segment that has exactly the adapter's tensors (LoraConfig.init_segment, a
  // checkpoint). Failure model.tensor-missing, model.tensor-shape, model.tensor-unknown.
  virtual void load_adapter(const store::Pin& values) = 0;

  // Adds the gradient of grad_scale * (summed loss) to parameters().grad. grad_scale is 1 / labels of the
  // whole optimizer step. dropout: GPT-2's embedding, attention and residual dropout, in [0, 1). Failure
  // data.token-range for a token or target outside the vocabulary.
  virtual LossSum forward_backward(const Batch& batch, float grad_scale, float dropout,
                                   const StepKey& key) = 0;

  // Loss only: no dropout, no gradients.
  virtual LossSum evaluate(const Batch& batch) = 0;

  // Logits [N, V] of a batch; for tests and tools (training never makes them).
  virtual void logits(const Batch& batch, float* out) = 0;

  // Generation and scoring, one sequence at a time, with a key-value cache. begin_generation sets how long the
  // sequence may become (at most max_positions; options.max_length and max_tokens don't bound it) and empties
  // the cache. prefill, next and score add to what is cached. Failure generate.order without begin_generation,
  // generate.context-full beyond its max_length, data.token-range; the cache is then as it was before.
  virtual void begin_generation(uint32_t max_length) = 0;
  virtual uint32_t cached() const = 0;  // positions in the cache
  // Forgets all positions from `length` on. Failure generate.order when there are fewer.
  virtual void truncate(uint32_t length) = 0;
  // Adds one or more tokens, in chunks of up to options.max_length, and returns the logits [V] of the last
  // position, valid until the next call. However a sequence is cut into chunks, its bits are the same.
  virtual std::span<const float> prefill(std::span<const int32_t> tokens) = 0;
  // The same for one token, in the quickest way (its sums have another order); the cache must not be empty.
  virtual std::span<const float> next(int32_t token) = 0;
  // Adds tokens as prefill does, and scores targets [tokens.size()]: targets[i] is what may follow tokens[i]
  // (kNoLabel: nothing is computed and scores[i] is {0, false}). scores [tokens.size()].
  virtual void score(std::span<const int32_t> tokens, std::span<const int32_t> targets,
                     std::span<TokenScore> scores) = 0;
  virtual void end_generation() = 0;  // frees the cache
};

}  // namespace mft::models
