// The gradient of a tied embedding's lookups, kept apart from its head's and added once a step: the order of
// additions is then the same whether the walk takes micro-batch after micro-batch or layer after layer. As
// large as the table in addresses, but only the rows that a step's tokens touch ever become memory.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/types.h"
#include "store/memory.h"

namespace mft::models {

class LookupGradient {
 public:
  LookupGradient() = default;
  LookupGradient(kernels::i64 vocab, kernels::i64 channels);

  float* table() const { return reinterpret_cast<float*>(memory_.data()); }  // [V, C]; nullptr: not in use
  // The tokens whose rows are about to be added to.
  void touch(std::span<const int32_t> tokens);
  // to [V, C] += the touched rows, by rising row; then nothing is touched.
  void add_to(float* to);
  void clear();

 private:
  kernels::i64 channels_ = 0;
  std::vector<bool> touched_;
  store::Memory memory_;
};

}  // namespace mft::models
