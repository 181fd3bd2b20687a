// From pinned segments to layers: every tensor is found by its canonical name and checked against the
// expected shape.
#pragma once

#include "models/adapters.h"
#include "models/block.h"
#include "models/config.h"
#include "models/rotary.h"
#include "nn/embedding.h"
#include "nn/head.h"
#include "store/segments.h"

namespace mft::models {

// values and gradients of one segment; gradients is null for a frozen base.
struct Tensors {
  const store::Pin& values;
  const store::Pin* gradients = nullptr;

  const float* vector(const std::string& name, i64 size) const;
  kernels::Weights matrix(const std::string& name, i64 rows, i64 columns) const;
  float* gradient(const std::string& name, std::initializer_list<i64> shape) const;  // nullptr when frozen
};

Block bind_block(const v1::ModelConfig& config, uint32_t layer, const Tensors& tensors,
                 const Adapters& adapters, const RopeTables& rope);
// d_tokens is the segment's own gradient; the decoder replaces it when the embedding is tied.
nn::Embedding bind_embedding(const v1::ModelConfig& config, const Tensors& tensors);
nn::Norm bind_norm(const v1::ModelConfig& config, const std::string& name, i64 channels,
                   const Tensors& tensors);
// name: "embed.tokens" of the embedding segment when tied, else "lm_head.weight" of the final one.
nn::Head bind_head(const v1::ModelConfig& config, const std::string& name, const Tensors& tensors);

// Walks all segments: names, order, shapes and types as the configuration asks, nothing missing, nothing
// more. all_f32: also matrices must be F32 (Full-FT). Failure model.segment-missing, model.tensor-*,
// model.dtype-unsupported.
void check_segments(const v1::ModelConfig& config, store::Segments& segments, bool all_f32);

}  // namespace mft::models
