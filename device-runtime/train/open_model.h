// From a run's specification to a model in memory: store files verified, memory checked before it is taken,
// adapters and checkpoints loaded.
#pragma once

#include <memory>
#include <string>

#include "base/threads.h"
#include "models/model.h"
#include "store/segments.h"
#include "train/checkpoint.h"
#include "train/context.h"

namespace mft::train {

struct OpenModel {  // destroyed from the last member to the first
  std::unique_ptr<ThreadPool> pool;
  std::unique_ptr<store::Segments> segments;
  std::unique_ptr<models::Model> model;
};

// The model of context.spec, with the adapter or the weights of `checkpoint` if there is one.
// Failure model.*, store.*, memory.too-little.
OpenModel open_model(RunContext& context, const models::ModelOptions& options,
                     const LoadedCheckpoint* checkpoint);

// Fails like open_model when there is no room for a key-value cache of so many tokens beside what is in use already.
void check_cache_memory(const v1::ModelConfig& config, std::uint32_t tokens);

// The model with the specification's adapter (RunSpec.adapter), if it has one, to evaluate and generate.
OpenModel open_frozen_model(RunContext& context, std::uint32_t max_rows, std::uint32_t max_length);

// Threads to use when `asked` is what a specification or a control says (0: all that the phone lets the
// process use).
int thread_count(std::uint32_t asked);

// Obeys a control (Steerable::set_threads). Failure control.refused for more than there may be.
std::string set_threads(ThreadPool& pool, std::uint32_t asked);

// Arithmetic of products that a specification (one that check_spec has passed) asks for.
kernels::Compute compute_of(const v1::RunSpec& spec);

}  // namespace mft::train
