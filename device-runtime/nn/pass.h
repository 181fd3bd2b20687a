// What every layer's pass needs besides its own tensors, and the memory that layers share.
// Legend: S sequences of a micro-batch, T tokens of one, N of all, C hidden, H heads, D head size, F MLP, r rank
// of an adapter. Layers come as pairs, x_forward right above x_backward, each naming what it saves. Frozen
// tensors have a null gradient pointer and get none. What these files do not do: own memory, know a model's
// order of layers.
#pragma once

#include <cstdint>
#include <span>

#include "base/threads.h"
#include "kernels/dropout.h"
#include "kernels/types.h"

namespace mft::nn {

using kernels::i64;

// Which dropout of a layer: together with (seed, step, micro-batch, layer, element) it names every random
// bit. The numbers are part of a run's identity: never renumber. Layer 0 is the embedding, layer 1 + i is
// block i.
enum class Site : uint32_t {
  kEmbedding = 0,
  kAttention = 1,
  kAttentionOut = 2,
  kMlpOut = 3,
  kAdapter = 16,  // + position of the linear layer in its block (0 qkv, 1 out, 2 up, 3 down)
};

// Buffers that every layer of a pass uses in turn; sizes are planned by models/plan.
struct Scratch {
  std::span<std::byte> kernel;  // for the kernels' own packing
  float* branch = nullptr;      // [N, C]: a residual branch on its way through its post norm and dropout
  float* dropped = nullptr;     // [N, max in]: an adapter's input behind its dropout
  float* low = nullptr;         // [r, N]: a gradient on its way through an adapter
  float* b_t = nullptr;         // [r, max out]: B transposed
  float* d_b_t = nullptr;       // [r, max out]: its gradient
};

struct Pass {
  ThreadPool& pool;
  Scratch& scratch;
  kernels::Sequences sequences;
  float dropout = 0;          // 0 outside training
  float adapter_dropout = 0;  // 0 outside training
  kernels::DropoutSite key;   // seed, step, micro-batch
  uint32_t layer = 0;
  // The gradients of weights that are products (of linear layers and the head) hold nothing yet: they are
  // overwritten.
  bool first_gradients = false;
  const int32_t* positions = nullptr;  // [N] of the tokens in their sequences
  kernels::Compute compute = kernels::Compute::kF32;  // of the products of linear layers and the head

  i64 rows() const { return sequences.tokens(); }  // N
  kernels::DropoutSite site(Site which, float probability) const {
    kernels::DropoutSite site = key;
    site.layer = layer;
    site.site = static_cast<uint32_t>(which);
    site.probability = probability;
    return site;
  }
};

}  // namespace mft::nn
