// The table of ops: what each kernel must give, for every storage type, odd shapes and transposes. A row is a
// problem of one op; ops_table_test.cc runs each row on every instruction set with 1, 2 and 3 threads.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "kernels/test_support.h"
#include "kernels/types.h"

namespace mft::kernels::test {

struct Expected {
  std::vector<double> values;  // by the naive oracle (kernels/reference), in double
  double bar;                  // of relative_error
};

struct Problem {
  std::function<Outputs(ThreadPool&)> run;  // the kernel
  std::vector<Expected> expected;           // of each of its outputs
  bool parallel = false;                    // has tiles for three workers: every one must do some
};

struct Row {
  std::string op;               // a name of kOps
  std::string name;             // of the case: letters, digits and underscores, unique for the op
  std::function<Problem()> make;  // computes what is expected; a backward also checks the oracle's gradients
  Compute compute = Compute::kF32;
};

using Rows = std::vector<Row>;

// One file a family of ops.
void add_activation_rows(Rows& rows);
void add_attention_rows(Rows& rows);
void add_embedding_rows(Rows& rows);
void add_gemm_rows(Rows& rows);
void add_head_rows(Rows& rows);
void add_norm_rows(Rows& rows);
void add_optimizer_rows(Rows& rows);
void add_query_key_rows(Rows& rows);
void add_rope_rows(Rows& rows);
void add_vector_rows(Rows& rows);

inline double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// Nearest, ties to even; finite values.
inline std::vector<float> rounded_to_bf16(std::vector<float> x) {
  for (float& value : x) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof(bits));
    bits = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000u;
    std::memcpy(&value, &bits, sizeof(bits));
  }
  return x;
}

template <class T = float>
std::vector<T> zeros(i64 n) {
  return std::vector<T>(static_cast<std::size_t>(n));
}

}  // namespace mft::kernels::test
