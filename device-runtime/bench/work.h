// What counts as the work of a training step (docs/benchmarks.md), and the products it consists of.
#pragma once

#include <vector>

#include "bench/products.h"
#include "mft/v1/bench.pb.h"

namespace mft::bench {

struct Work {
  double matrix_parameters = 0;  // N: elements of all linear weights and of the head
  double products = 0;           // 6 N (full) or 4 N (LoRA) for each token
  double head = 0;               // the head's part of it
  // Causal attention: 4 D (forward) and 10 D (backward, its scores made again) for each pair of a query and
  // a key that it sees, in each head.
  double attention = 0;
};
Work step_work(const v1::EngineBench& spec);

struct CountedProduct {
  Product product;
  uint32_t count = 0;  // in a step
};
// The products of a step's linear layers and head, equal shapes together.
std::vector<CountedProduct> step_products(const v1::EngineBench& spec);

}  // namespace mft::bench
