// The language-model head and its loss in one: logits are made in tiles and consumed, no N x V matrix exists.
// loss[n] = logsumexp_v(hidden[n] . W[v]) - hidden[n] . W[target[n]]
#pragma once

#include "base/threads.h"
#include "kernels/types.h"

namespace mft::kernels {

constexpr std::int32_t kIgnoredTarget = -100;  // such rows cost nothing: no loss, no gradient

struct CrossEntropyShape {
  i64 rows = 0;      // N
  i64 channels = 0;  // C
  i64 vocab = 0;     // V
  float softcap = 0;  // logits become softcap * tanh(logit / softcap); 0: off
  Compute compute = Compute::kF32;  // of the products
};

// The same for logits made elsewhere.
void softcap(ThreadPool& pool, i64 n, float cap, float* logits);

struct CrossEntropyResult {
  double loss_sum = 0;  // over the rows with a target, added in row order
  i64 tokens = 0;       // how many those are
};

// Bytes for the functions below; backward says whether cross_entropy_forward_backward is called,
// weight_gradient whether a dW may be asked for.
std::size_t cross_entropy_workspace(int threads, const CrossEntropyShape& shape, bool backward,
                                    bool weight_gradient = true);

// hidden [N, C]; W [V, C] contiguous; targets [N], each in [0, V) or kIgnoredTarget (else Failure
// "kernels.target"). losses [N] or null: 0 for ignored rows. likeliest [N] or null: the token of the largest
// logit (the first of several); -1 for ignored rows, and where no logit is a number.
CrossEntropyResult cross_entropy_forward(ThreadPool& pool, const CrossEntropyShape& shape,
                                         const float* hidden, Weights W, const std::int32_t* targets,
                                         float* losses, std::int32_t* likeliest, Workspace workspace);

// The same losses (to the bit), and the gradients of gradient_scale * loss_sum: d_hidden [N, C] is
// overwritten (0 for ignored rows), dW [V, C] is added to (overwrite: written, if any row has a target), or
// null (a frozen head).
CrossEntropyResult cross_entropy_forward_backward(ThreadPool& pool, const CrossEntropyShape& shape,
                                                  const float* hidden, Weights W, const std::int32_t* targets,
                                                  float gradient_scale, float* losses, float* d_hidden,
                                                  float* dW, Workspace workspace, bool overwrite = false);

}  // namespace mft::kernels
