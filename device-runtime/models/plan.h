// The memory of a pass, planned: the same functions run over a measuring arena before the first step and over
// the real one after it.
#pragma once

#include <vector>

#include "base/arena.h"
#include "models/adapters.h"
#include "models/block.h"
#include "models/config.h"
#include "models/model.h"
#include "models/rotary.h"

namespace mft::models {

struct Activations {
  std::vector<BlockActivations> blocks;  // [L]
  float* final_x = nullptr;              // [N, C] the last block's output
  nn::NormSaved final_norm;
  float* hidden = nullptr;  // [N, C] the head's input; shares memory with gradients.narrow
  BlockGradients gradients;
  float* d_x = nullptr;          // [N, C] gradient of the residual stream
  int32_t* positions = nullptr;  // [N]
  float* rope = nullptr;         // [rope_table_elements] for max_length positions
  nn::Scratch scratch;           // all but .kernel
};

// Blocks below the first trained one, and all blocks of a frozen model, save nothing and share their buffers.
uint32_t first_saved_block(const ModelOptions& options, const Adapters& adapters, uint32_t layers);

// adapters: its saved buffers are taken too.
Activations take_activations(Arena& arena, const v1::ModelConfig& config, const ModelOptions& options,
                             Adapters& adapters);

// Bytes of kernel workspace for passes of up to these sizes.
size_t kernel_workspace(const v1::ModelConfig& config, const ModelOptions& options, const Adapters& adapters,
                        int threads);

}  // namespace mft::models
