// The tables of RoPE that a configuration needs: one for its layers with full attention and, where sliding
// layers have a base of their own, one for those.
#pragma once

#include "mft/v1/model.pb.h"
#include "nn/query_key.h"

namespace mft::models {

using kernels::i64;

struct RopeTables {
  const float* full = nullptr;     // [positions, D]; null: the configuration has no RoPE
  const float* sliding = nullptr;  // the same table when sliding layers have no base of their own
  i64 positions = 0;
};

// Elements of both tables for that many positions.
i64 rope_table_elements(const v1::ModelConfig& config, i64 positions);
// Fills memory [rope_table_elements]; null: nothing is filled (the plan of memory measures).
RopeTables make_rope_tables(const v1::ModelConfig& config, i64 positions, float* memory);

bool slides(const v1::ModelConfig& config, uint32_t layer);

}  // namespace mft::models
